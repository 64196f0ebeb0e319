"""The report that says why an image was not analysed, in place of measurements.

TID 1500 without Imaging Measurements; the reason is coded beside its sentence. It
credits no model, and its series says what it is.
"""

from dataclasses import replace

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from dicom_node.evidence import codes
from dicom_node.evidence.report.document import Conclusion, document, root
from dicom_node.evidence.subject import Subject
from dicom_node.evidence.wording.sentences import context, made_by

_NAME = "not-analysed-report"
_TITLE = "AI: film not analysed"


def encode(subject: Subject, reason: Code, text: str) -> Dataset:
    """Encode a report that says why there is no result for this image.

    Parameters
    ----------
    reason
        Coded; schemes of the node's own are declared.
    text
        One sentence.
    """
    unread = replace(subject, credits_model=False)
    conclusion = Conclusion(
        sentences=[f"Image not analysed: {text}"],
        evaluation=(codes.NOT_ANALYSED, reason),
        comments=[" ".join(context(unread)), made_by(unread.maker, model=False)],
    )
    # Named after the reason: the image's own report, once there is one, is another.
    return document(
        unread,
        root(unread, conclusion),
        name=f"{_NAME} {reason.value}",
        title=_TITLE,
    )
