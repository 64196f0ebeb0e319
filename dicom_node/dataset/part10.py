"""The DICOM file format: what stands before a data set in a file (PS3.10 7.1)."""

import struct
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from pydicom.filereader import read_dataset
from pydicom.uid import UID

from dicom_node.dataset.quiet import MALFORMED, quiet
from dicom_node.errors import DatasetInvalid

IMPLEMENTATION_CLASS_UID = UID("2.25.211738943274226146911842404861208274481")
IMPLEMENTATION_VERSION_NAME = "CXR_NODE"
"""Without a release number, so that the same image stored by two releases is the
same file."""

_HEAD_BYTES = 144  # preamble, prefix, and the group length
_META_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Arriving:
    """What is said of an object at the door, before any of it is read.

    Parameters
    ----------
    sop_class_uid, sop_instance_uid, transfer_syntax_uid
        What the request names.
    calling_ae
        Who sends it.
    called_ae
        Under which title this node was called.
    study_instance_uid
        The study that it has to belong to; empty for any.
    priority
        How urgent its sender says it is: 1 HIGH, 0 MEDIUM, -1 LOW.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    calling_ae: str
    called_ae: str = ""
    study_instance_uid: str = ""
    priority: int = 0


def part10_header(arriving: Arriving) -> bytes:
    """Encode preamble and File Meta Information for bytes sent without them.

    The title that was called stands in it where there is one to be told.

    References
    ----------
    DICOM PS3.10 section 7.1.
    """
    calling_ae, called_ae = arriving.calling_ae, arriving.called_ae
    meta = b"".join(
        (
            _meta(0x0001, b"OB\0\0" + struct.pack("<I", 2) + b"\x00\x01"),
            _meta_text(0x0002, "UI", arriving.sop_class_uid),
            _meta_text(0x0003, "UI", arriving.sop_instance_uid),
            _meta_text(0x0010, "UI", arriving.transfer_syntax_uid),
            _meta_text(0x0012, "UI", IMPLEMENTATION_CLASS_UID),
            _meta_text(0x0013, "SH", IMPLEMENTATION_VERSION_NAME),
            _meta_text(0x0016, "AE", calling_ae) if calling_ae else b"",
            _meta_text(0x0018, "AE", called_ae) if called_ae else b"",
        )
    )
    length = _meta(0x0000, b"UL" + struct.pack("<HI", 4, len(meta)))
    return b"\0" * 128 + b"DICM" + length + meta


def read_file_meta(stream: BinaryIO) -> Arriving:
    """Read what :func:`part10_header` wrote, and stop at the data set.

    Raises
    ------
    DatasetInvalid
        There is no File Meta Information, or none that can be read.
    """
    head = stream.read(_HEAD_BYTES)
    if head[128:140] != b"DICM" + struct.pack("<HH", 2, 0) + b"UL\x04\0":
        raise DatasetInvalid("the file has no File Meta Information")
    (length,) = struct.unpack("<I", head[140:].ljust(4, b"\0"))
    if length > _META_BYTES:
        raise DatasetInvalid("the File Meta Information does not end")
    try:
        with quiet():
            meta = read_dataset(
                BytesIO(stream.read(length)),
                is_implicit_VR=False,
                is_little_endian=True,
            )
            return Arriving(
                sop_class_uid=str(meta.get("MediaStorageSOPClassUID", "")),
                sop_instance_uid=str(meta.get("MediaStorageSOPInstanceUID", "")),
                transfer_syntax_uid=str(meta.get("TransferSyntaxUID", "")),
                calling_ae=str(meta.get("SourceApplicationEntityTitle", "")).strip(),
                called_ae=str(meta.get("ReceivingApplicationEntityTitle", "")).strip(),
            )
    except MALFORMED as error:
        raise DatasetInvalid("the File Meta Information cannot be read") from error


def _meta(number: int, rest: bytes) -> bytes:
    return struct.pack("<HH", 0x0002, number) + rest


def _meta_text(number: int, vr: str, text: str) -> bytes:
    value = text.encode("ascii", "replace")
    value += b"\0"[: len(value) % 2] if vr == "UI" else b" "[: len(value) % 2]
    return _meta(number, vr.encode() + struct.pack("<H", len(value)) + value)
