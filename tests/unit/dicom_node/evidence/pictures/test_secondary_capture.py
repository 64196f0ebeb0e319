import numpy as np
import pytest

from dicom_node.evidence.encode import check
from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.evidence.pictures.overlay import draw
from dicom_node.evidence.pictures.secondary_capture import WIDTH_PX, encode
from tests.factories.analyses import a_frame, a_subject, an_analysis
from tests.factories.radiographs import synthetic_dataset


@pytest.fixture(scope="module")
def frame():
    return a_frame(256, 200)


@pytest.fixture(scope="module")
def subject():
    return a_subject(synthetic_dataset("CR", rows=256, columns=200))


@pytest.fixture(scope="module")
def capture(subject, frame):
    capture = encode(subject, frame, an_analysis(frame))
    check(EvidenceKind.SECONDARY_CAPTURE, capture, subject)
    return capture


def test_its_pixels_are_the_overlay(capture, subject, frame):
    picture = draw(frame, an_analysis(frame), subject=subject, width_px=WIDTH_PX)
    assert np.array_equal(capture.pixel_array, np.asarray(picture))


def test_it_says_that_it_is_no_film(capture):
    assert capture.Modality == "OT"
    assert capture.ConversionType == "WSD"
    assert list(capture.ImageType) == ["DERIVED", "SECONDARY"]
    assert capture.BurnedInAnnotation == "YES"
    assert list(capture.PatientOrientation) == ["L", "F"]


def test_lossy_compression_of_the_source_is_carried_on(frame):
    source = synthetic_dataset(
        "CR",
        rows=256,
        columns=200,
        LossyImageCompression="01",
        LossyImageCompressionRatio="9.5",
        LossyImageCompressionMethod="ISO_10918_1",
    )
    capture = encode(a_subject(source), frame, an_analysis(frame))
    assert capture.LossyImageCompression == "01"
    assert capture.LossyImageCompressionRatio == 9.5
