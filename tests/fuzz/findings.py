"""What counts as a finding, and the watch that is kept on the log meanwhile."""

import logging
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dicom_node.node.logs import CHATTY

_STATM = Path("/proc/self/statm")
_PAGE_BYTES = 4096


class Finding(Exception):
    """Something hostile did what it should not be able to do."""


class Watch(logging.Handler):
    """Collects tracebacks, wherever they are told: in the log, or by a thread's end."""

    def __init__(self) -> None:
        super().__init__()
        self._told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record that has a traceback."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and record.name.partition(".")[0] not in CHATTY:
            self._told.append(_text(record.getMessage(), error))

    def raise_what_was_told(self) -> None:
        """Raise the first traceback as a finding.

        Raises
        ------
        Finding
            There was one.
        """
        if self._told:
            told, self._told = self._told, []
            raise Finding("a traceback was logged: " + "\n".join(told[:3]))

    def thread_ended(self, ending: threading.ExceptHookArgs) -> None:
        """Keep what ended a thread."""
        if ending.exc_value is not None:
            self._told.append(_text("a thread ended", ending.exc_value))


def _text(message: str, error: BaseException) -> str:
    return message + "\n" + "".join(traceback.format_exception(error))


@contextmanager
def watching() -> Iterator[Watch]:
    """Watch the log and all threads for the length of a block."""
    watch, root, hook = Watch(), logging.getLogger(), threading.excepthook
    root.addHandler(watch)
    threading.excepthook = watch.thread_ended
    try:
        yield watch
    finally:
        threading.excepthook = hook
        root.removeHandler(watch)


def resident_bytes() -> int:
    """Tell how much memory this process takes at this moment."""
    return int(_STATM.read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
