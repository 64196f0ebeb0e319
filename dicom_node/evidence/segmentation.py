"""Segmentation objects: the opacities, and the lungs in a series of their own; or both.

BINARY, one segment per finding, no overlap, Derivation Image pointing pixel by pixel at
the one source image (PS3.3 A.51, C.8.20). In ``compat`` geometry the planar functional
groups that viewers ask for are present too, without a Frame of Reference.
"""

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
from highdicom import PixelMeasuresSequence, PlaneOrientationSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from dicom_node.dataset.film.pixel_shape import aspect_of
from dicom_node.dataset.values import as_list
from dicom_node.evidence import codes
from dicom_node.evidence.equipment import algorithm
from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.evidence.subject import Subject
from dicom_node.evidence.wording.disclaimer import DISCLAIMER
from dicom_node.evidence.wording.numbers import probability
from dicom_node.evidence.wording.sentences import noun
from inference.findings import Analysis, Call, Finding, Lung, Region, Side

_NAMES = {
    EvidenceKind.SEGMENTATION: ("AI_LUNG_OPACITY", "AI lung opacities"),
    EvidenceKind.LUNG_SEGMENTATION: ("AI_LUNGS", "AI lungs"),
    EvidenceKind.LABEL_MAP: ("AI_LABEL_MAP", "AI lungs and opacities, label map"),
}
_LONG_STRING = 64  # PS3.5 6.2: LO
# Warm and far apart for findings, cool for lungs (L*, a*, b*); all within sRGB.
_WARM = ((68, 32, 61), (81, 6, 66), (55, 53, 43), (76, 29, 34), (58, 51, 1))
_COOL = {Side.RIGHT: (76, -18, -24), Side.LEFT: (65, 1, -44)}


def encode_opacities(subject: Subject, analysis: Analysis) -> Dataset | None:
    """Encode every finding as a segment of its own.

    Returns
    -------
        The SEG; ``None`` when nothing was found (the report says so in words).
    """
    if not analysis.findings:
        return None
    descriptions = [
        _finding(number, finding, analysis.call, subject)
        for number, finding in enumerate(analysis.findings, start=1)
    ]
    regions = [finding.region for finding in analysis.findings]
    seg = _segmentation(subject, EvidenceKind.SEGMENTATION, regions, descriptions)
    return subject.finish(seg)


def encode_lungs(subject: Subject, analysis: Analysis) -> Dataset:
    """Encode the right and the left lung."""
    descriptions = [
        _lung(number, lung, subject)
        for number, lung in enumerate(analysis.lungs, start=1)
    ]
    regions = [lung.region for lung in analysis.lungs]
    seg = _segmentation(subject, EvidenceKind.LUNG_SEGMENTATION, regions, descriptions)
    return subject.finish(seg)


def encode_label_map(subject: Subject, analysis: Analysis) -> Dataset:
    """Encode findings and lungs as one label map (PS3.3 A.51, Supplement 243).

    Its segments may not overlap: a finding wins over the lung that it lies in, and the
    surer finding over the other. So a lung's segment here is what is free of findings.
    """
    descriptions = [
        _finding(number, finding, analysis.call, subject)
        for number, finding in enumerate(analysis.findings, start=1)
    ]
    descriptions += [
        _lung(number, lung, subject)
        for number, lung in enumerate(analysis.lungs, start=len(descriptions) + 1)
    ]
    regions = [finding.region for finding in analysis.findings]
    regions += [lung.region for lung in analysis.lungs]
    seg = _segmentation(subject, EvidenceKind.LABEL_MAP, regions, descriptions)
    background = seg.SegmentSequence[0]  # highdicom describes it, and does not name it
    background.TrackingID, background.TrackingUID = subject.tracking("background")
    return subject.finish(seg)


def _finding(
    number: int, finding: Finding, call: Call, subject: Subject
) -> SegmentDescription:
    identifier, uid = subject.tracking(f"opacity {number}")
    certainty = probability(finding.score)
    label = f"{noun(call)} {number}, {finding.place}, {certainty}"
    return SegmentDescription(
        segment_number=number,
        segment_label=label[:_LONG_STRING],
        segmented_property_category=codes.ABNORMAL_STRUCTURE,
        segmented_property_type=codes.OPACITY,
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm(subject.maker),
        tracking_uid=uid,
        tracking_id=identifier,
        anatomic_regions=[codes.SIDES[finding.side]],
        display_color=_colour(_WARM[(number - 1) % len(_WARM)]),
    )


