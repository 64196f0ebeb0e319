"""Reading DICOM objects that nobody vouches for, without noise and without surprise.

pydicom remarks on values that break their rules, and the remark may quote a patient;
and it raises many kinds of exceptions on them, which are named here once.
"""

import contextlib
import struct
import threading
import warnings
from collections.abc import Iterator

from pydicom import config
from pydicom.errors import BytesLengthException

UNREADABLE = (
    ArithmeticError,
    AttributeError,
    BytesLengthException,
    EOFError,
    LookupError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)
"""What pydicom raises on values that break their rules."""

MALFORMED = (*UNREADABLE, OSError)
"""What pydicom raises on bytes and values that break their rules.

A cut sequence gives an OSError without a number, though no file is to blame.
"""


class _Quiet:
    """Keeps pydicom quiet while at least one thread reads.

    Its switches belong to the process: the first reader sets them, the last one
    puts them back, and no reader waits for another.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers = 0
        self._before = contextlib.ExitStack()

    def begin(self) -> None:
        with self._lock:
            if self._readers == 0:
                self._set()
            self._readers += 1

    def end(self) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers == 0:
                self._before.close()

    def _set(self) -> None:
        self._before.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for owner, switch, silent in (
            (config.settings, "reading_validation_mode", config.IGNORE),
            (config.logger, "disabled", True),
        ):
            self._before.callback(setattr, owner, switch, getattr(owner, switch))
            setattr(owner, switch, silent)


_QUIET = _Quiet()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Read without pydicom's remarks on values, which may quote a patient."""
    _QUIET.begin()
    try:
        yield
    finally:
        _QUIET.end()
