"""What goes into a Store transaction and what its answer says (DICOM PS3.18 10.5).

An answer is somebody else's text: as much of it is read as one can be long, and
what cannot be understood counts as not said.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PIECE_BYTES = 256 * 1024
_FAILED_SOP_SEQUENCE = "00081198"
_REFERENCED_SOP_SEQUENCE = "00081199"
_REFERENCED_SOP_INSTANCE_UID = "00081155"
_SOP_INSTANCE_UID = "00080018"
_FAILURE_REASON = "00081197"
_WARNING_REASON = "00081196"


@dataclass(frozen=True, slots=True)
class StoreResponse:
    """What a server says of each object (PS3.18 10.5.3).

    Parameters
    ----------
    failed
        SOP Instance UID -> Failure Reason; ``None`` where none is given.
    stored
        SOP Instance UID -> Warning Reason, 0 without one.
    """

    failed: Mapping[str, int | None] = field(default_factory=dict)
    stored: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, body: bytes) -> "StoreResponse":
        """Read an answer in DICOM JSON; nothing of it where it is none."""
        failed: dict[str, int | None] = {}
        stored: dict[str, int] = {}
        for dataset in _datasets(body):
            for item in _items(dataset, _FAILED_SOP_SEQUENCE):
                uid = _text(item, _REFERENCED_SOP_INSTANCE_UID)
                failed[uid] = _number(item, _FAILURE_REASON)
            for item in _items(dataset, _REFERENCED_SOP_SEQUENCE):
                uid = _text(item, _REFERENCED_SOP_INSTANCE_UID)
                stored[uid] = _number(item, _WARNING_REASON) or 0
        return cls(failed, stored)


def names(body: bytes, sop_instance_uid: str) -> bool:
    """Tell whether a search's answer in DICOM JSON names an object (PS3.18 10.6)."""
    return any(
        _text(dataset, _SOP_INSTANCE_UID) == sop_instance_uid
        for dataset in _datasets(body)
    )


def content_length(paths: Sequence[Path], boundary: str) -> int:
    """Tell how long :func:`parts` are together."""
    around = len(_opening(boundary)) + len(b"\r\n")
    return sum(around + path.stat().st_size for path in paths) + len(_closing(boundary))


def parts(paths: Sequence[Path], boundary: str) -> Iterator[bytes]:
    """Yield a ``multipart/related`` body of Part 10 files, piece by piece."""
    for path in paths:
        yield _opening(boundary)
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece
        yield b"\r\n"
    yield _closing(boundary)


def _opening(boundary: str) -> bytes:
    return f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode("ascii")


def _closing(boundary: str) -> bytes:
    return f"--{boundary}--\r\n".encode("ascii")


def _datasets(body: bytes) -> list[Mapping[str, Any]]:
    """Read data sets in DICOM JSON: an array of them, or one alone (PS3.18 F.2)."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return []
    found = said if isinstance(said, list) else [said]
    return [one for one in found if isinstance(one, dict)]


def _items(dataset: Mapping[str, Any], tag: str) -> list[Mapping[str, Any]]:
    return [one for one in _values(dataset, tag) if isinstance(one, dict)]


def _text(dataset: Mapping[str, Any], tag: str) -> str:
    values = _values(dataset, tag)
    return values[0].strip(" \0") if values and isinstance(values[0], str) else ""


def _number(dataset: Mapping[str, Any], tag: str) -> int | None:
    values = _values(dataset, tag)
    if not values or not isinstance(values[0], int | str):
        return None
    try:
        number = int(values[0])
    except ValueError:
        return None
    return number if 0 <= number <= 0xFFFF else None  # noqa: PLR2004  VR US


def _values(dataset: Mapping[str, Any], tag: str) -> list[Any]:
    element = dataset.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []
