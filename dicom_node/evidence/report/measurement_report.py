"""Measurement report: TID 1500, the numbers with their outlines.

Every group is a Planar ROI (TID 1410) whose Image Region is a closed polyline of its
own outline, for each finding, each lung and both lungs together: viewers draw those on
the film. The SEGs are listed beside the groups, and tied to them by the same tracking
identifiers (PS3.16 TID 1500, 1410).
"""

from pydicom.dataset import Dataset

from dicom_node.evidence import codes
from dicom_node.evidence.kinds import KINDS, EvidenceKind
from dicom_node.evidence.outline import around, simplified
from dicom_node.evidence.past import ObjectReference
from dicom_node.evidence.report.document import Conclusion, document, root
from dicom_node.evidence.report.groups import Groups
from dicom_node.evidence.subject import Subject
from dicom_node.evidence.wording.sentences import (
    comparison,
    context,
    explanations,
    finding_lines,
    headline,
    made_by,
    quality,
)
from inference.findings import Analysis, Call


def encode(subject: Subject, analysis: Analysis) -> Dataset:
    """Encode the report; "no opacity found" is said with its numbers."""
    writer = Groups(subject)
    lungs = [simplified(lung.region) for lung in analysis.lungs]
    groups = [
        writer.total(analysis, around(lungs, subject.clean.Rows)),
        *(
            writer.lung(number, lung, outline, analysis)
            for number, (lung, outline) in enumerate(
                zip(analysis.lungs, lungs, strict=True), start=1
            )
        ),
        *(
            writer.finding(number, finding, analysis.call)
            for number, finding in enumerate(analysis.findings, start=1)
        ),
    ]
    pointed_to = segmentations(subject, analysis)
    content = root(subject, _conclusion(analysis, subject), groups, pointed_to)
    return document(subject, content, evidence=pointed_to)


def _conclusion(analysis: Analysis, subject: Subject) -> Conclusion:
    """Say what the film is called, in words and as a code, then all the rest."""
    compared = comparison(analysis, subject)
    return Conclusion(
        sentences=[headline(analysis), *([compared] if compared else [])],
        evaluation=(codes.OPACITY, codes.CALLS[analysis.call]),
        findings=finding_lines(analysis) if analysis.call is Call.OPACITY else [],
        comments=[
            *(finding_lines(analysis) if analysis.call is Call.POSSIBLE else []),
            " ".join(context(subject)),
            *quality(analysis.remarks),
            " ".join([*explanations(analysis), made_by(subject.maker)]),
        ],
    )


def segmentations(subject: Subject, analysis: Analysis) -> list[ObjectReference]:
    """Name the SEGs of this image, whether or not they are among what is encoded."""
    kinds = [EvidenceKind.LUNG_SEGMENTATION]
    if analysis.findings:
        kinds.insert(0, EvidenceKind.SEGMENTATION)
    return [
        ObjectReference(
            KINDS[kind].sop_class,
            subject.uid(kind),
            subject.series(kind)[0],
            subject.clean.StudyInstanceUID,
        )
        for kind in kinds
    ]
