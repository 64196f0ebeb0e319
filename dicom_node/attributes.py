"""Reads single attributes of a data set that nobody vouches for.

A value may be missing, empty, multi-valued, of the wrong representation or not
decodable at all; the caller then gets "nothing", never an exception. DICOM PS3.5
section 6.2 says what should be there.
"""

import contextlib
import math
import threading
import warnings
from collections.abc import Iterable, Iterator

from pydicom import config
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException

from dicom_node.header import UNREADABLE

MALFORMED = (*UNREADABLE, BytesLengthException, OSError)
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


def value(dataset: Dataset, keyword: str) -> object:
    """Return a value as pydicom reads it; ``None`` when missing or unreadable."""
    try:
        return dataset[keyword].value if keyword in dataset else None
    except MALFORMED:
        return None


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Return a value as upper-case texts without padding; empty ones are kept."""
    found = value(dataset, keyword)
    try:
        return tuple(_text(part) for part in _parts(found))
    except MALFORMED:
        return ()


def text(dataset: Dataset, keyword: str) -> str:
    """Return the first of a value's texts, or an empty one."""
    return next(iter(texts(dataset, keyword)), "")


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Return a value as finite numbers; nothing when one of them is none."""
    try:
        found = tuple(float(part) for part in texts(dataset, keyword))
    except ValueError:
        return ()
    return found if all(map(math.isfinite, found)) else ()


def number(dataset: Dataset, keyword: str) -> float | None:
    """Return the first of a value's numbers."""
    return next(iter(numbers(dataset, keyword)), None)


def integer(dataset: Dataset, keyword: str) -> int | None:
    """Return the first of a value's numbers when it is a whole one."""
    found = number(dataset, keyword)
    return int(found) if found is not None and found.is_integer() else None


def items(dataset: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Return the items of a sequence."""
    found = value(dataset, keyword)
    try:
        return tuple(part for part in _parts(found) if isinstance(part, Dataset))
    except MALFORMED:
        return ()


def codes(dataset: Dataset, keyword: str) -> frozenset[str]:
    """Return the code values of a code sequence (PS3.3 section 8)."""
    found = {text(item, "CodeValue") for item in items(dataset, keyword)}
    return frozenset(found - {""})


def _parts(found: object) -> Iterable[object]:
    if found is None:
        return ()
    if isinstance(found, Iterable) and not isinstance(found, str | bytes | Dataset):
        return found
    return (found,)


def _text(part: object) -> str:
    if part is None:
        return ""
    if isinstance(part, bytes):
        part = part[:64].decode("ascii", "replace")
    return str(part).strip(" \0\t\r\n").upper()
