"""A data set in the DICOM JSON Model, with its bulk data beside it -> a Part 10 file.

DICOM PS3.18 Annex F; PS3.5 A.4 for compressed pixel data. Pixel data are copied from
where they lie, however large they are.
"""

import base64
import binascii
import json
import struct
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, BinaryIO, NamedTuple

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.dataset.part10 import Arriving, part10_header
from dicom_node.dataset.quiet import MALFORMED, quiet
from dicom_node.errors import DatasetInvalid

_PIXEL_DATA = "7FE00010"
_META_GROUP = "0002"
_CHUNK_BYTES = 1 << 20
_LARGEST_VALUE = 64 << 20
_LONGEST = 0xFFFFFFFE
_ITEM = struct.Struct("<HHI")


class Bulk(NamedTuple):
    """Bulk data at hand.

    Parameters
    ----------
    open
        Reads it.
    size_bytes
        How much there is.
    transfer_syntax_uid
        How it is encoded; empty for plain bytes.
    """

    open: Callable[[], BinaryIO]
    size_bytes: int
    transfer_syntax_uid: str = ""


FindBulk = Callable[[str], Bulk | None]


def data_sets(text: bytes) -> list[dict[str, Any]]:
    """Read JSON that holds data sets: a list of them, or one.

    Raises
    ------
    DatasetInvalid
        It holds something else.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetInvalid("the metadata are no JSON") from error
    found = found if isinstance(found, list) else [found]
    if not all(isinstance(one, dict) for one in found):
        raise DatasetInvalid("the metadata are no data sets")
    return found


def identity(attributes: Mapping[str, Any]) -> tuple[str, str]:
    """Read SOP Class and SOP Instance UID, or nothing."""
    return _first(attributes, "00080016"), _first(attributes, "00080018")


def assemble(
    attributes: Mapping[str, Any],
    find_bulk: FindBulk,
    sender: Arriving,
    write: Callable[[bytes], object],
) -> Arriving:
    """Write a Part 10 file, piece by piece.

    Parameters
    ----------
    attributes
        The data set.
    find_bulk
        From a BulkDataURI to what lies there.
    sender
        Who sends it; the rest of it is not looked at.
    write
        Takes the pieces.

    Returns
    -------
        What the file says of itself.

    Raises
    ------
    DatasetInvalid
        It is no data set, or its bulk data are missing.
    """
    pixels = attributes.get(_PIXEL_DATA)
    bulk = None if pixels is None else _pixels(pixels, find_bulk)
    try:
        with quiet():
            dataset = _parsed(attributes, find_bulk)
            encoded = BytesIO()
            dataset.save_as(encoded, implicit_vr=False, little_endian=True)
    except MALFORMED as error:
        raise DatasetInvalid("the metadata cannot be read") from error
    sop_class, sop_instance = identity(attributes)
    syntax = (bulk and bulk.transfer_syntax_uid) or str(ExplicitVRLittleEndian)
    arriving = Arriving(
        sop_class,
        sop_instance,
        syntax,
        sender.calling_ae,
        study_instance_uid=sender.study_instance_uid,
    )
    write(part10_header(arriving))
    write(encoded.getvalue())
    if bulk is not None:
        _write_pixels(bulk, dataset, write)
    return arriving


def _parsed(attributes: Mapping[str, Any], find_bulk: FindBulk) -> Dataset:
    """Build what stands before the pixel data."""

    def fetch(_tag: str, _vr: str, uri: str) -> bytes:
        bulk = find_bulk(uri)
        if bulk is None or bulk.size_bytes > _LARGEST_VALUE:
            raise ValueError("bulk data are missing")
        with bulk.open() as stream:
            return stream.read()

    kept = {
        tag: attribute
        for tag, attribute in attributes.items()
        if tag != _PIXEL_DATA and not tag.startswith(_META_GROUP)
    }
    dataset = Dataset.from_json(kept, fetch)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    return dataset


def _pixels(attribute: Mapping[str, Any], find_bulk: FindBulk) -> Bulk:
    try:
        if "InlineBinary" in attribute:
            data = base64.b64decode(attribute["InlineBinary"], validate=True)
            return Bulk(lambda: BytesIO(data), len(data))
        bulk = find_bulk(attribute["BulkDataURI"])
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise DatasetInvalid("the pixel data cannot be read") from error
    if bulk is None or not 0 < bulk.size_bytes < _LONGEST:
        raise DatasetInvalid("the pixel data are missing")
    return bulk


def _write_pixels(
    bulk: Bulk, dataset: Dataset, write: Callable[[bytes], object]
) -> None:
    padded = bulk.size_bytes + bulk.size_bytes % 2
    if bulk.transfer_syntax_uid:
        if int(dataset.get("NumberOfFrames") or 1) != 1:
            raise DatasetInvalid("several frames cannot be compressed data of one")
        write(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF))
        write(_ITEM.pack(0xFFFE, 0xE000, 0) + _ITEM.pack(0xFFFE, 0xE000, padded))
    else:
        vr = b"OB" if dataset.get("BitsAllocated") == 8 else b"OW"  # noqa: PLR2004  bits of a byte
        write(struct.pack("<HH2sHI", 0x7FE0, 0x0010, vr, 0, padded))
    with bulk.open() as stream:
        while piece := stream.read(_CHUNK_BYTES):
            write(piece)
    write(b"\0" * (padded - bulk.size_bytes))
    if bulk.transfer_syntax_uid:
        write(_ITEM.pack(0xFFFE, 0xE0DD, 0))


def _first(attributes: Mapping[str, Any], tag: str) -> str:
    attribute = attributes.get(tag)
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    found = values[0] if isinstance(values, list) and values else ""
    return found if isinstance(found, str) else ""
