"""Image Library: which film the report is of, and how it was taken (TID 1600).

An entry (TID 1601) with as much as the header tells: a film without spacing or
orientation is listed with less, not left out.
"""

from collections.abc import Iterator, Sequence

from highdicom.sr import (
    CodeContentItem,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    ImageContentItem,
    NumContentItem,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.sr.codedict import codes as dicom_codes
from pydicom.sr.coding import Code

from dicom_node.evidence import codes
from dicom_node.evidence.past import ObjectReference
from dicom_node.evidence.subject import Subject

_DCM = dicom_codes.DCM
_CONTEXT = RelationshipTypeValues.HAS_ACQ_CONTEXT
_SOURCE = Code("260753009", "SCT", "Source")
_MILLIMETRES = Code("mm", "UCUM", "millimeter")
# Context group 29 knows acquisition modalities only.
_MODALITIES = {
    "CR": Code("CR", "DCM", "Computed Radiography"),
    "DX": Code("DX", "DCM", "Digital Radiography"),
}
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing")


def library(
    subject: Subject, segmentations: Sequence[ObjectReference] = ()
) -> ContainerContentItem:
    """List the film, and what was drawn on it.

    The SEGs stand here and in no measurement group: one group that points to a segment
    hides all outlines in OHIF.
    """
    clean = subject.clean
    entry = _image(_SOURCE, clean.SOPClassUID, clean.SOPInstanceUID)
    if described := list(_descriptors(subject)):
        entry.ContentSequence = ContentSequence(described)
    drawn = [
        _image(codes.SEGMENTATION, each.sop_class_uid, each.sop_instance_uid)
        for each in segmentations
    ]
    groups = [[entry], *([drawn] if drawn else [])]
    name = _DCM.ImageLibraryGroup
    return _container(_DCM.ImageLibrary, [_container(name, each) for each in groups])


def _image(name: Code, sop_class: str, sop_instance: str) -> ImageContentItem:
    return ImageContentItem(
        name=name,
        referenced_sop_class_uid=sop_class,
        referenced_sop_instance_uid=sop_instance,
        relationship_type=RelationshipTypeValues.CONTAINS,
    )


def _container(name: Code, items: Sequence[ContentItem]) -> ContainerContentItem:
    container = ContainerContentItem(
        name, relationship_type=RelationshipTypeValues.CONTAINS
    )
    container.ContentSequence = ContentSequence(items)
    return container


def _descriptors(subject: Subject) -> Iterator[ContentItem]:
    """TID 1602 and, as far as it is known, TID 1603."""
    clean = subject.clean
    if modality := _MODALITIES.get(str(clean.get("Modality"))):
        yield CodeContentItem(_DCM.Modality, modality, _CONTEXT)
    if view := codes.VIEWS.get(subject.projection.direction or ""):
        yield CodeContentItem(_DCM.ImageView, view, _CONTEXT)
    orientation = clean.get("PatientOrientation")
    if orientation:
        for name, letters in zip(
            (_DCM.PatientOrientationRow, _DCM.PatientOrientationColumn),
            orientation,
            strict=True,
        ):
            yield TextContentItem(name, letters, _CONTEXT)
    spacing = next((clean.get(one) for one in _SPACINGS if clean.get(one)), None)
    if spacing:
        for name, value in zip(
            (_DCM.VerticalPixelSpacing, _DCM.HorizontalPixelSpacing),
            spacing,
            strict=True,
        ):
            yield NumContentItem(name, float(value), _MILLIMETRES, None, _CONTEXT)
