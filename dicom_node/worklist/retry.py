"""What follows from an error: try again later, cancel with a reason, or step back.

The worker's and the deliverer's one retry layer, as data. Errors know nothing of
it; a test holds that every concrete error has its row here. Times grow with the
attempt, doubled and jittered, so that a shared fault is not met by everyone at once.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from dicom_node import errors as node
from inference import errors as inference
from storage import errors as storage
from storage.records import Cause, Reason


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after this many seconds."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Cancel:
    """Trying again would not help; the reason is kept where people look."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class StepBack:
    """Somebody else owns this record now: leave it and write nothing."""


Decision = Retry | Cancel | StepBack


class Answer(Enum):
    """The kinds of row in the table."""

    WAIT = auto()
    """Retry as long as it takes: the cause is outside and will be mended."""
    RETRY = auto()
    """Retry a few times, then cancel."""
    CANCEL = auto()
    """Cancel: the same input gives the same error."""
    UNSUITABLE = auto()
    """Cancel, the image's own fault: no alarm."""
    STEP_BACK = auto()
    """Another worker has it."""


RETRIES = 3
UNKNOWN_RETRIES = 1
"""An error nobody foresaw may have been a moment's; twice is a bug."""

ANSWERS: Mapping[type[Exception], Answer] = {
    inference.ManifestInvalid: Answer.WAIT,
    inference.ModelNotFound: Answer.WAIT,
    inference.DigestMismatch: Answer.WAIT,
    inference.ModelFailed: Answer.RETRY,
    inference.OutOfMemory: Answer.RETRY,
    inference.ModelUnreachable: Answer.WAIT,
    inference.UnsuitableImage: Answer.UNSUITABLE,
    inference.TrainingError: Answer.CANCEL,
    storage.StoreFull: Answer.WAIT,
    storage.ObjectMissing: Answer.CANCEL,
    storage.ObjectCorrupt: Answer.CANCEL,
    storage.DuplicateInstance: Answer.CANCEL,
    storage.UnknownRecord: Answer.STEP_BACK,
    storage.CursorInvalid: Answer.CANCEL,
    storage.TransitionRefused: Answer.STEP_BACK,
    storage.LeaseLost: Answer.STEP_BACK,
    storage.DatabaseUnavailable: Answer.WAIT,
    storage.SchemaOutdated: Answer.WAIT,
    node.SettingsInvalid: Answer.WAIT,
    node.DatasetInvalid: Answer.CANCEL,
    node.DatasetMismatch: Answer.CANCEL,
    node.PixelsUndecodable: Answer.CANCEL,
    node.NotEligible: Answer.UNSUITABLE,
    node.EvidenceInvalid: Answer.CANCEL,
    node.PeerUnreachable: Answer.WAIT,
    node.PeerBusy: Answer.WAIT,
    node.PeerRefused: Answer.CANCEL,
    node.ClassNotAccepted: Answer.CANCEL,
}


@dataclass(frozen=True, slots=True)
class BackOff:
    """Seconds between tries: doubled each time up to a limit, jittered by a quarter.

    Parameters
    ----------
    first_s, longest_s
        Before the second try, and at most.
    random_
        Gives numbers in [0, 1).
    """

    first_s: float = 5.0
    longest_s: float = 300.0
    random_: Callable[[], float] = random.random

    def after(self, attempt: int) -> float:
        """Tell how long to wait after this attempt (1 is the first)."""
        # 2**32 already exceeds any limit; larger exponents would only overflow.
        doubled = self.first_s * 2.0 ** min(max(attempt, 1) - 1, 32)
        jitter = 0.75 + 0.5 * self.random_()
        return min(doubled, self.longest_s) * jitter


def decide(error: Exception, attempt: int, back_off: BackOff | None = None) -> Decision:
    """Turn an error into what the worker does next.

    Parameters
    ----------
    error
        What ended the attempt.
    attempt
        How many attempts failed, this one included.
    back_off
        Waiting times; the default is for the analysis.
    """
    after_s = (back_off or BackOff()).after(attempt)
    match _answer(error):
        case Answer.WAIT:
            return Retry(after_s)
        case Answer.STEP_BACK:
            return StepBack()
        case Answer.RETRY if attempt <= RETRIES:
            return Retry(after_s)
        case None if attempt <= UNKNOWN_RETRIES:
            return Retry(after_s)
        case _:
            return Cancel(reason(error))


def reason(error: Exception) -> Reason:
    """Say for people why it ended.

    An unforeseen error's text is not repeated: libraries quote attribute values.
    """
    if isinstance(error, inference.UnsuitableImage | node.NotEligible):
        return Reason(error.code, error.text, Cause.IMAGE)
    if is_unforeseen(error):
        text = f"The analysis ended with {describe(error)}; see the log."
        return Reason("INTERNAL_ERROR", text, Cause.FAILURE)
    return Reason(code_of(error), str(error), Cause.FAILURE)


def is_unforeseen(error: Exception) -> bool:
    """Tell whether no row of the table knows this error: a bug, ours or another's."""
    return _answer(error) is None


def describe(error: Exception) -> str:
    """Put an error into words that hold no patient attribute."""
    if is_unforeseen(error):
        return f"an unforeseen error ({type(error).__name__})"
    return str(error)


def code_of(error: Exception) -> str:
    """Spell an error class as a code: ``PixelsUndecodable`` -> PIXELS_UNDECODABLE."""
    name = type(error).__name__
    return "".join(
        f"_{letter}" if letter.isupper() and place else letter
        for place, letter in enumerate(name)
    ).upper()


def _answer(error: Exception) -> Answer | None:
    for kind in type(error).__mro__:
        if answer := ANSWERS.get(kind):
            return answer
    return None
