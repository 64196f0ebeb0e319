"""What every report of ours is: the root with its context, sentences, and the object.

PS3.16 TID 1500 and PS3.3 A.35.13; what is measured comes from ``groups``.
"""

from collections.abc import Sequence

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    Comprehensive3DSR,
    ContainerContentItem,
    ContentSequence,
    ImageLibrary,
    LanguageOfContentItemAndDescendants,
    ObservationContext,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as dicom_codes
from pydicom.sr.coding import Code

from dicom_node.evidence import codes
from dicom_node.evidence.equipment import device_observer
from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.evidence.past import ObjectReference
from dicom_node.evidence.references import hierarchical, request_references
from dicom_node.evidence.report.groups import Group, ImageGroup
from dicom_node.evidence.subject import Subject

_KIND = EvidenceKind.MEASUREMENT_REPORT
# Context group 29 of the image library knows acquisition modalities only.
_LIBRARY_MODALITIES = {"CR", "DX"}
_LIBRARY_NEEDS = ("ImagerPixelSpacing", "PatientOrientation")


def root(subject: Subject, groups: Sequence[Group | ImageGroup]) -> Dataset:
    """Container (126000, DCM, "Imaging Measurement Report") with its context."""
    content = ContainerContentItem(
        name=dicom_codes.DCM.ImagingMeasurementReport, template_id="1500"
    )
    content.ContentSequence = ContentSequence()
    parts = content.ContentSequence
    parts.extend(
        LanguageOfContentItemAndDescendants(CodedConcept.from_code(codes.ENGLISH))
    )
    observer = device_observer(subject.maker)
    parts.extend(ObservationContext(observer_device_context=observer))
    parts.append(
        CodeContentItem(
            dicom_codes.DCM.ProcedureReported,
            codes.IMAGING_PROCEDURE,
            RelationshipTypeValues.HAS_CONCEPT_MOD,
        )
    )
    clean = subject.clean
    if clean.get("Modality") in _LIBRARY_MODALITIES and all(
        keyword in clean for keyword in _LIBRARY_NEEDS
    ):
        parts.extend(ImageLibrary([clean]))
    if groups:
        container = _container(dicom_codes.DCM.ImagingMeasurements)
        for group in groups:
            container.ContentSequence.extend(group)
        parts.append(container)
    return content


def add_sentences(
    content: Dataset, found: Sequence[str], remarks: Sequence[str]
) -> None:
    """Add qualitative evaluations of the whole image (TID 1500 row 10)."""
    container = _container(codes.QUALITATIVE_EVALUATIONS)
    for name, lines in ((codes.FINDING, found), (codes.COMMENT, remarks)):
        for line in lines:
            container.ContentSequence.append(
                TextContentItem(name, line, RelationshipTypeValues.CONTAINS)
            )
    content.ContentSequence.append(container)


def document(
    subject: Subject,
    content: Dataset,
    *,
    name: str = _KIND,
    evidence: Sequence[ObjectReference] = (),
) -> Dataset:
    """Make the object.

    Parameters
    ----------
    content
        The root of its tree.
    name
        What its UIDs are named after.
    evidence
        Objects beside the source that its tree points to.
    """
    _separate(content)
    clean, earlier = subject.clean, subject.earlier
    report = Comprehensive3DSR(
        evidence=[clean, *(_header_of(each) for each in evidence)],
        content=content,
        series_instance_uid=subject.uid(f"{name} series"),
        series_number=subject.style.series_number(_KIND),
        sop_instance_uid=subject.uid(name),
        instance_number=1,
        manufacturer=subject.maker.manufacturer,
        is_complete=True,
        series_description="AI lung opacity report",
        coding_schemes=[codes.own_scheme()],
    )
    if requests := request_references(clean):
        report.ReferencedRequestSequence = requests
    if steps := clean.get("ReferencedPerformedProcedureStepSequence"):
        report.ReferencedPerformedProcedureStepSequence = steps
    if earlier.predecessor is not None:
        report.PredecessorDocumentsSequence = hierarchical([earlier.predecessor])
    if earlier.film is not None:
        _add_evidence(report, earlier.film.references)
    return subject.finish(report)


def _add_evidence(report: Dataset, references: Sequence[ObjectReference]) -> None:
    """List a prior's objects: beside the source, or as evidence of another study."""
    for item in hierarchical(references):
        if item.StudyInstanceUID == report.StudyInstanceUID:
            (current,) = report.CurrentRequestedProcedureEvidenceSequence
            current.ReferencedSeriesSequence.extend(item.ReferencedSeriesSequence)
        else:
            report.PertinentOtherEvidenceSequence = [item]


def _header_of(reference: ObjectReference) -> Dataset:
    """As much of an object's header as evidence is listed by."""
    header = Dataset()
    header.SOPClassUID = reference.sop_class_uid
    header.SOPInstanceUID = reference.sop_instance_uid
    header.SeriesInstanceUID = reference.series_instance_uid
    header.StudyInstanceUID = reference.study_instance_uid
    return header


def _container(name: Code) -> ContainerContentItem:
    container = ContainerContentItem(
        name=name, relationship_type=RelationshipTypeValues.CONTAINS
    )
    container.ContentSequence = ContentSequence()
    return container


def _separate(item: Dataset) -> None:
    """Make every container a list of items, not one running text (PS3.3 C.17.3.2.2).

    Readers that print running text leave out what its numbers are called.
    """
    if item.ValueType == "CONTAINER":
        item.ContinuityOfContent = "SEPARATE"
    for child in item.get("ContentSequence") or ():
        _separate(child)
