"""What follows from an error: try again later, cancel with a reason, or step back.

The worker's and the deliverer's one retry layer, as data. Errors know nothing of
it; a test holds that every error that can reach the two has its row here. Times grow
with the attempt, doubled and jittered, so that a shared fault is not met by all at
once.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
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


class Remedy(Enum):
    """The kinds of row in the table."""

    WAIT = auto()
    """Retry as long as it takes: the cause is outside and will be mended."""
    RETRY = auto()
    """Retry a few times, then cancel."""
    LET_PASS = auto()
    """Retry a few times, then cancel: it may be the other side's bad moment."""
    CANCEL = auto()
    """Cancel: the same input gives the same error."""
    UNSUITABLE = auto()
    """Cancel, the image's own fault: no alarm."""
    SUSPECT = auto()
    """Retry a few times, once more a day later, then cancel: it may be this node's."""
    STEP_BACK = auto()
    """Another worker has it."""
    UNFORESEEN = auto()
    """Of every error without a row; it may have been a moment's, twice is a bug."""


RETRIES: Mapping[Remedy, float] = {
    Remedy.WAIT: math.inf,
    Remedy.RETRY: 3,
    Remedy.LET_PASS: 2,
    Remedy.UNFORESEEN: 1,
}
"""How often after the first try; not at all without a row."""

LONGEST_PAUSE_S = 86_400.0
"""Until what seems to be an image's fault is tried once more: by then the machine, its
memory and the release may be others. A time further away is a wrong clock's."""

REACHED_FROM: Sequence[str] = (
    "dicom_node.analysis",
    "dicom_node.dataset",
    "dicom_node.delivery",
    "dicom_node.dimse.scu",
    "dicom_node.dimse.status",
    "dicom_node.evidence",
    "dicom_node.worklist.eligibility",
    "dicom_node.worklist.procedure_step",
    "inference.preprocess",
    "inference.quantify",
    "inference.runners",
    "inference.suitability",
    "inference.tasks",
    "storage.catalog",
    "storage.database",
    "storage.objects",
    "storage.outbox",
    "storage.worklist",
)
"""Packages and modules whose errors may end at the worker or a deliverer."""

REMEDIES: Mapping[type[Exception], Remedy] = {
    inference.ManifestInvalid: Remedy.WAIT,
    inference.ModelFailed: Remedy.RETRY,
    inference.OutOfMemory: Remedy.RETRY,
    inference.ModelUnreachable: Remedy.WAIT,
    inference.UnsuitableImage: Remedy.UNSUITABLE,
    storage.StoreFull: Remedy.WAIT,
    storage.StoreUnavailable: Remedy.WAIT,
    storage.StoreMismatch: Remedy.WAIT,
    storage.ObjectMissing: Remedy.CANCEL,
    storage.ObjectCorrupt: Remedy.CANCEL,
    storage.DuplicateInstance: Remedy.CANCEL,
    storage.QueryInvalid: Remedy.CANCEL,
    storage.UnknownRecord: Remedy.STEP_BACK,
    storage.TransitionRefused: Remedy.STEP_BACK,
    storage.LeaseLost: Remedy.STEP_BACK,
    storage.DatabaseUnavailable: Remedy.WAIT,
    storage.SchemaOutdated: Remedy.WAIT,
    storage.DatabaseUnfit: Remedy.WAIT,
    node.DatasetInvalid: Remedy.CANCEL,
    node.PixelsUndecodable: Remedy.CANCEL,
    node.NotEligible: Remedy.UNSUITABLE,
    node.EvidenceInvalid: Remedy.CANCEL,
    node.ProcessLost: Remedy.SUSPECT,
    node.ReadersUnavailable: Remedy.WAIT,
    node.PeerUnreachable: Remedy.WAIT,
    node.PeerBusy: Remedy.WAIT,
    node.PeerStumbled: Remedy.LET_PASS,
    node.PeerRefused: Remedy.CANCEL,
    node.ClassNotAccepted: Remedy.CANCEL,
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

    @property
    def limit_s(self) -> float:
        """The longest that :meth:`after` tells."""
        return self.longest_s * 1.25

    def after(self, attempt: int) -> float:
        """Tell how long to wait after this attempt (1 is the first)."""
        # 2**32 already exceeds any limit; larger exponents would only overflow.
        doubled = self.first_s * 2.0 ** min(max(attempt, 1) - 1, 32)
        jitter = 0.75 + 0.5 * self.random_()
        return min(doubled, self.longest_s) * jitter


def decide(error: Exception, attempt: int, back_off: BackOff | None = None) -> Decision:
    """Turn an error into what the worker or the deliverer does next.

    Parameters
    ----------
    error
        What ended the attempt.
    attempt
        How many attempts failed, this one included.
    back_off
        Waiting times; the default is for the analysis.
    """
    remedy = _remedy(error)
    if remedy is Remedy.STEP_BACK:
        return StepBack()
    if attempt <= RETRIES.get(remedy, 0):
        return Retry((back_off or BackOff()).after(attempt))
    return Cancel(reason(error))


def decide_on_suspect(
    error: Exception, times: int, limit: int, back_off: BackOff | None = None
) -> Decision:
    """Say what follows when an image, read alone, ended its process again.

    Parameters
    ----------
    error
        What says so.
    times
        How often that has happened, this time included.
    limit
        From how many times on the image is the culprit; a day later it is tried once
        more.
    """
    if times < limit:
        return Retry((back_off or BackOff()).after(times))
    return Retry(LONGEST_PAUSE_S) if times == limit else Cancel(reason(error))


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
    return _remedy(error) is Remedy.UNFORESEEN


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


def _remedy(error: Exception) -> Remedy:
    for kind in type(error).__mro__:
        if remedy := REMEDIES.get(kind):
            return remedy
    return Remedy.UNFORESEEN
