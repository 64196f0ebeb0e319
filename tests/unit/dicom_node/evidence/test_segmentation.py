import numpy as np
import pytest
from highdicom.seg import Segmentation
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_node.evidence.encode import check
from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.evidence.segmentation import encode_lungs, encode_opacities
from inference.findings import Side
from inference.frame import Orientation
from tests.factories.analyses import a_frame, a_maker, a_subject, an_analysis
from tests.factories.films import films
from tests.factories.radiographs import synthetic_dataset

ORIENTATIONS = [
    Orientation(transpose=transpose, flip_rows=rows, flip_columns=columns)
    for transpose in (False, True)
    for rows in (False, True)
    for columns in (False, True)
]


def a_source(rows, columns, kind="CR", **changes):
    return synthetic_dataset(kind, rows=rows, columns=columns, **changes)


def masks_of(dataset):
    """Segment number -> mask, as highdicom reads it."""
    read = Segmentation.from_dataset(dataset)
    (source,) = read.get_source_image_uids()
    pixels = read.get_pixels_by_source_instance(
        [source[2]], segment_numbers=read.segment_numbers
    )
    return {
        number: pixels[0, :, :, index].astype(np.bool_)
        for index, number in enumerate(read.segment_numbers)
    }


@settings(max_examples=20, deadline=None)
@given(
    film=films(),
    orientation=st.sampled_from(ORIENTATIONS),
    spacing=st.sampled_from([None, ["0.143", "0.15"]]),
    bits=st.sampled_from([8, 10, 12, 16]),
)
def test_masks_come_back_as_they_went_in(film, orientation, spacing, bits):
    rows, columns, opacities = film
    frame = a_frame(rows, columns, orientation=orientation)
    analysis = an_analysis(frame, opacities)
    source = a_source(
        analysis.rows, analysis.columns, bits_stored=bits, PixelSpacing=spacing
    )
    opacity = encode_opacities(a_subject(source), analysis)
    lungs = encode_lungs(a_subject(source), analysis)
    for dataset in (opacity, lungs):
        check(EvidenceKind.SEGMENTATION, dataset, a_subject(source))
    size = (analysis.rows, analysis.columns)
    read = masks_of(opacity)
    assert len(read) == len(analysis.findings)
    for number, finding in enumerate(analysis.findings, start=1):
        assert np.array_equal(read[number], finding.region.full(*size))
    for number, lung in enumerate(analysis.lungs, start=1):
        assert np.array_equal(masks_of(lungs)[number], lung.region.full(*size))


def test_nothing_found_gives_no_opacity_object():
    frame = a_frame()
    analysis = an_analysis(frame, ())
    assert encode_opacities(a_subject(a_source(256, 200)), analysis) is None


def test_more_findings_than_a_byte_counts_are_kept_apart():
    frame = a_frame(120, 120)
    opacities = []
    for number in range(300):
        mask = np.zeros((120, 120), dtype=np.bool_)
        mask[2 * (number // 20) + 20, 2 * (number % 20) + 40] = True
        opacities.append(mask)
    analysis = an_analysis(frame, opacities)
    dataset = encode_opacities(a_subject(a_source(120, 120)), analysis)
    assert len(dataset.SegmentSequence) == 300
    assert all(mask.sum() == 1 for mask in masks_of(dataset).values())


def test_a_segment_says_zone_certainty_and_kind():
    analysis = an_analysis(a_frame())
    dataset = encode_opacities(a_subject(a_source(256, 200)), analysis)
    first = dataset.SegmentSequence[0]
    finding = analysis.findings[0]
    assert finding.side is Side.RIGHT
    assert first.SegmentLabel == f"Opacity 1, {finding.place}, 91 %"
    assert first.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Opacity"
    assert first.AnatomicRegionSequence[0].CodeMeaning == "Right lung"
    assert first.SegmentAlgorithmType == "AUTOMATIC"
    algorithm = first.SegmentationAlgorithmIdentificationSequence[0]
    assert algorithm.AlgorithmVersion == a_maker().model.version
    assert a_maker().model.sha256 in algorithm.AlgorithmParameters


def test_lungs_are_named_by_the_patients_side():
    dataset = encode_lungs(a_subject(a_source(256, 200)), an_analysis(a_frame()))
    names = [
        segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning
        for segment in dataset.SegmentSequence
    ]
    assert names == ["Right lung", "Left lung"]
    right, left = masks_of(dataset).values()
    assert np.nonzero(right)[1].mean() < np.nonzero(left)[1].mean()


def test_no_segments_overlap():
    dataset = encode_opacities(a_subject(a_source(256, 200)), an_analysis(a_frame()))
    assert dataset.SegmentsOverlap == "NO"


@pytest.mark.parametrize(
    ("changes", "spacing"),
    [
        ({"PixelSpacing": ["0.14", "0.15"]}, [0.14, 0.15]),
        ({"PixelSpacing": None, "ImagerPixelSpacing": ["0.2", "0.2"]}, [0.2, 0.2]),
        ({"PixelSpacing": None, "ImagerPixelSpacing": None}, [1.0, 1.0]),
    ],
)
def test_viewers_get_a_plane_without_a_frame_of_reference(changes, spacing):
    source = a_source(256, 200, **changes)
    dataset = encode_opacities(a_subject(source), an_analysis(a_frame()))
    shared = dataset.SharedFunctionalGroupsSequence[0]
    orientation = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    assert orientation == [1, 0, 0, 0, 1, 0]
    assert shared.PixelMeasuresSequence[0].PixelSpacing == spacing
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        assert frame.PlanePositionSequence[0].ImagePositionPatient == [0, 0, 0]
    assert "FrameOfReferenceUID" not in dataset


def test_strict_geometry_claims_no_plane():
    subject = a_subject(a_source(256, 200), viewer_geometry="strict")
    dataset = encode_opacities(subject, an_analysis(a_frame()))
    shared = dataset.SharedFunctionalGroupsSequence[0]
    assert "PlaneOrientationSequence" not in shared
    assert "PlanePositionSequence" not in dataset.PerFrameFunctionalGroupsSequence[0]


def test_a_frame_of_reference_of_the_source_is_not_claimed():
    source = a_source(256, 200, FrameOfReferenceUID="1.2.3.4.5")
    dataset = encode_opacities(a_subject(source), an_analysis(a_frame()))
    assert "FrameOfReferenceUID" not in dataset
