"""Reads single attributes of a data set that nobody vouches for.

A value may be missing, empty, multi-valued, of the wrong representation or not
decodable at all; the caller then gets "nothing", never an exception. DICOM PS3.5
section 6.2 says what should be there.
"""

import math
from collections.abc import Iterable

from pydicom.dataset import Dataset

from dicom_node.dataset.quiet import MALFORMED


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
