"""A file as PS3.10 wants it, whatever lies on the disk.

Exports come without File Meta Information, without preamble, or without a transfer
syntax, and some devices leave value representations blank. Here such a file becomes a
sane one in memory, read as the transfer syntax that fits; a sane one is left alone.
"""

import struct
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from dicom_node.dataset.header import Survey, read_header, survey
from dicom_node.dataset.pixels.codestream import transfer_syntax_of
from dicom_node.errors import DatasetInvalid

_PREAMBLE_BYTES = 128
_PREFIX = b"DICM"
_TRANSFER_SYNTAX = 0x0010
_LONG_FORM = frozenset((b"OB", b"OW", b"UN", b"UT", b"SQ", b"UC", b"UR"))
_MOST_META_ELEMENTS = 64
_MOST_META_BYTES = 1 << 20
_FRAGMENT_START_BYTES = 64 * 1024
_FIRST_GROUP = 0x0008


@dataclass(frozen=True, slots=True)
class Part10:
    """A readable file.

    Parameters
    ----------
    stream
        At the file's first byte.
    dataset_at
        Where its data set begins.
    transfer_syntax
        UID, as the file says or as it fits.
    remarks
        What had to be found out.
    """

    stream: BinaryIO
    dataset_at: int
    transfer_syntax: str
    remarks: tuple[str, ...] = ()


def normal(stream: BinaryIO) -> Part10:
    """Make a file readable.

    Parameters
    ----------
    stream
        A seekable stream at the file's first byte.

    Raises
    ------
    DatasetInvalid
        No data set can be found in it.
    """
    start = stream.tell()
    has_prefix, at, syntax = _meta(stream)
    if syntax == DeflatedExplicitVRLittleEndian:
        stream.seek(start)
        return Part10(stream, at, syntax)
    stated = syntax
    syntax = syntax or _plain_syntax(stream, at)
    seen = _survey(stream, at, syntax, strict=not stated)
    if not stated and seen.is_encapsulated:
        syntax = _encapsulated_syntax(stream, at, seen)
    stream.seek(start)
    if stated and has_prefix and not seen.mended:
        return Part10(stream, at, syntax)
    return _rebuilt(stream, at, syntax, seen, remark=not stated)


def read_header_of(path: Path) -> Dataset:
    """Read the public data elements before the pixel data of a file.

    Raises
    ------
    DatasetInvalid
        The file is no DICOM object.
    """
    with path.open("rb") as file:
        found = normal(file)
        found.stream.seek(found.dataset_at)
        return read_header(found.stream, found.transfer_syntax)


def skip_meta(stream: BinaryIO) -> int:
    """Tell where the data set of a Part 10 file begins; there may be no group length.

    Raises
    ------
    DatasetInvalid
        The file has no prefix, or malformed File Meta Information.
    """
    has_prefix, at, _ = _meta(stream)
    if not has_prefix:
        raise DatasetInvalid("not a DICOM file")
    return at


def _meta(stream: BinaryIO) -> tuple[bool, int, str]:
    """Pass over preamble and File Meta Information, as far as they are there.

    Returns
    -------
        Whether the file has its prefix, where the data set begins, and its Transfer
        Syntax UID or nothing.
    """
    start = stream.tell()
    head = stream.read(_PREAMBLE_BYTES + len(_PREFIX))
    has_prefix = head[_PREAMBLE_BYTES:] == _PREFIX
    at = start + (len(head) if has_prefix else 0)
    syntax = ""
    for _ in range(_MOST_META_ELEMENTS):
        stream.seek(at)
        element = stream.read(12)
        if len(element) < 8 or element[:2] != b"\x02\x00":  # noqa: PLR2004  tag, VR
            break
        (number,) = struct.unpack_from("<H", element, 2)
        if element[4:6] in _LONG_FORM:
            size, value_at = struct.unpack_from("<I", element.ljust(12), 8)[0], at + 12
        else:
            size, value_at = struct.unpack_from("<H", element, 6)[0], at + 8
        if size > _MOST_META_BYTES:
            raise DatasetInvalid("the File Meta Information is malformed")
        if number == _TRANSFER_SYNTAX:
            stream.seek(value_at)
            syntax = stream.read(size).decode("ascii", "replace").strip(" \0")
        at = value_at + size
    return has_prefix, at, syntax


def _plain_syntax(stream: BinaryIO, at: int) -> str:
    """Tell how a data set is encoded by its first element."""
    stream.seek(at)
    first = stream.read(8)
    if len(first) == 8:  # noqa: PLR2004  tag, VR, length
        little, big = (struct.unpack(f"{order}H", first[:2])[0] for order in "<>")
        explicit = first[4:6].isalpha() and first[4:6].isupper()
        if little == _FIRST_GROUP:
            return ExplicitVRLittleEndian if explicit else ImplicitVRLittleEndian
        if big == _FIRST_GROUP and explicit:
            return ExplicitVRBigEndian
    raise DatasetInvalid("not a DICOM file")


def _survey(stream: BinaryIO, at: int, syntax: str, *, strict: bool) -> Survey:
    stream.seek(at)
    try:
        return survey(stream, syntax)
    except DatasetInvalid:
        if strict:
            raise DatasetInvalid("not a DICOM file") from None
        return Survey({}, None, is_encapsulated=False)  # whoever reads it says why


def _encapsulated_syntax(stream: BinaryIO, at: int, seen: Survey) -> str:
    """Tell by the first codestream; the item before it is the offset table."""
    stream.seek(at + (seen.pixels_at or 0))
    table = stream.read(8)
    if len(table) == 8:  # noqa: PLR2004  an item's tag and length
        stream.seek(struct.unpack("<I", table[4:])[0] + 8, 1)
    found = transfer_syntax_of(stream.read(_FRAGMENT_START_BYTES))
    if not found:
        raise DatasetInvalid(
            "the file has no transfer syntax, and none fits its pixel data"
        )
    return found


def _rebuilt(
    stream: BinaryIO, at: int, syntax: str, seen: Survey, *, remark: bool
) -> Part10:
    stream.seek(at)
    dataset = bytearray(stream.read())
    for place, vr in seen.mended.items():
        dataset[place : place + 2] = vr
    head = _file_meta(syntax)
    said: tuple[str, ...] = ()
    if remark:
        name = UID(syntax).name
        said = (f"The file has no transfer syntax; it was read as {name}.",)
    return Part10(BytesIO(head + dataset), len(head), syntax, said)


def _file_meta(syntax: str) -> bytes:
    """Encode preamble, prefix and the least File Meta Information (PS3.10 7.1)."""
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    element = struct.pack("<HH2sH", 0x0002, 0x0010, b"UI", len(value)) + value
    length = struct.pack("<HH2sHI", 0x0002, 0x0000, b"UL", 4, len(element))
    return b"\0" * _PREAMBLE_BYTES + _PREFIX + length + element
