import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DigitalXRayImageStorageForProcessing

from dicom_node.evidence.encode import check
from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.evidence.outline import simplified
from dicom_node.evidence.presentation_state import encode
from tests.factories.analyses import a_frame, a_subject, an_analysis
from tests.factories.radiographs import synthetic_dataset


def a_source(kind="CR", **changes):
    return synthetic_dataset(kind, rows=256, columns=200, **changes)


def graphics(state, layer):
    return [
        np.reshape(graphic.GraphicData, (-1, 2))
        for annotation in state.GraphicAnnotationSequence
        if annotation.GraphicLayer == layer
        for graphic in annotation.get("GraphicObjectSequence", ())
    ]


def test_outlines_are_those_of_the_report():
    analysis = an_analysis(a_frame())
    state = encode(a_subject(a_source()), analysis)
    for drawn, finding in zip(
        graphics(state, "AI_OPACITY"), analysis.findings, strict=True
    ):
        assert np.allclose(drawn, simplified(finding.region), atol=1e-3)
    assert len(graphics(state, "AI_LUNGS")) == 2


@pytest.mark.parametrize(
    ("photometric", "shape"), [("MONOCHROME1", "INVERSE"), ("MONOCHROME2", "IDENTITY")]
)
def test_the_film_keeps_its_polarity(photometric, shape):
    source = a_source(photometric=photometric)
    state = encode(a_subject(source), an_analysis(a_frame()))
    assert state.PresentationLUTShape == shape
    check(EvidenceKind.PRESENTATION_STATE, state, a_subject(source))


def test_the_films_own_window_is_kept():
    source = a_source(WindowCenter=["2000", "1500"], WindowWidth=["3000", "900"])
    state = encode(a_subject(source), an_analysis(a_frame()))
    (voi,) = state.SoftcopyVOILUTSequence
    assert list(voi.WindowCenter) == [2000, 1500]
    assert list(voi.WindowWidth) == [3000, 900]


def test_the_films_own_lookup_table_is_kept():
    table = Dataset()
    table.LUTDescriptor = [4096, 0, 12]
    table.LUTData = np.arange(4096, dtype="<u2").tobytes()
    source = a_source(WindowCenter=None, WindowWidth=None, VOILUTSequence=[table])
    state = encode(a_subject(source), an_analysis(a_frame()))
    (voi,) = state.SoftcopyVOILUTSequence
    assert voi.VOILUTSequence[0].LUTDescriptor == [4096, 0, 12]


def test_the_films_own_modality_table_is_kept():
    table = Dataset()
    table.LUTDescriptor = [4096, 0, 12]
    table.ModalityLUTType = "US"
    table.LUTData = np.arange(4096, dtype="<u2").tobytes()
    source = a_source(
        RescaleSlope=None,
        RescaleIntercept=None,
        RescaleType=None,
        ModalityLUTSequence=[table],
    )
    state = encode(a_subject(source), an_analysis(a_frame()))
    assert state.ModalityLUTSequence[0].LUTDescriptor == [4096, 0, 12]
    assert "RescaleSlope" not in state


def test_one_line_of_plain_text_says_what_was_found():
    state = encode(a_subject(a_source()), an_analysis(a_frame()))
    (text,) = [
        text
        for annotation in state.GraphicAnnotationSequence
        for text in annotation.get("TextObjectSequence", ())
    ]
    assert text.UnformattedTextValue.startswith("AI, not for primary diagnosis: 2 lung")
    assert text.UnformattedTextValue.isascii()
    assert text.BoundingBoxAnnotationUnits == "DISPLAY"


def test_no_opacity_still_shows_lungs_and_text():
    source = a_source()
    state = encode(a_subject(source), an_analysis(a_frame(), ()))
    check(EvidenceKind.PRESENTATION_STATE, state, a_subject(source))
    assert graphics(state, "AI_OPACITY") == []
    assert len(graphics(state, "AI_LUNGS")) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"SOPClassUID": DigitalXRayImageStorageForProcessing},
        {"PresentationIntentType": "FOR PROCESSING"},
    ],
)
def test_an_image_for_processing_gets_none(changes):
    source = a_source("DX", **changes)
    assert encode(a_subject(source), an_analysis(a_frame())) is None
