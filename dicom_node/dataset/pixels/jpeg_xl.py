"""JPEG XL (ISO/IEC 18181-1): its transfer syntaxes, and what a stream says of itself.

The first bits of a codestream tell size, depth and colour (Annexes D and E); they are
read here so that a stream that claims another picture is refused before it is decoded.
pydicom does not know the syntaxes (PS3.6 table A-1) and is told them.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID

JPEG_XL_LOSSLESS = UID("1.2.840.10008.1.2.4.110")
JPEG_XL_JPEG_RECOMPRESSION = UID("1.2.840.10008.1.2.4.111")
JPEG_XL = UID("1.2.840.10008.1.2.4.112")

_NAMES = {
    JPEG_XL_LOSSLESS: ("JPEG XL Lossless", "JPEGXLLossless"),
    JPEG_XL_JPEG_RECOMPRESSION: (
        "JPEG XL JPEG Recompression",
        "JPEGXLJPEGRecompression",
    ),
    JPEG_XL: ("JPEG XL", "JPEGXL"),
}
for _uid, (_name, _keyword) in _NAMES.items():
    UID_dictionary.setdefault(_uid, (_name, "Transfer Syntax", "", "", _keyword))

_CODESTREAM = b"\xff\x0a"
_CONTAINER = b"\x00\x00\x00\x0cJXL \r\n\x87\n"
_HEADER_BYTES = 64
"""More than size, depth and colour ever take."""
_MOST_BOXES = 64
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_SIZES = ((9, 1), (13, 1), (18, 1), (30, 1))
_DEPTHS = ((0, 8), (0, 10), (0, 12), (6, 1))
_EXTRA_CHANNELS = ((0, 0), (0, 1), (4, 2), (12, 1))
_ENUM = ((0, 0), (0, 1), (4, 2), (6, 18))
_GREY = 1


@dataclass(frozen=True, slots=True)
class Said:
    """What a codestream says of its picture.

    Parameters
    ----------
    rows, columns, components
        Size, and samples of a pixel.
    bits
        Of a sample.
    is_lossy
        Whether it is in the colour space that only lossy streams use (XYB).
    """

    rows: int
    columns: int
    components: int
    bits: int
    is_lossy: bool


class _Bits:
    """Reads a codestream's header, least significant bit first (B.2)."""

    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data, "little")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        """Read an unsigned number of so many bits."""
        if count > self._left:
            raise ValueError("the JPEG XL header is cut")
        found = self._bits & ((1 << count) - 1)
        self._bits >>= count
        self._left -= count
        return found

    def choose(self, forms: tuple[tuple[int, int], ...]) -> int:
        """Read a number in one of four forms: bits to read, and what is added."""
        count, offset = forms[self.take(2)]
        return self.take(count) + offset


def is_jpeg_xl(start: bytes) -> bool:
    """Tell whether a stream begins like JPEG XL, bare or in its container."""
    return start.startswith((_CODESTREAM, _CONTAINER))


def transfer_syntax_of(start: bytes) -> str:
    """Return the syntax of a JPEG XL stream; empty for one that cannot be read."""
    try:
        if any(kind == b"jbrd" for kind, _ in _boxes(start)):
            return JPEG_XL_JPEG_RECOMPRESSION
        return JPEG_XL if read_header(start).is_lossy else JPEG_XL_LOSSLESS
    except (ValueError, struct.error):
        return ""


def read_header(stream: bytes) -> Said:
    """Read size, depth and colour.

    Raises
    ------
    ValueError
        No JPEG XL stream, or one with more than one still picture as it is stored.
    """
    bits = _Bits(_codestream(stream)[2:])
    rows, columns = _size(bits)
    if bits.take(1):  # all as usual: eight bits of colour
        return Said(rows, columns, 3, 8, is_lossy=True)
    if bits.take(1):
        if bits.take(3):
            raise ValueError("the JPEG XL picture is turned")
        if bits.take(1):
            _size(bits)
        if bits.take(1) or bits.take(1):
            raise ValueError("the JPEG XL stream is animated or has a preview")
    if bits.take(1):
        raise ValueError("the JPEG XL samples are floating-point")
    depth = bits.choose(_DEPTHS)
    bits.take(1)  # whether 16-bit buffers suffice
    extra = bits.choose(_EXTRA_CHANNELS)
    if extra:
        raise ValueError(f"the JPEG XL picture has {extra} extra channels")
    is_lossy = bool(bits.take(1))
    return Said(rows, columns, _components(bits), depth, is_lossy)


def _components(bits: _Bits) -> int:
    if bits.take(1):  # sRGB
        return 3
    bits.take(1)  # whether an ICC profile follows
    return 1 if bits.choose(_ENUM) == _GREY else 3


def _size(bits: _Bits) -> tuple[int, int]:
    """Read SizeHeader: height, and width or a ratio to it."""
    small = bits.take(1)
    rows = 8 * (bits.take(5) + 1) if small else bits.choose(_SIZES)
    ratio = bits.take(3)
    if ratio:
        wide, tall = _RATIOS[ratio - 1]
        return rows, rows * wide // tall
    return rows, 8 * (bits.take(5) + 1) if small else bits.choose(_SIZES)


def _codestream(stream: bytes) -> bytes:
    """Give the first bytes of the codestream."""
    if stream.startswith(_CODESTREAM):
        return stream[:_HEADER_BYTES]
    for kind, start in _boxes(stream):
        # a part of a codestream is numbered
        at = {b"jxlc": start, b"jxlp": start + 4}.get(kind)
        if at is not None and stream.startswith(_CODESTREAM, at):
            return stream[at : at + _HEADER_BYTES]
    raise ValueError("the fragment does not begin with a JPEG XL stream")


def _boxes(stream: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the kind of each box of a container, and where its content begins."""
    position = 0 if stream.startswith(_CONTAINER) else len(stream)
    for _ in range(_MOST_BOXES):
        if position + 8 > len(stream):
            return
        length, kind = struct.unpack_from(">I4s", stream, position)
        start = position + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", stream, start)
            start += 8
        yield kind, start
        if length < start - position:  # to the end of the stream, or nonsense
            return
        position += length
