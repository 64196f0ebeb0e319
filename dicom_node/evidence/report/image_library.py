"""Image Library: which film the report is of, and how it was taken (TID 1600).

One entry (TID 1601) with as much as the header tells: a film without spacing or
orientation is listed with less, not left out.
"""

from collections.abc import Iterator

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


def library(subject: Subject) -> ContainerContentItem:
    """List the film."""
    entry = ImageContentItem(
        name=_SOURCE,
        referenced_sop_class_uid=subject.clean.SOPClassUID,
        referenced_sop_instance_uid=subject.clean.SOPInstanceUID,
        relationship_type=RelationshipTypeValues.CONTAINS,
    )
    entry.ContentSequence = ContentSequence(_descriptors(subject))
    return _container(_DCM.ImageLibrary, _container(_DCM.ImageLibraryGroup, entry))


def _container(name: Code, item: ContentItem) -> ContainerContentItem:
    container = ContainerContentItem(
        name, relationship_type=RelationshipTypeValues.CONTAINS
    )
    container.ContentSequence = ContentSequence([item])
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
