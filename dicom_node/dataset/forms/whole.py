"""A stored object with everything in it, to be shown or sent in another form.

It was received by this node, which looked at no more than its header: the size of what
is read is bounded by the file, and that of what is inflated by a limit (PS3.5 A.5).
"""

from io import BytesIO
from typing import BinaryIO, NamedTuple

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import read_dataset, read_partial
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dicom_node.dataset import part10_file
from dicom_node.dataset.byte_source import InflatedBytes
from dicom_node.dataset.part10 import part10_header, read_file_meta
from dicom_node.dataset.quiet import MALFORMED, quiet
from dicom_node.errors import DatasetInvalid

_PIXEL_GROUP = 0x7FE0
_INFLATED_BYTES = 288 << 20


class Pixels(NamedTuple):
    """That an object has pixel data, and how they are represented."""

    tag: int
    vr: str


def read_whole(stream: BinaryIO) -> Dataset:
    """Read an object with its pixel data.

    Parameters
    ----------
    stream
        A Part 10 file from its first byte; seekable.

    Raises
    ------
    DatasetInvalid
        It cannot be read.
    """
    try:
        with quiet():
            return _deflated(stream) or dcmread(part10_file.normal(stream).stream)
    except (*MALFORMED, MemoryError) as error:
        raise DatasetInvalid("the object cannot be read") from error


def read_before_pixels(stream: BinaryIO) -> tuple[Dataset, Pixels | None]:
    """Read an object up to its pixel data, and tell whether it has any.

    Raises
    ------
    DatasetInvalid
        It cannot be read.
    """
    found: list[Pixels] = []

    def is_pixel_data(tag: int, vr: str | None, _length: int) -> bool:
        if tag >> 16 != _PIXEL_GROUP:
            return False
        found.append(Pixels(tag, vr or "OW"))
        return True

    try:
        with quiet():
            dataset = _deflated(stream)
            if dataset is None:
                file = part10_file.normal(stream).stream
                dataset = read_partial(file, is_pixel_data)
            elif "PixelData" in dataset:
                found.append(Pixels(0x7FE00010, "OW"))
                del dataset.PixelData
    except (*MALFORMED, MemoryError) as error:
        raise DatasetInvalid("the object cannot be read") from error
    return dataset, found[0] if found else None


def _deflated(stream: BinaryIO) -> FileDataset | None:
    """Read a deflated object within bounds; ``None`` for another one."""
    start = stream.tell()
    said = read_file_meta(stream)
    if said.transfer_syntax_uid != DeflatedExplicitVRLittleEndian:
        stream.seek(start)
        return None
    plain = InflatedBytes(stream, _INFLATED_BYTES).take(_INFLATED_BYTES)
    inflated = read_dataset(BytesIO(plain), is_implicit_VR=False, is_little_endian=True)
    meta = dcmread(BytesIO(part10_header(said)), force=True).file_meta
    return FileDataset(
        BytesIO(),
        inflated,
        file_meta=meta,
        is_implicit_VR=False,
        is_little_endian=True,
    )
