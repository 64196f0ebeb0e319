"""One value, valid for its VR or nothing (PS3.5 section 6.2).

What a real header holds goes through here before it may stand in a result: stray
control characters, old date formats and over-long text are mended, the rest is dropped.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Literal

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.multival import MultiValue
from pydicom.valuerep import VR

from dicom_node.dataset.character_sets import decode

Element = DataElement | RawDataElement
_MAXIMUM_US = 0xFFFF
# Greatest lengths (PS3.5 table 6.2-1).
_LENGTHS: Mapping[str, int] = {VR.LO: 64, VR.SH: 16}
_MAXIMUM_DS = 16
_MAXIMUM_UI = 64


def clean_value(element: Element, vr: str, encodings: Sequence[str]) -> Any:
    """Give one value, a list of them, or ``None`` when nothing valid is left."""
    rule = _RULES.get(vr)
    if rule is None:
        return None
    if vr == VR.US:
        return _unsigned(element)
    separate = vr not in {VR.ST, VR.LT, VR.UT}
    cleaned = [rule(text) for text in texts(element, encodings, separate=separate)]
    if not cleaned or any(value is None for value in cleaned):
        return None
    return cleaned[0] if len(cleaned) == 1 else cleaned


def identifier(element: Element, vr: str, encodings: Sequence[str]) -> str | None:
    """Give an identifier as it stands: one that is cut would name something else."""
    values = texts(element, encodings, separate=True)
    text = _text(len(values[0]))(values[0]) if len(values) == 1 else None
    return text if text and len(text) <= _LENGTHS[vr] else None


def uid_as_sent(element: Element) -> str | None:
    """Give a UID that names the film or where it belongs: docs/decisions/0006."""
    values = texts(element, (), separate=True)
    uid = values[0].strip(" \0") if len(values) == 1 else ""
    written = len(uid) <= _MAXIMUM_UI and re.fullmatch(r"[0-9]+(\.[0-9]+)*", uid)
    return uid if written else None


def _unsigned(element: Element) -> int | None:
    value = element.value
    if isinstance(value, bytes):
        value = int.from_bytes(value[:2], _byte_order(element)) if value else None
    return value if isinstance(value, int) and 0 <= value <= _MAXIMUM_US else None


def _byte_order(element: Element) -> Literal["little", "big"]:
    little = not isinstance(element, RawDataElement) or element.is_little_endian
    return "little" if little else "big"


def texts(element: Element, encodings: Sequence[str], *, separate: bool) -> list[str]:
    """Decode an element's text values; ``separate`` splits at backslashes."""
    value = element.value
    if value is None or value in (b"", ""):
        return []
    if isinstance(value, bytes):
        value = decode(value, encodings)
        return value.split("\\") if separate else [value]
    if isinstance(value, MultiValue | list | tuple):
        return [str(item) for item in value]
    return [str(value)]


def as_list(value: Any) -> list[Any]:
    """Make a list of an element's value, however many it holds."""
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, MultiValue | list | tuple) else [value]


def _text(length: int, *, lines: bool = False) -> Callable[[str], str | None]:
    def rule(text: str) -> str | None:
        kept = (c for c in text if c.isprintable() or (lines and c in "\r\n\t"))
        return "".join(kept).strip()[:length].rstrip() or None

    return rule


def _person_name(text: str) -> str | None:
    groups = text.replace("\0", "").strip().split("=")[:3]
    cleaned = [
        "^".join(
            "".join(c for c in part if c.isprintable()).strip()
            for part in group.split("^")[:5]
        )[:64].rstrip(" ^")
        for group in groups
    ]
    return "=".join(cleaned).rstrip("=") or None


def _code_string(text: str) -> str | None:
    term = text.strip(" \0").upper()
    return term if re.fullmatch(r"[A-Z0-9_ ]{1,16}", term) else None


def _date(text: str) -> str | None:
    digits = re.sub(r"[.\-/]", "", text.strip(" \0"))
    try:
        date.fromisoformat(digits)
    except ValueError:
        return None
    return digits if re.fullmatch(r"\d{8}", digits) else None


def _time(text: str) -> str | None:
    digits = text.strip(" \0").replace(":", "")
    pattern = r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?"
    return digits if re.fullmatch(pattern, digits) else None


def _date_time(text: str) -> str | None:
    stamp = text.strip(" \0")
    pattern = r"\d{14}(\.\d{1,6})?([+-]\d{4})?"
    return stamp if re.fullmatch(pattern, stamp) and _date(stamp[:8]) else None


def _decimal(text: str) -> str | None:
    number = text.strip(" \0")
    pattern = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
    if not re.fullmatch(pattern, number) or not math.isfinite(float(number)):
        return None
    return number if len(number) <= _MAXIMUM_DS else f"{float(number):.9g}"


def _integer(text: str) -> str | None:
    number = text.strip(" \0")
    if not re.fullmatch(r"[+-]?\d{1,10}", number):
        return None
    return number if -(2**31) <= int(number) < 2**31 else None


def _age(text: str) -> str | None:
    age = text.strip(" \0")
    return age if re.fullmatch(r"\d{3}[DWMY]", age) else None


def _uid(text: str) -> str | None:
    """PS3.5 9.1."""
    uid = text.strip(" \0")
    if len(uid) > _MAXIMUM_UI:
        return None
    return uid if re.fullmatch(r"[0-2](\.(0|[1-9]\d*))+", uid) else None


_RULES: Mapping[str, Callable[[str], str | None]] = {
    VR.AS: _age,
    VR.CS: _code_string,
    VR.DA: _date,
    VR.DS: _decimal,
    VR.DT: _date_time,
    VR.IS: _integer,
    VR.LO: _text(_LENGTHS[VR.LO]),
    VR.LT: _text(10240, lines=True),
    VR.PN: _person_name,
    VR.SH: _text(_LENGTHS[VR.SH]),
    VR.ST: _text(1024, lines=True),
    VR.TM: _time,
    VR.UC: _text(1024),
    VR.UI: _uid,
    VR.US: str,
    VR.UT: _text(1024, lines=True),
}
