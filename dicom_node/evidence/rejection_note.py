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

from dicom_node.dataset.normalise import cleaned
from dicom_node.errors import EvidenceInvalid
from dicom_node.evidence import codes
from dicom_node.evidence.check.objects import check_attributes
from dicom_node.evidence.report.measurement_report import device_observer
from dicom_node.evidence.subject import (
    EvidenceContext,
    ObjectReference,
    finish,
    instance_uid,
    series_number,
)

KIND = "rejection-note"
_IMAGES = {SegmentationStorage, SecondaryCaptureImageStorage}


def encode(
    example: Dataset,
    rejected: Sequence[ObjectReference],
    reason: str,
    context: EvidenceContext,
    title: Code = codes.REJECTED_FOR_QUALITY,
) -> Dataset:
    """Encode the note for objects of one study.

    Parameters
    ----------
    example
        Any of the rejected objects, or their source: patient and study come from it.
    rejected
        What is called back.
    reason
        One sentence, without patient attributes.
    title
        ``codes.REJECTED_FOR_QUALITY`` or ``codes.REJECTED_FOR_SAFETY``.

    Raises
    ------
    EvidenceInvalid
        Nothing is rejected, not all of it is of the example's study, or the note is
        not fit to send.
    """
    clean = cleaned(example)
    # The example may be a result, whose maker acquired nothing.
    clean.Manufacturer = ""
    studies = {reference.study_instance_uid for reference in rejected}
    if studies != {clean.StudyInstanceUID}:
        raise EvidenceInvalid("a rejection note names objects of its one study")
    objects = [_stand_in(clean, reference) for reference in rejected]
    selection = KeyObjectSelection(
        document_title=CodedConcept.from_code(title),
        referenced_objects=objects,
        observer_device_context=device_observer(context),
        description=reason,
    )
    named = "|".join(sorted(item.sop_instance_uid for item in rejected))
    note = KeyObjectSelectionDocument(
        evidence=objects,
        content=selection,
        series_instance_uid=instance_uid(context, clean, f"{KIND} series {named}"),
        series_number=series_number(context, KIND),
        sop_instance_uid=instance_uid(context, clean, f"{KIND} {named}"),
        instance_number=1,
        manufacturer=context.manufacturer,
        series_description="AI results called back",
    )
    for item in note.ContentSequence:
        if item.ValueType in {"IMAGE", "COMPOSITE"}:
            # TID 2010 gives references no purpose.
            item.pop("ConceptNameCodeSequence", None)
    finish(note, example, clean, context)
    check_attributes(note)
    return note


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
