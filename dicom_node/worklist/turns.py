"""Turns of a loop that fail: a line each, and a pause that grows with them."""

import logging
import threading
from collections.abc import Mapping

from dicom_node.worklist.retry import BackOff, describe
from storage.errors import StorageError

logger = logging.getLogger(__name__)
FORESEEN = (StorageError, OSError)
"""A database that is away, a disk that is full: no bug, and no traceback."""


class Turns:
    """How a loop goes on after turns that failed.

    Parameters
    ----------
    what
        A sentence for the log without its full stop.
    extra
        What the line is about.
    back_off
        How long to pause.
    """

    def __init__(
        self, what: str, extra: Mapping[str, str], back_off: BackOff | None = None
    ) -> None:
        self._what = what
        self._extra = dict(extra)
        self._back_off = back_off or BackOff(first_s=1.4, longest_s=24.0)
        self._failed = 0

    def went_well(self) -> None:
        """Forget the failures: the next pause is the shortest again."""
        self._failed = 0

    def failed(self, error: Exception, stop: threading.Event) -> None:
        """Tell of a turn that failed, and pause, unless all is to stop."""
        self._failed += 1
        pause_s = self._back_off.after(self._failed)
        foreseen = isinstance(error, FORESEEN)
        logger.log(
            logging.WARNING if foreseen else logging.ERROR,
            "%s: %s; again in %.0f s.",
            self._what,
            words(error),
            pause_s,
            exc_info=None if foreseen else error,
            extra=self._extra,
        )
        stop.wait(pause_s)


def words(error: Exception) -> str:
    """Put an error into words that hold no patient attribute."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return describe(error)
