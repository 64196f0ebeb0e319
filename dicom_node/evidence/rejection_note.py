"""Rejection note: a Key Object Selection that calls results back.

One per study; an archive with Imaging Object Change Management (IHE RAD IOCM) hides
what it references, any other shows its title (PS3.3 A.35.4, PS3.16 TID 2010).
"""

from collections.abc import Sequence
from copy import deepcopy

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import SecondaryCaptureImageStorage, SegmentationStorage

from dicom_node.errors import EvidenceInvalid
from dicom_node.evidence import codes
from dicom_node.evidence.equipment import device_observer
from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.evidence.past import ObjectReference
from dicom_node.evidence.subject import Subject

_KIND = EvidenceKind.REJECTION_NOTE
_IMAGES = {SegmentationStorage, SecondaryCaptureImageStorage}


def encode(
    subject: Subject,
    rejected: Sequence[ObjectReference],
    reason: str,
    title: Code = codes.REJECTED_FOR_QUALITY,
) -> Dataset:
    """Encode the note for objects of one study.

    Parameters
    ----------
    subject
        The study, by any of the rejected objects or their source.
    rejected
        What is called back.
    reason
        One sentence, without patient attributes.
    title
        ``codes.REJECTED_FOR_QUALITY`` or ``codes.REJECTED_FOR_SAFETY``.

    Raises
    ------
    EvidenceInvalid
        Nothing is rejected, or not all of it is of the subject's study.
    """
    studies = {reference.study_instance_uid for reference in rejected}
    if studies != {subject.clean.StudyInstanceUID}:
        raise EvidenceInvalid("a rejection note names objects of its one study")
    objects = [_stand_in(subject.clean, reference) for reference in rejected]
    selection = KeyObjectSelection(
        document_title=CodedConcept.from_code(title),
        referenced_objects=objects,
        observer_device_context=device_observer(subject.maker),
        description=reason,
    )
    note = _document(subject, objects, selection)
    for item in note.ContentSequence:
        if item.ValueType in {"IMAGE", "COMPOSITE"}:
            # TID 2010 gives references no purpose.
            item.pop("ConceptNameCodeSequence", None)
    return subject.finish(note)


def _document(
    subject: Subject, objects: Sequence[Dataset], selection: KeyObjectSelection
) -> KeyObjectSelectionDocument:
    """Make the object; its UIDs are named after what it rejects."""
    named = "|".join(sorted(item.SOPInstanceUID for item in objects))
    return KeyObjectSelectionDocument(
        evidence=objects,
        content=selection,
        series_instance_uid=subject.uid(f"{_KIND} series {named}"),
        series_number=subject.series_number(_KIND),
        sop_instance_uid=subject.uid(f"{_KIND} {named}"),
        instance_number=1,
        manufacturer=subject.maker.manufacturer,
        series_description="AI results called back",
    )


def _stand_in(clean: Dataset, reference: ObjectReference) -> Dataset:
    """Build what the document must know of an object that it references."""
    item = deepcopy(clean)
    item.SOPClassUID = reference.sop_class_uid
    item.SOPInstanceUID = reference.sop_instance_uid
    item.SeriesInstanceUID = reference.series_instance_uid
    for keyword in ("Rows", "Columns"):
        item.pop(keyword, None)
        if reference.sop_class_uid in _IMAGES:
            # Makes it a reference to an image, not to any composite object.
            setattr(item, keyword, 1)
    return item
