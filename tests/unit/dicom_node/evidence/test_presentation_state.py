from dataclasses import replace

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DigitalXRayImageStorageForProcessing

from dicom_node.evidence.encode import check
from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.evidence.outline import simplified
from dicom_node.evidence.presentation_state import encode
from inference.findings import Call
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


def texts_of(state):
    return [
        text
        for annotation in state.GraphicAnnotationSequence
        for text in annotation.get("TextObjectSequence", ())
    ]


def test_plain_text_below_the_film_says_the_call_first():
    state = encode(a_subject(a_source()), an_analysis(a_frame()))
    caption, *numbers = texts_of(state)
    first, *lines = caption.UnformattedTextValue.split("\r\n")
    assert first.startswith(
        "AI, not for primary diagnosis: Opacity (probability 91 %, operating point"
    )
    assert lines[0].startswith("Opacity 1: right ")
    assert caption.UnformattedTextValue.isascii()
    assert caption.BoundingBoxAnnotationUnits == "DISPLAY"
    assert [each.UnformattedTextValue for each in numbers] == ["1", "2"]


def test_what_is_possible_only_is_dashed_and_quieter():
    sure = an_analysis(a_frame())
    possible = replace(sure, call=Call.POSSIBLE)
    subject = a_subject(a_source())
    drawn = encode(subject, possible)
    check(EvidenceKind.PRESENTATION_STATE, drawn, subject)
    dashed, solid = (
        each.GraphicAnnotationSequence[0].GraphicObjectSequence
        for each in (drawn, encode(subject, sure))
    )
    for graphic in dashed:
        assert graphic.LineStyleSequence[0].LineDashingStyle == "DASHED"
    assert not any("LineStyleSequence" in graphic for graphic in solid)
    colours = {
        str(each.GraphicLayerSequence[0].GraphicLayerRecommendedDisplayCIELabValue)
        for each in (drawn, encode(subject, sure))
    }
    assert len(colours) == 2


def test_a_film_of_dozens_of_findings_has_a_caption_that_fits():
    finding = an_analysis(a_frame()).findings[0]
    many = replace(an_analysis(a_frame()), findings=(finding,) * 40)
    caption, *_ = texts_of(encode(a_subject(a_source()), many))
    assert len(caption.UnformattedTextValue) <= 1024
    assert caption.BoundingBoxTopLeftHandCorner[1] > 0.5


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
