"""What every report of ours is: the root with its context, sentences, and the object.

PS3.16 TID 1500 and PS3.3 A.35.13; what is measured comes from ``groups``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    Comprehensive3DSR,
    ContainerContentItem,
    ContentSequence,
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
from dicom_node.evidence.references import (
    hierarchical,
    procedures,
    request_references,
)
from dicom_node.evidence.report.groups import Group, ImageGroup
from dicom_node.evidence.report.image_library import library
from dicom_node.evidence.subject import Subject

_KIND = EvidenceKind.MEASUREMENT_REPORT


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What is said of the whole image, in the order of reading.

    Parameters
    ----------
    sentences
        The conclusion itself.
    evaluation
        The same as a code: what is judged, and how.
    findings
        A sentence for each thing that was found.
    comments
        Everything else.
    """

    sentences: Sequence[str]
    evaluation: tuple[Code, Code]
    findings: Sequence[str] = ()
    comments: Sequence[str] = ()


def root(
    subject: Subject,
    conclusion: Conclusion,
    groups: Sequence[Group | ImageGroup] = (),
    segmentations: Sequence[ObjectReference] = (),
) -> Dataset:
    """Container (126000, DCM, "Imaging Measurement Report") with its context.

    The order of TID 1500 is not significant: the conclusion comes before the numbers,
    the list of images after them.
    """
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
    for procedure in procedures(subject.clean) or [codes.PLAIN_CHEST_FILM]:
        parts.append(
            CodeContentItem(
                dicom_codes.DCM.ProcedureReported,
                procedure,
                RelationshipTypeValues.HAS_CONCEPT_MOD,
            )
        )
    parts.append(_said(conclusion))
    if groups:
        container = _container(dicom_codes.DCM.ImagingMeasurements)
        for group in groups:
            container.ContentSequence.extend(group)
        parts.append(container)
    parts.append(library(subject, segmentations))
    return content


def _said(conclusion: Conclusion) -> ContainerContentItem:
    """Qualitative evaluations of the whole image (TID 1500 row 10)."""
    container = _container(codes.QUALITATIVE_EVALUATIONS)
    items = container.ContentSequence
    name, value = conclusion.evaluation
    first, *others = conclusion.sentences
    items.append(_sentence(codes.CONCLUSION, first))
    items.append(CodeContentItem(name, value, RelationshipTypeValues.CONTAINS))
    for concept, lines in (
        (codes.CONCLUSION, others),
        (codes.FINDING, conclusion.findings),
        (codes.COMMENT, conclusion.comments),
    ):
        items.extend(_sentence(concept, line) for line in lines)
    return container


def _sentence(name: Code, line: str) -> TextContentItem:
    return TextContentItem(name, line, RelationshipTypeValues.CONTAINS)


def document(
    subject: Subject,
    content: Dataset,
    *,
    name: str = _KIND,
    title: str = "AI lung opacity report",
    evidence: Sequence[ObjectReference] = (),
) -> Dataset:
    """Make the object.

    Parameters
    ----------
    content
        The root of its tree.
    name
        What its UIDs are named after.
    title
        What viewers list it as.
    evidence
        Objects beside the source that its tree points to.
    """
    _separate(content)
    clean, earlier = subject.clean, subject.earlier
    report = Comprehensive3DSR(
        evidence=[clean, *(_header_of(each) for each in evidence)],
        content=_without_children(content),
        series_instance_uid=subject.uid(f"{name} series"),
        series_number=subject.series_number(_KIND),
        sop_instance_uid=subject.uid(name),
        instance_number=1,
        manufacturer=subject.maker.manufacturer,
        is_complete=True,
        series_description=subject.series_description(title),
        coding_schemes=[codes.own_scheme()],
    )
    report.ContentSequence = content.ContentSequence
    if requests := request_references(clean):
        report.ReferencedRequestSequence = requests
    if steps := clean.get("ReferencedPerformedProcedureStepSequence"):
        report.ReferencedPerformedProcedureStepSequence = steps
    if earlier.predecessor is not None:
        report.PredecessorDocumentsSequence = hierarchical([earlier.predecessor])
    if earlier.film is not None:
        _add_evidence(report, earlier.film.references)
    return subject.finish(report)


def _without_children(content: Dataset) -> Dataset:
    """Copy the root alone.

    highdicom copies the tree that it is given, and reads and walks the copy, which for
    a tree of its own making finds nothing and takes longer than making the tree.
    """
    bare = Dataset()
    for element in content:
        if element.keyword != "ContentSequence":
            bare.add(element)
    bare.ContentSequence = ContentSequence()
    return bare


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
