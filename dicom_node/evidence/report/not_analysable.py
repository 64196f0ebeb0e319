"""The report that says why an image was not analysed, in place of measurements.

TID 1500 without Imaging Measurements; the reason is coded beside its sentence.
"""

from highdicom.sr import CodeContentItem, RelationshipTypeValues
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from dicom_node.evidence import codes
from dicom_node.evidence.report.document import add_sentences, document, root
from dicom_node.evidence.subject import Subject
from dicom_node.evidence.wording import comments

_NAME = "not-analysed-report"


def encode(subject: Subject, reason: Code, text: str) -> Dataset:
    """Encode a report that says why there is no result for this image.

    Parameters
    ----------
    reason
        Coded; schemes of the node's own are declared.
    text
        One sentence.
    """
    content = root(subject, [])
    add_sentences(content, [f"Image not analysed: {text}"], comments((), subject.maker))
    content.ContentSequence[-1].ContentSequence.insert(
        0,
        CodeContentItem(codes.NOT_ANALYSED, reason, RelationshipTypeValues.CONTAINS),
    )
    # Named after the reason: the image's own report, once there is one, is another.
    return document(subject, content, name=f"{_NAME} {reason.value}")
