"""Whether a data set meets matching keys (DICOM PS3.4 C.2.2.2).

Single value, universal, wildcard, list of UID, range and sequence matching, for every
service that searches. Keys come from anybody: a wildcard costs no more than its length
times that of a value.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from fnmatch import translate
from functools import lru_cache
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from dicom_node.dataset.quiet import quiet
from dicom_node.dataset.values import as_list

_WILD = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_RANGES = frozenset({"DA", "DT", "TM"})
_NOT_MATCHED = frozenset({0x00080005, 0x00080201})
_DATE_TIME = re.compile(
    r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:\.(\d{1,6}))?([+-]\d{4})?"
)
_LAST_MICROSECOND = 999_999
_DECEMBER = 12


@quiet()
def matches(dataset: Dataset, keys: Dataset) -> bool:
    """Tell whether a data set meets every key."""
    return all(
        _meets(dataset.get(key.tag), key)
        for key in keys
        if key.tag not in _NOT_MATCHED and key.tag.element != 0
    )


@quiet()
def check_keys(keys: Dataset) -> None:
    """Refuse keys that no value could be held against.

    Raises
    ------
    ValueError
        Naming the attribute, not its value.
    """
    for key in keys:
        if key.VR == "SQ":
            for item in key.value or ():
                check_keys(item)
        elif key.VR in _RANGES and not key.is_empty:
            low, _, high = _split("\\".join(map(str, as_list(key.value))), key.VR)
            for bound in filter(None, (low, high)):
                try:
                    _bounds(bound, key.VR)
                except (ValueError, OverflowError):
                    raise ValueError(f"{key.keyword} is no range") from None


def instant(text: str, *, last: bool = False) -> datetime:
    """Read a DT value: the first instant that it means, or the last one.

    Parameters
    ----------
    text
        A value without an offset is taken for UTC.

    Raises
    ------
    ValueError
        It is none.
    """
    found = _DATE_TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError("not a date and time")
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    if last:
        return _last_instant(found.groups())
    return datetime(
        int(year),
        int(month or 1),
        int(day or 1),
        int(hour or 0),
        int(minute or 0),
        int(second or 0),
        int((fraction or "0").ljust(6, "0")),
        tzinfo=_zone(offset),
    ).astimezone(UTC)


def _last_instant(parts: Sequence[str | None]) -> datetime:
    year, month, day, hour, minute, second, fraction, offset = parts
    full_month = int(month or _DECEMBER)
    if day is None:
        following = datetime(int(year or 0), full_month, 28) + timedelta(days=4)  # noqa: DTZ001  a calendar's, in no zone
        full_day = (following - timedelta(days=following.day)).day
    else:
        full_day = int(day)
    micro = int(fraction.ljust(6, "9")) if fraction else _LAST_MICROSECOND
    return datetime(
        int(year or 0),
        full_month,
        full_day,
        int(hour or 23),
        int(minute or 59),
        int(second or 59),
        micro,
        tzinfo=_zone(offset),
    ).astimezone(UTC)


def _zone(offset: str | None) -> timezone:
    if offset is None:
        return UTC
    minutes = int(offset[1:3]) * 60 + int(offset[3:])
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))


def _meets(element: DataElement | None, key: DataElement) -> bool:
    wanted = as_list(key.value) if key.VR != "SQ" else list(key.value or ())
    if not wanted or wanted == ["*"]:
        return True
    if element is None or element.is_empty:
        return False
    if key.VR == "SQ":
        return any(matches(item, wanted[0]) for item in element.value)
    values = [str(value) for value in as_list(element.value)]
    texts = [str(one) for one in wanted]
    if key.VR == "UI":
        return not set(values).isdisjoint(texts)
    return any(_is_met(value, "\\".join(texts), key.VR) for value in values)


def _is_met(value: str, wanted: str, vr: str) -> bool:
    if vr in _RANGES:
        return _is_within(value, wanted, vr)
    if vr in _WILD:
        return _like(value, wanted, fold=vr == "PN")
    return value == wanted


def _like(value: str, pattern: str, *, fold: bool) -> bool:
    if fold:
        value, pattern = value.casefold(), pattern.casefold()
    value, pattern = value.strip(), pattern.strip()
    if "*" not in pattern and "?" not in pattern:
        return value == pattern
    return _pattern(pattern).match(value) is not None


@lru_cache(maxsize=64)
def _pattern(pattern: str) -> re.Pattern[str]:
    # Runs of "*" mean one; translate() makes each of the rest atomic, so that no
    # pattern makes the engine go back and forth. "[" is no wildcard in DICOM.
    single = re.sub(r"\*+", "*", pattern)
    return re.compile(translate(single.replace("[", "[[]")))


def _is_within(value: str, wanted: str, vr: str) -> bool:
    try:
        return _within(value, wanted, vr)
    except (ValueError, OverflowError):  # a value that breaks its rules meets no key
        return False


def _within(value: str, wanted: str, vr: str) -> bool:
    low, dash, high = _split(wanted, vr)
    first, last = _bounds(value, vr)
    if not dash:
        return bool(_bounds(low, vr)[0] <= first and last <= _bounds(low, vr)[1])
    above = not low or first >= _bounds(low, vr)[0]
    below = not high or first <= _bounds(high, vr)[1]
    return bool(above and below)


def _split(wanted: str, vr: str) -> tuple[str, str, str]:
    """Split a range at its dash; that of a negative offset is none."""
    if vr != "DT":
        return wanted.partition("-")
    found = re.fullmatch(
        r"(\d[\d.]*(?:[+-]\d{4}(?!\d))?)?(-)(\d[\d.]*(?:[+-]\d{4})?)?", wanted.strip()
    )
    if found is None or re.fullmatch(r"\d{6,}[\d.]*-\d{4}", wanted.strip()):
        return wanted, "", ""
    low, dash, high = found.groups()
    return low or "", dash, high or ""


def _bounds(text: str, vr: str) -> tuple[Any, Any]:
    """Give the least and the greatest value that a text means."""
    if vr == "DT":
        return instant(text), instant(text, last=True)
    digits = text.strip().replace(".", "").replace(":", "")
    if not digits.isdigit():
        raise ValueError("not a date or time")
    length = 8 if vr == "DA" else 12
    return digits.ljust(length, "0"), digits.ljust(length, "9")
