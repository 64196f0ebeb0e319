"""Which transfer syntax fits a codestream whose data set does not name one.

T.81 (JPEG), T.87 (JPEG-LS), T.800 and T.814 (JPEG 2000, HTJ2K), ISO/IEC 18181-1 (JPEG
XL), PS3.5 Annex G (RLE).
"""

import struct
from collections.abc import Iterator

from pydicom import uid

from dicom_node.dataset.pixels import jpeg_xl

_JPEG = {
    0xC0: uid.JPEGBaseline8Bit,
    0xC1: uid.JPEGExtended12Bit,
    0xC3: uid.JPEGLossless,
}
_JPEG_LS, _SCAN = 0xF7, 0xDA
_CAPABILITIES, _CODING_STYLE = 0x50, 0x52
_ALONE = frozenset({0x01, 0x4F, *range(0xD0, 0xD9), *range(0x30, 0x40)})
_MOST_PLANES = 2
_RLE_HEADER = 64


def transfer_syntax_of(start: bytes) -> str:
    """Return the UID of the syntax that a stream begins like; empty for none.

    Parameters
    ----------
    start
        The first bytes of the first fragment, up to some 64 KiB.
    """
    if start.startswith(b"\xff\xd8"):
        return _jpeg(start)
    if start.startswith(b"\xff\x4f"):
        return _jpeg_2000(start)
    if jpeg_xl.is_jpeg_xl(start):
        return jpeg_xl.transfer_syntax_of(start)
    if len(start) >= 8:  # noqa: PLR2004  number of segments, first offset
        planes, first = struct.unpack_from("<II", start)
        if 1 <= planes <= _MOST_PLANES and first == _RLE_HEADER:
            return uid.RLELossless
    return ""


def _jpeg(start: bytes) -> str:
    is_ls = False
    for marker, segment in _segments(start):
        if marker in _JPEG:
            return _JPEG[marker]
        is_ls = is_ls or marker == _JPEG_LS
        if marker == _SCAN and is_ls and len(segment) > 3:  # noqa: PLR2004  up to NEAR
            near = segment[1 + 2 * segment[0]] if segment[0] == 1 else 0
            return uid.JPEGLSNearLossless if near else uid.JPEGLSLossless
    return ""


def _jpeg_2000(start: bytes) -> str:
    high_throughput = False
    for marker, segment in _segments(start):
        high_throughput = high_throughput or marker == _CAPABILITIES
        if marker == _CODING_STYLE and len(segment) > 9:  # noqa: PLR2004  transformation
            reversible = segment[9] == 1
            if high_throughput:
                return uid.HTJ2KLossless if reversible else uid.HTJ2K
            return uid.JPEG2000Lossless if reversible else uid.JPEG2000
    return ""


def _segments(start: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield markers and what follows their length."""
    position = 0
    while position + 4 <= len(start) and start[position] == 0xFF:  # noqa: PLR2004
        marker = start[position + 1]
        position += 2
        if marker in _ALONE:
            continue
        (length,) = struct.unpack_from(">H", start, position)
        yield marker, start[position + 2 : position + length]
        if marker == _SCAN:
            return
        position += max(length, 2)