def _lung(number: int, lung: Lung, subject: Subject) -> SegmentDescription:
    identifier, uid = subject.tracking(f"{lung.side.value} lung")
    label = codes.SIDES[lung.side].meaning
    if lung.side is Side.LEFT:
        label += ", with what lies behind the heart"
    return SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=codes.ANATOMICAL_STRUCTURE,
        segmented_property_type=codes.SIDES[lung.side],
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm(subject.maker),
        tracking_uid=uid,
        tracking_id=identifier,
        display_color=_colour(_COOL[lung.side]),
    )


def _colour(lab: tuple[float, float, float]) -> CIELabColor:
    return CIELabColor(*lab)


def _label_map(
    regions: Sequence[Region], rows: int, columns: int
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """One integer per pixel, the earlier region on top where two would meet."""
    labels = np.zeros((rows, columns), np.min_scalar_type(len(regions)))
    for number in range(len(regions), 0, -1):
        region = regions[number - 1]
        height, width = region.mask.shape
        window = labels[
            region.row : region.row + height, region.column : region.column + width
        ]
        window[region.mask] = number
    return labels


def _segmentation(
    subject: Subject,
    kind: EvidenceKind,
    regions: Sequence[Region],
    descriptions: Sequence[SegmentDescription],
) -> Segmentation:
    clean, maker = subject.clean, subject.maker
    if "FrameOfReferenceUID" in clean:
        clean.SliceThickness = 1.0  # nominal: a projection has none
    labels = _label_map(regions, clean.Rows, clean.Columns)
    label, title = _NAMES[kind]
    series_uid, series_number = subject.series(kind)
    seg = Segmentation(
        source_images=[clean],
        pixel_array=labels[np.newaxis],
        segmentation_type="LABELMAP" if kind is EvidenceKind.LABEL_MAP else "BINARY",
        segment_descriptions=descriptions,
        series_instance_uid=series_uid,
        series_number=series_number,
        sop_instance_uid=subject.uid(kind),
        instance_number=1,
        manufacturer=maker.manufacturer,
        manufacturer_model_name=maker.manufacturer_model_name,
        software_versions=maker.software_version,
        device_serial_number=maker.serial_number,
        content_label=label,
        content_description=DISCLAIMER,
        series_description=subject.series_description(title),
        omit_empty_frames=False,
    )
    dimensions = subject.uid(f"{kind} dimensions")
    for item in (*seg.DimensionOrganizationSequence, *seg.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions
    seg.PatientOrientation = clean.get("PatientOrientation")
    seg.BodyPartExamined = "CHEST"
    seg.ContentCreatorName = maker.creator_name
    if "FrameOfReferenceUID" in clean:
        seg.PositionReferenceIndicator = clean.PositionReferenceIndicator
    elif subject.style.viewer_geometry != "strict":
        shared = subject.style.viewer_geometry == "itk"
        _add_planar_geometry(seg, _spacing(subject), dimensions, shared_position=shared)
    return seg


def _spacing(subject: Subject) -> list[float]:
    """Give the film's spacing, else one in which its pixels have their shape."""
    clean = subject.clean
    spacing = clean.get("PixelSpacing") or clean.get("ImagerPixelSpacing")
    return [float(each) for each in spacing or (aspect_of(subject.source) or 1.0, 1.0)]


def _add_planar_geometry(
    seg: Segmentation, spacing: list[float], dimensions: str, *, shared_position: bool
) -> None:
    """Say "planar, not flipped": without it OHIF and Slicer do not open the object.

    A.51.5 lets these groups be; there is no Frame of Reference, so millimetres here
    are nominal. dwv asks for a position among the dimensions, too. Of several frames at
    one position of their own ITK makes none; of one position for all it does, and dcmqi
    does not.
    """
    shared = seg.SharedFunctionalGroupsSequence[0]
    shared.PlaneOrientationSequence = PlaneOrientationSequence(
        "PATIENT", [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    )
    shared.PixelMeasuresSequence = PixelMeasuresSequence(
        spacing,
        slice_thickness=1.0,
        spacing_between_slices=1.0,
    )
    position = Dataset()
    position.ImagePositionPatient = [0.0, 0.0, 0.0]
    if shared_position:
        shared.PlanePositionSequence = [position]
        return
    index = Dataset()
    index.DimensionOrganizationUID = dimensions
    index.DimensionIndexPointer = tag_for_keyword("ImagePositionPatient")
    index.FunctionalGroupPointer = tag_for_keyword("PlanePositionSequence")
    index.DimensionDescriptionLabel = "Image Position Patient"
    seg.DimensionIndexSequence.append(index)
    for frame in seg.PerFrameFunctionalGroupsSequence:
        frame.PlanePositionSequence = [deepcopy(position)]
        content = frame.FrameContentSequence[0]
        values = as_list(content.DimensionIndexValues)
        content.DimensionIndexValues = [*values, 1]
