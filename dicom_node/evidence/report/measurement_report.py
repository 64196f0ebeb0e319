"""Measurement report: TID 1500, the numbers with their outlines.

Every group is a Planar ROI (TID 1410) whose Image Region is a closed polyline of its
own outline, for each finding, each lung and both lungs together: viewers draw those on
the film. The SEG is tied by the same tracking identifiers (PS3.16 TID 1500, 1410).
"""

from collections.abc import Sequence

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    Comprehensive3DSR,
    ContainerContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    ImageLibrary,
    LanguageOfContentItemAndDescendants,
    ObservationContext,
    ObserverContext,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as dicom_codes
from pydicom.sr.coding import Code
from pydicom.uid import SegmentationStorage

from dicom_node.dataset.normalise import normalise
from dicom_node.evidence import codes
from dicom_node.evidence.outline import around, simplified
from dicom_node.evidence.references import hierarchical, request_references
from dicom_node.evidence.report.groups import Group, Groups, ImageGroup
from dicom_node.evidence.segmentation import LUNGS, OPACITIES
from dicom_node.evidence.subject import (
    EvidenceContext,
    ObjectReference,
    finish,
    instance_uid,
    series_number,
    series_uid,
)
from dicom_node.evidence.wording import comments, findings
from inference.findings import Analysis

KIND = "measurement-report"
NOT_ANALYSED = "not-analysed-report"
# Context group 29 of the image library knows acquisition modalities only.
_LIBRARY_MODALITIES = {"CR", "DX"}
_LIBRARY_NEEDS = ("ImagerPixelSpacing", "PatientOrientation")


def encode(source: Dataset, analysis: Analysis, context: EvidenceContext) -> Dataset:
    """Encode the report; "no opacity found" is said with its numbers.

    Raises
    ------
    EvidenceInvalid
        The source cannot be referred to.
    """
    clean = normalise(source)
    writer = Groups(clean, context)
    lungs = [simplified(lung.region) for lung in analysis.lungs]
    groups = [
        writer.total(analysis, around(lungs, clean.Rows)),
        *(
            writer.lung(number, lung, outline, analysis)
            for number, (lung, outline) in enumerate(
                zip(analysis.lungs, lungs, strict=True), start=1
            )
        ),
        *(
            writer.finding(number, finding)
            for number, finding in enumerate(analysis.findings, start=1)
        ),
    ]
    root = _root(clean, context, groups)
    _say(root, findings(analysis, context), comments(analysis.remarks, context))
    pointed_to = segmentations(clean, analysis, context)
    if context.report_regions == "outline":
        pointed_to = []
    return _document(source, clean, root, context, evidence=pointed_to)


def segmentations(
    clean: Dataset, analysis: Analysis, context: EvidenceContext
) -> list[ObjectReference]:
    """Name the SEGs of this image, whether or not they are among what is encoded."""
    kinds = (OPACITIES, LUNGS) if analysis.findings else (LUNGS,)
    return [
        ObjectReference(
            SegmentationStorage,
            instance_uid(context, clean, kind),
            series_uid(context, clean, kind),
            clean.StudyInstanceUID,
        )
        for kind in kinds
    ]


def encode_not_analysable(
    source: Dataset, reason: Code, text: str, context: EvidenceContext
) -> Dataset:
    """Encode a report that says why there is no result for this image.

    Parameters
    ----------
    reason
        Coded; schemes of the node's own are declared.
    text
        One sentence.

    Raises
    ------
    EvidenceInvalid
        The source cannot be referred to.
    """
    clean = normalise(source)
    root = _root(clean, context, [])
    _say(root, [f"Image not analysed: {text}"], comments((), context))
    root.ContentSequence[-1].ContentSequence.insert(
        0,
        CodeContentItem(codes.NOT_ANALYSED, reason, RelationshipTypeValues.CONTAINS),
    )
    # Named after the reason: the image's own report, once there is one, is another.
    return _document(source, clean, root, context, f"{NOT_ANALYSED} {reason.value}")


def _add_evidence(report: Dataset, references: Sequence[ObjectReference]) -> None:
    """List a prior's objects: beside the source, or as evidence of another study."""
    for item in hierarchical(references):
        if item.StudyInstanceUID == report.StudyInstanceUID:
            (current,) = report.CurrentRequestedProcedureEvidenceSequence
            current.ReferencedSeriesSequence.extend(item.ReferencedSeriesSequence)
        else:
            report.PertinentOtherEvidenceSequence = [item]


