"""A film's data set with its pixel data, and nothing of what lies behind them.

What is read, and what it costs, follows from what the header says the film is: the
header is walked in bounds before anything is built, a picture takes as many bytes as
its Rows and Columns do, and bytes behind the pixel data are never looked at.
"""

from io import BytesIO
from typing import BinaryIO

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from dicom_node.dataset.attributes import integer, text
from dicom_node.dataset.byte_source import ByteSource, InflatedBytes, PlainBytes
from dicom_node.dataset.header import HeaderLimits, HeaderWalk
from dicom_node.errors import DatasetInvalid

_PREFIX_AT, _PREFIX = 128, b"DICM"
_META_BYTES = 64 * 1024
_META_GROUP = 0x0002
_PIXEL_DATA = 0x7FE00010
_SPARE_BYTES = 1 << 20
"""Of a compressed picture: tables, padding, and the items around its fragments."""


def read_up_to_pixels(stream: BinaryIO, *, pixels: int, inflated_bytes: int) -> Dataset:
    """Read a Part 10 file from where the stream stands.

    Parameters
    ----------
    stream
        Seekable.
    pixels
        A picture of more is not read; whoever decodes it says why.
    inflated_bytes
        What a deflated data set may grow to.

    Raises
    ------
    DatasetInvalid
        No DICOM file, or not one that a sane sender would make.
    PixelsUndecodable
        The fragments are larger than any picture of this size.
    """
    meta = _file_meta(stream)
    syntax = text(meta, "TransferSyntaxUID")
    limits = HeaderLimits(
        element_bytes=4 << 20, header_bytes=32 << 20, inflated_bytes=inflated_bytes
    )
    source: ByteSource = (
        InflatedBytes(stream, inflated_bytes)
        if syntax == DeflatedExplicitVRLittleEndian
        else PlainBytes(stream)
    )
    little_endian = syntax != ExplicitVRBigEndian
    walk = HeaderWalk(source, limits, "<" if little_endian else ">")
    kept, behind = walk.before_pixels()
    dataset = read_dataset(BytesIO(kept), walk.implicit, little_endian)
    dataset.file_meta = meta
    data = walk.pixel_data(behind, _most_bytes(dataset, pixels))
    if data is not None:
        wide = integer(dataset, "BitsAllocated") != 8  # noqa: PLR2004  bits of a byte
        dataset.add(DataElement(_PIXEL_DATA, "OW" if wide else "OB", data))
    return dataset


def _file_meta(stream: BinaryIO) -> FileMetaDataset:
    """Read the File Meta Information, and leave the stream at the data set."""
    start = stream.tell()
    head = stream.read(_META_BYTES)
    if head[_PREFIX_AT:][: len(_PREFIX)] != _PREFIX:
        raise DatasetInvalid("not a DICOM file")
    rest = BytesIO(head)
    rest.seek(_PREFIX_AT + len(_PREFIX))
    meta = read_dataset(
        rest,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, _vr, _length: tag.group != _META_GROUP,
    )
    stream.seek(start + rest.tell())
    return FileMetaDataset(meta)


def _most_bytes(dataset: Dataset, pixels: int) -> int:
    """Say how long a picture of this size can be, stored in any way."""
    rows, columns = integer(dataset, "Rows") or 0, integer(dataset, "Columns") or 0
    # No encoder makes a picture twice as large as its cells, whatever it shows.
    return 4 * min(max(rows * columns, 0), pixels) + _SPARE_BYTES
