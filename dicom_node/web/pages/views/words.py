"""Reasons in words, and what to do about them."""

from dataclasses import dataclass

from dicom_node.web.pages.texts import Texts
from storage.records import Cause, Reason


@dataclass(frozen=True, slots=True)
class ReasonWords:
    """Why, for people.

    Parameters
    ----------
    code
        The stable code.
    said
        The sentence that was recorded.
    remedy
        What to do about it.
    """

    code: str
    said: str
    remedy: str


def reason_words(texts: Texts, reason: Reason) -> ReasonWords:
    """Find the words of a reason; a remedy by its code, or else by its cause."""
    remedy = texts.find(f"remedy.{reason.code}")
    if not remedy:
        by_cause = {
            Cause.IMAGE: "remedy.of_image",
            Cause.FAILURE: "remedy.of_failure",
            Cause.REQUEST: "remedy.of_request",
        }
        remedy = texts(by_cause[reason.cause])
    return ReasonWords(reason.code, reason.text, remedy)