def device_observer(context: EvidenceContext) -> ObserverContext:
    """Name this node as the observer (TID 1004)."""
    return ObserverContext(
        observer_type=dicom_codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=context.device_uid,
            name=context.ae_title,
            manufacturer_name=context.manufacturer,
            model_name=f"{context.model_name} {context.software_version}",
            serial_number=context.serial_number,
        ),
    )


def _document(
    source: Dataset,
    clean: Dataset,
    root: Dataset,
    context: EvidenceContext,
    name: str = KIND,
    evidence: Sequence[ObjectReference] = (),
) -> Dataset:
    _separate(root)
    report = Comprehensive3DSR(
        evidence=[clean, *(_header_of(each) for each in evidence)],
        content=root,
        series_instance_uid=series_uid(context, clean, name),
        series_number=series_number(context, KIND),
        sop_instance_uid=instance_uid(context, clean, name),
        instance_number=1,
        manufacturer=context.manufacturer,
        is_complete=True,
        series_description="AI lung opacity report",
        coding_schemes=[codes.own_scheme()],
    )
    if requests := request_references(clean):
        report.ReferencedRequestSequence = requests
    if steps := clean.get("ReferencedPerformedProcedureStepSequence"):
        report.ReferencedPerformedProcedureStepSequence = steps
    if context.predecessor is not None:
        report.PredecessorDocumentsSequence = hierarchical([context.predecessor])
    if (prior := context.prior or context.uncompared) is not None:
        _add_evidence(report, prior.references)
    return finish(report, source, clean, context)


def _header_of(reference: ObjectReference) -> Dataset:
    """As much of an object's header as evidence is listed by."""
    header = Dataset()
    header.SOPClassUID = reference.sop_class_uid
    header.SOPInstanceUID = reference.sop_instance_uid
    header.SeriesInstanceUID = reference.series_instance_uid
    header.StudyInstanceUID = reference.study_instance_uid
    return header


def _root(
    clean: Dataset, context: EvidenceContext, groups: Sequence[Group | ImageGroup]
) -> Dataset:
    """Container (126000, DCM, "Imaging Measurement Report") with its context."""
    root = ContainerContentItem(
        name=dicom_codes.DCM.ImagingMeasurementReport, template_id="1500"
    )
    root.ContentSequence = ContentSequence()
    parts = root.ContentSequence
    parts.extend(
        LanguageOfContentItemAndDescendants(CodedConcept.from_code(codes.ENGLISH))
    )
    parts.extend(ObservationContext(observer_device_context=device_observer(context)))
    parts.append(
        CodeContentItem(
            dicom_codes.DCM.ProcedureReported,
            codes.IMAGING_PROCEDURE,
            RelationshipTypeValues.HAS_CONCEPT_MOD,
        )
    )
    if clean.get("Modality") in _LIBRARY_MODALITIES and all(
        keyword in clean for keyword in _LIBRARY_NEEDS
    ):
        parts.extend(ImageLibrary([clean]))
    if groups:
        container = _container(dicom_codes.DCM.ImagingMeasurements)
        for group in groups:
            container.ContentSequence.extend(group)
        parts.append(container)
    return root


def _separate(item: Dataset) -> None:
    """Make every container a list of items, not one running text (PS3.3 C.17.3.2.2).

    Readers that print running text leave out what its numbers are called.
    """
    if item.ValueType == "CONTAINER":
        item.ContinuityOfContent = "SEPARATE"
    for child in item.get("ContentSequence") or ():
        _separate(child)


def _container(name: Code) -> ContainerContentItem:
    container = ContainerContentItem(
        name=name, relationship_type=RelationshipTypeValues.CONTAINS
    )
    container.ContentSequence = ContentSequence()
    return container


def _say(root: Dataset, found: Sequence[str], remarks: Sequence[str]) -> None:
    """Add sentences as qualitative evaluations of the whole image (TID 1500 row 10)."""
    container = _container(codes.QUALITATIVE_EVALUATIONS)
    for name, lines in ((codes.FINDING, found), (codes.COMMENT, remarks)):
        for line in lines:
            container.ContentSequence.append(
                TextContentItem(name, line, RelationshipTypeValues.CONTAINS)
            )
    root.ContentSequence.append(container)
