"""How a film was taken, from headers as they come."""

import pytest
from pydicom.dataset import Dataset

from dicom_node.dataset.film.projection import projection_of


def a_header(**values):
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def a_code(value, meaning):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = value, "SCT"
    item.CodeMeaning = meaning
    return item


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({}, ""),
        ({"ViewPosition": "PA"}, "PA"),
        ({"ViewPosition": "AP"}, "AP"),
        ({"ViewPosition": "AP_SUPINE"}, "AP supine"),
        ({"SeriesDescription": "Thorax P.A."}, "PA"),
        ({"ViewPosition": "AP", "PatientPosition": "HFS"}, "AP supine"),
        ({"ViewPosition": "AP", "SeriesDescription": "Chest portable"}, "AP, portable"),
        ({"SeriesDescription": "Thorax Bett liegend ap"}, "AP supine, portable"),
        ({"SeriesDescription": "view: PA"}, "PA"),
        ({"ProtocolName": "CHEST PA/AP"}, ""),
        ({"ViewCodeSequence": [a_code("272479007", "postero-anterior")]}, "PA"),
        ({"ViewCodeSequence": [a_code("399348003", "antero-posterior")]}, "AP"),
        (
            {
                "ViewPosition": "AP",
                "PatientOrientationCodeSequence": [a_code("102538003", "recumbent")],
            },
            "AP supine",
        ),
        ({"SeriesDescription": "Aspiration report, patient apart"}, ""),
    ],
)
def test_the_view_is_read_as_words(header, words):
    assert projection_of(a_header(**header)).words == words
