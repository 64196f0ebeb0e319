"""Pixel Data -> bit patterns: native cells, RLE and codestreams alike.

Answers to the Image Pixel module (PS3.3 C.7.6.3) and PS3.5 section 8. Sizes are
checked against the bytes at hand before anything is allocated for them.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset

from dicom_node.dataset.attributes import integer, text, value
from dicom_node.dataset.pixels import codecs
from dicom_node.dataset.pixels.fragments import joined
from dicom_node.dataset.pixels.grayscale import StoredValues
from dicom_node.dataset.pixels.sample_values import Claims, Patterns, Settled, settle
from dicom_node.dataset.quiet import MALFORMED, quiet
from dicom_node.errors import DatasetInvalid, PixelsUndecodable

Value = TypeVar("Value", bound=np.generic)

_NATIVE = frozenset(
    {
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
        uid.DeflatedExplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
    }
)
_ROWS_AT_ONCE = 256
"""numpy widens indices to 64 bits; a strip at a time keeps that small."""


@dataclass(frozen=True, slots=True)
class PixelCells:
    """How the pixels of a grey, single-frame image are stored.

    Parameters
    ----------
    rows, columns
        Size in pixels.
    bits_allocated
        8 or 16.
    shift
        Unused bits below the stored ones (High Bit).
    stored
        The stored bits and their sign; what lies above them (overlays) is ignored.
    transfer_syntax
        UID.
    """

    rows: int
    columns: int
    bits_allocated: int
    shift: int
    stored: StoredValues
    transfer_syntax: uid.UID

    @classmethod
    def of(cls, dataset: Dataset, maximum_pixels: int) -> "PixelCells":
        """Read and check the Image Pixel module.

        Raises
        ------
        PixelsUndecodable
            Attributes that are missing, contradictory or beyond the limit.
        DatasetInvalid
            No transfer syntax.
        """
        rows, columns = integer(dataset, "Rows"), integer(dataset, "Columns")
        if not rows or not columns or min(rows, columns) < 1:
            raise PixelsUndecodable("no Rows and Columns")
        if rows * columns > maximum_pixels:
            raise PixelsUndecodable(
                f"{rows} x {columns} pixels are more than the limit, {maximum_pixels}"
            )
        _check_grey(dataset)
        allocated = integer(dataset, "BitsAllocated")
        bits = integer(dataset, "BitsStored") or allocated
        if allocated not in {8, 16} or bits is None or not 1 <= bits <= allocated:
            raise PixelsUndecodable(f"{bits} bits stored in {allocated} bits allocated")
        high_bit = integer(dataset, "HighBit")
        high_bit = bits - 1 if high_bit is None else high_bit
        if not bits - 1 <= high_bit < allocated:
            raise PixelsUndecodable(f"High Bit {high_bit} with {bits} bits stored")
        signed = integer(dataset, "PixelRepresentation") == 1
        return cls(
            rows=rows,
            columns=columns,
            bits_allocated=allocated,
            shift=high_bit + 1 - bits,
            stored=StoredValues(bits, signed),
            transfer_syntax=_transfer_syntax(dataset),
        )


def _check_grey(dataset: Dataset) -> None:
    photometric = text(dataset, "PhotometricInterpretation")
    if photometric not in {"MONOCHROME1", "MONOCHROME2"}:
        raise PixelsUndecodable("the Photometric Interpretation is not MONOCHROME")
    if integer(dataset, "SamplesPerPixel") not in {1, None}:
        raise PixelsUndecodable("more than one sample for each pixel")
    if (integer(dataset, "NumberOfFrames") or 1) != 1:
        raise PixelsUndecodable("more than one frame")


def _transfer_syntax(dataset: Dataset) -> uid.UID:
    meta = getattr(dataset, "file_meta", None)
    syntax = text(meta, "TransferSyntaxUID") if meta is not None else ""
    if not syntax:
        raise DatasetInvalid("no Transfer Syntax UID")
    return uid.UID(syntax)


def read_patterns(dataset: Dataset, cells: PixelCells) -> Settled:
    """Decode the picture, and settle what its samples mean.

    Raises
    ------
    PixelsUndecodable
        Missing, short or damaged pixel data; the decoder's reason.
    NotEligible
        The samples are not what the header says.
    """
    data = value(dataset, "PixelData")
    if not isinstance(data, bytes | bytearray) or not data:
        raise PixelsUndecodable("no pixel data")
    with quiet():
        has_overlays, padding = _has_overlays(dataset), _padding(dataset, cells)
    stream = None
    if cells.transfer_syntax in _NATIVE:
        samples, shift = _native(data, cells), cells.shift
    else:
        samples, stream = _decoded(bytes(data), cells)
        shift = cells.shift
        if shift and int(samples.max()) <= cells.stored.mask:
            shift = 0  # a codestream that holds the stored bits alone
    if shift:
        samples = samples >> np.uint16(shift)
    return settle(
        samples,
        Claims(
            stored=cells.stored,
            allocated=cells.bits_allocated - shift,
            stream=stream,
            is_lossy=cells.transfer_syntax in codecs.LOSSY,
            has_overlays=has_overlays,
            padding=padding,
        ),
    )


def _has_overlays(dataset: Dataset) -> bool:
    """Tell whether overlays lie in unused bits of the cells (retired, PS3.5 8.1.2)."""
    places = ((group, 0x0102) for group in range(0x6000, 0x6020, 2))
    try:
        return any(place in dataset and dataset[place].value for place in places)
    except MALFORMED:
        return False


def _padding(dataset: Dataset, cells: PixelCells) -> int | None:
    found = integer(dataset, "PixelPaddingValue")
    return None if found is None else found % (1 << cells.bits_allocated)


def _native(data: bytes | bytearray, cells: PixelCells) -> codecs.Samples:
    count = cells.rows * cells.columns
    width = cells.bits_allocated // 8
    if len(data) < count * width:
        raise PixelsUndecodable(
            f"{len(data)} bytes of pixel data for {cells.rows} x {cells.columns} pixels"
        )
    order = ">" if cells.transfer_syntax == uid.ExplicitVRBigEndian else "<"
    samples = np.frombuffer(data, dtype=f"{order}u{width}", count=count)
    return samples.reshape(cells.rows, cells.columns)


def _decoded(
    data: bytes, cells: PixelCells
) -> tuple[codecs.Samples, codecs.Precision | None]:
    try:
        stream = joined(data)
    except ValueError as error:
        raise PixelsUndecodable(str(error)) from error
    geometry = codecs.Geometry(cells.rows, cells.columns, cells.bits_allocated)
    samples = codecs.decode(stream, cells.transfer_syntax, geometry)
    precision = codecs.precision(stream, cells.transfer_syntax)
    return samples, precision


def count_patterns(patterns: Patterns, stored: StoredValues) -> NDArray[np.int64]:
    """Count how many pixels hold each bit pattern; int64 (2**bits,)."""
    counts = np.zeros(stored.mask + 1, dtype=np.int64)
    for first in range(0, patterns.shape[0], _ROWS_AT_ONCE):
        strip = patterns[first : first + _ROWS_AT_ONCE].ravel()
        counts += np.bincount(strip, minlength=counts.size)
    return counts


def look_up(table: NDArray[Value], patterns: Patterns) -> NDArray[Value]:
    """Replace every bit pattern by its entry in a table of 2**bits."""
    out = np.empty(patterns.shape, dtype=table.dtype)
    for first in range(0, patterns.shape[0], _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        out[rows] = table[patterns[rows]]
    return out
