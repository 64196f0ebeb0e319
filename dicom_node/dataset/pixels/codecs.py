"""Compressed pixel data <-> sample values, for every syntax that modalities send.

The stream's own header is compared with the Image Pixel module before anything is
decoded, so that a small stream that claims a huge picture costs nothing. DICOM PS3.5
section 8.2 and Annexes A.4 and G; why this library: docs/decisions/0002.
"""

import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import uid

from dicom_node.dataset.pixels import jpeg_xl
from dicom_node.errors import PixelsUndecodable

Samples = NDArray[np.integer[Any]]

LOSSY = frozenset(
    {
        uid.JPEGBaseline8Bit,
        uid.JPEGExtended12Bit,
        uid.JPEGLSNearLossless,
        uid.JPEG2000,
        uid.HTJ2K,
        jpeg_xl.JPEG_XL_JPEG_RECOMPRESSION,
        jpeg_xl.JPEG_XL,
    }
)
"""Syntaxes whose sample values may leave the range of Bits Stored."""

_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({1, *range(0xD0, 0xD9)})
_SIZ = b"\xff\x4f\xff\x51"
_SOI = b"\xff\xd8"
_JP2 = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_MOST_BOXES = 64
_DEPTH = 0x7F
_END = b"\xff\xd9"
_MARKER = 0xFF  # every marker of a JPEG stream starts so (T.81 B.1.1.2)
_J2K_THREADS = min(4, os.cpu_count() or 1)
"""JPEG 2000 is the only syntax that takes seconds for a large film."""

_TAIL_BYTES = 1024
"""Where the end marker is looked for: senders pad with zeros, FF or leftovers."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """What the Image Pixel module promises (PS3.3 C.7.6.3).

    Parameters
    ----------
    rows, columns
        Size in pixels.
    bits_allocated
        8 or 16.
    bits_stored
        Significant bits, needed for encoding only.
    """

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int = 16

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.rows * self.columns


@dataclass(frozen=True, slots=True)
class Precision:
    """What a codestream says of its samples.

    Parameters
    ----------
    bits
        Of a sample.
    signed
        ``None`` where the format has no word for it.
    """

    bits: int
    signed: bool | None = None


def decode(stream: bytes, transfer_syntax: str, geometry: Geometry) -> Samples:
    """Decode one grey frame.

    Parameters
    ----------
    stream
        The frame's bitstream, its fragments joined.
    transfer_syntax
        UID of an encapsulated transfer syntax.
    geometry
        What the data set says; a stream that says otherwise is refused unseen.

    Returns
    -------
        Integers (rows, columns), at most 16 bits wide.

    Raises
    ------
    PixelsUndecodable
        Unknown syntax, damaged or contradictory stream; the decoder's reason.
    """
    name = uid.UID(transfer_syntax).name
    codec = _CODECS.get(transfer_syntax)
    if codec is None:
        raise PixelsUndecodable(f"no decoder for the transfer syntax {name}")
    try:
        samples = codec.decode(stream, geometry)
    except (RuntimeError, ValueError, TypeError, IndexError, struct.error) as error:
        raise PixelsUndecodable(f"{name}: {error}") from error
    except MemoryError as error:
        raise PixelsUndecodable(f"{name}: not enough memory") from error
    if samples.shape != (geometry.rows, geometry.columns):
        raise PixelsUndecodable(f"{name}: decoded to another size than Rows x Columns")
    if samples.dtype.kind not in "iu" or samples.dtype.itemsize > 2:  # noqa: PLR2004  bytes
        raise PixelsUndecodable(f"{name}: decoded to {samples.dtype} samples")
    return samples


def encode(samples: Samples, transfer_syntax: str, geometry: Geometry) -> bytes:
    """Encode one grey frame; used where synthetic films are made.

    Raises
    ------
    ValueError
        A syntax that cannot be written, or samples it cannot hold.
    """
    codec = _CODECS.get(transfer_syntax)
    if codec is None:
        raise ValueError(f"no encoder for {uid.UID(transfer_syntax).name}")
    return codec.encode(samples, geometry)


def precision(stream: bytes, transfer_syntax: str) -> Precision | None:
    """Read what a codestream says of its samples; ``None`` for RLE.

    Raises
    ------
    PixelsUndecodable
        The stream has no readable header.
    """
    codec = _CODECS.get(transfer_syntax)
    if codec is None or codec.header is None:
        return None
    try:
        header = codec.header(stream)
    except (ValueError, IndexError, struct.error) as error:
        raise PixelsUndecodable(f"{uid.UID(transfer_syntax).name}: {error}") from error
    return Precision(header.bits, header.signed)


@dataclass(frozen=True, slots=True)
class _Header:
    """What the first bytes of a codestream say."""

    rows: int
    columns: int
    components: int
    bits: int
    signed: bool | None = None


@dataclass(frozen=True, slots=True)
class _Codec:
    decode: Callable[[bytes, Geometry], Samples]
    encode: Callable[[Samples, Geometry], bytes]
    header: Callable[[bytes], _Header] | None = None


def _jpeg_header(stream: bytes) -> _Header:
    """Read the frame header of a JPEG or JPEG-LS stream (T.81 B.2, T.87 C.2).

    The stream begins where the fragment does (PS3.5 A.4.1).
    """
    if stream[:2] != _SOI:
        raise ValueError("the stream does not begin with its start marker")
    position = 2
    while position + 10 <= len(stream):
        if stream[position] != _MARKER:
            raise ValueError("not a JPEG stream")
        marker = stream[position + 1]
        if marker in _FRAME_HEADERS:
            bits, rows, columns, components = struct.unpack_from(
                ">BHHB", stream, position + 4
            )
            return _Header(rows, columns, components, bits)
        alone = marker == _MARKER or marker in _WITHOUT_LENGTH
        length = 0 if alone else struct.unpack_from(">H", stream, position + 2)[0]
        position += (1 if marker == _MARKER else 2) + length
    raise ValueError("no frame header in the JPEG stream")


def _j2k_header(stream: bytes) -> _Header:
    """Read the SIZ marker segment of a JPEG 2000 codestream (T.800 A.5.1).

    The codestream begins where the fragment does (PS3.5 A.4.4).
    """
    if not stream.startswith(_SIZ):
        raise ValueError("the fragment does not begin with a JPEG 2000 codestream")
    width, height, left, top = struct.unpack_from(">IIII", stream, 8)
    components, depth = struct.unpack_from(">HB", stream, 40)
    return _Header(
        rows=height - top,
        columns=width - left,
        components=components,
        bits=(depth & _DEPTH) + 1,
        signed=bool(depth & ~_DEPTH),
    )


def _unwrapped(stream: bytes) -> bytes:
    """Take the codestream out of a JP2 file, which some senders encapsulate whole.

    Only the box lengths are followed, and nothing but the codestream is decoded; a
    file with a palette is refused, since its samples are indices (T.800 I.4, I.5).
    """
    if not stream.startswith(_JP2):
        return stream
    position = 0
    for _ in range(_MOST_BOXES):
        if position + 8 > len(stream):
            break
        length, kind = struct.unpack_from(">I4s", stream, position)
        start = position + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", stream, start)
            start += 8
        end = len(stream) if length == 0 else position + length
        if not start <= end <= len(stream):
            break
        if kind == b"jp2h" and b"pclr" in stream[start:end]:
            raise ValueError("the JP2 file has a palette")
        if kind == b"jp2c":
            return stream[start:end]
        position = end
    raise ValueError("no codestream in the JP2 file")


def _whole(
    stream: bytes,
    geometry: Geometry,
    *,
    header: Callable[[bytes], _Header],
    decoder: Callable[[bytes], Samples],
    end: bytes = _END,
) -> Samples:
    """Decode after the stream's header and its end have been seen to be right.

    Some decoders quietly paint grey what is missing from a cut stream; a film with
    a piece missing must never be analysed, hence the look at the end marker (JPEG XL
    has none; its decoder asks for what is missing).
    """
    said = header(stream)
    if (said.rows, said.columns, said.components) != (
        geometry.rows,
        geometry.columns,
        1,
    ):
        raise ValueError(
            f"the stream holds {said.rows} x {said.columns} x {said.components}, the"
            f" data set says {geometry.rows} x {geometry.columns} x 1"
        )
    if said.bits > geometry.bits_allocated:
        raise ValueError(
            f"the stream holds {said.bits} bits for a sample, the data set allocates"
            f" {geometry.bits_allocated}"
        )
    if end not in stream[-_TAIL_BYTES:]:
        raise ValueError("the stream ends before its end marker")
    return decoder(stream)


def _unpack_rle(stream: bytes, geometry: Geometry) -> Samples:
    """Decode the byte planes of one RLE frame (PS3.5 G.3 to G.5)."""
    planes = geometry.bits_allocated // 8
    count, *offsets = struct.unpack_from("<16I", stream)
    if count != planes:
        raise ValueError(f"{count} RLE segments instead of {planes}")
    ends = [*offsets[1:planes], len(stream)]
    out = np.empty((geometry.pixels, planes), dtype=np.uint8)
    for plane, (start, end) in enumerate(zip(offsets, ends, strict=False)):
        if not 64 <= start < end:  # noqa: PLR2004  length of the RLE header
            raise ValueError("RLE segment offsets do not increase")
        unpacked = _unpack_bits(stream[start:end], geometry.pixels)
        if len(unpacked) < geometry.pixels:
            raise ValueError("an RLE segment is shorter than Rows x Columns")
        out[:, planes - 1 - plane] = np.frombuffer(unpacked, np.uint8, geometry.pixels)
    return out.view(f"<u{planes}").reshape(geometry.rows, geometry.columns)


def _unpack_bits(segment: bytes, count: int) -> bytes:
    """Unpack a segment (PS3.5 G.3.2); what follows its last run is padding."""
    # Padding may unpack to a few bytes more; a bomb finds no room.
    room = bytearray(count + _TAIL_BYTES)
    try:
        return bytes(imagecodecs.packbits_decode(segment, out=room))
    except RuntimeError:
        # Padding that is no zero reads as a run that is cut, or as one too many.
        end = _end_of_runs(segment, count)
        if not 0 < len(segment) - end <= _TAIL_BYTES:
            raise
        return bytes(imagecodecs.packbits_decode(segment[:end], out=room))


def _end_of_runs(segment: bytes, count: int) -> int:
    """Find where a segment has given all of its bytes."""
    position = unpacked = 0
    while unpacked < count and position < len(segment):
        code = segment[position]
        if code < 128:  # noqa: PLR2004  so many bytes follow as they are
            unpacked += code + 1
            position += code + 2
        elif code > 128:  # noqa: PLR2004  one byte follows, to be repeated
            unpacked += 257 - code
            position += 2
        else:
            position += 1
    return min(position, len(segment))


def _pack_rle(samples: Samples, geometry: Geometry) -> bytes:
    planes = geometry.bits_allocated // 8
    byte_planes = samples.astype(f"<u{planes}").reshape(-1, 1).view(np.uint8)
    rows = (geometry.rows, geometry.columns)
    segments = [
        b"".join(
            imagecodecs.packbits_encode(row)
            for row in byte_planes[:, plane].reshape(rows)
        )
        for plane in reversed(range(planes))
    ]
    segments = [segment + b"\0" * (len(segment) % 2) for segment in segments]
    offsets = [64 + sum(map(len, segments[:index])) for index in range(planes)]
    header = struct.pack("<16I", planes, *offsets, *([0] * (15 - planes)))
    return header + b"".join(segments)


def _jpeg_ls(samples: Samples, geometry: Geometry, near: int) -> bytes:
    """Encode, without the SPIFF header that DICOM does not want (PS3.5 8.2.3)."""
    del geometry
    stream = bytes(imagecodecs.jpegls_encode(samples, level=near))
    return b"\xff\xd8" + stream[stream.index(b"\xff\xf7") :]


def _jpeg_lossless(samples: Samples, geometry: Geometry, predictor: int) -> bytes:
    return bytes(
        imagecodecs.jpeg8_encode(
            samples,
            lossless=True,
            predictor=predictor,
            bitspersample=geometry.bits_stored,
        )
    )


def _jpeg_lossy(samples: Samples, geometry: Geometry) -> bytes:
    bits = 8 if geometry.bits_allocated == 8 else 12  # noqa: PLR2004  all T.81 knows
    return bytes(imagecodecs.jpeg8_encode(samples, level=95, bitspersample=bits))


def _j2k(samples: Samples, geometry: Geometry, level: int) -> bytes:
    return bytes(
        imagecodecs.jpeg2k_encode(
            samples,
            level=level,
            codecformat="j2k",
            bitspersample=geometry.bits_stored,
            reversible=level == 0,
        )
    )


def _htj2k(samples: Samples, geometry: Geometry, *, reversible: bool) -> bytes:
    del geometry
    return bytes(imagecodecs.htj2k_encode(samples, reversible=reversible, tlm=True))


def _jpeg_xl_header(stream: bytes) -> _Header:
    said = jpeg_xl.read_header(stream)
    return _Header(said.rows, said.columns, said.components, said.bits)


def _jpeg_xl(samples: Samples, geometry: Geometry, *, lossless: bool) -> bytes:
    how: dict[str, Any] = {"lossless": True} if lossless else {"distance": 0.5}
    return bytes(
        imagecodecs.jpegxl_encode(samples, bitspersample=geometry.bits_stored, **how)
    )


def _jpeg_xl_of_jpeg(samples: Samples, geometry: Geometry) -> bytes:
    return bytes(imagecodecs.jpegxl_encode_jpeg(_jpeg_lossy(samples, geometry)))


_jpeg_in = partial(_whole, header=_jpeg_header, decoder=imagecodecs.jpeg8_decode)
_jpeg_ls_in = partial(_whole, header=_jpeg_header, decoder=imagecodecs.jpegls_decode)
_j2k_codestream_in = partial(
    _whole,
    header=_j2k_header,
    decoder=partial(imagecodecs.jpeg2k_decode, numthreads=_J2K_THREADS),
)
_jpeg_xl_in = partial(
    _whole, header=_jpeg_xl_header, decoder=imagecodecs.jpegxl_decode, end=b""
)


def _j2k_in(stream: bytes, geometry: Geometry) -> Samples:
    return _j2k_codestream_in(_unwrapped(stream), geometry)


def _j2k_file_header(stream: bytes) -> _Header:
    return _j2k_header(_unwrapped(stream))


_CODECS: Mapping[str, _Codec] = {
    uid.RLELossless: _Codec(_unpack_rle, _pack_rle),
    uid.JPEGBaseline8Bit: _Codec(_jpeg_in, _jpeg_lossy, _jpeg_header),
    uid.JPEGExtended12Bit: _Codec(_jpeg_in, _jpeg_lossy, _jpeg_header),
    uid.JPEGLossless: _Codec(
        _jpeg_in, partial(_jpeg_lossless, predictor=4), _jpeg_header
    ),
    uid.JPEGLosslessSV1: _Codec(
        _jpeg_in, partial(_jpeg_lossless, predictor=1), _jpeg_header
    ),
    uid.JPEGLSLossless: _Codec(_jpeg_ls_in, partial(_jpeg_ls, near=0), _jpeg_header),
    uid.JPEGLSNearLossless: _Codec(
        _jpeg_ls_in, partial(_jpeg_ls, near=2), _jpeg_header
    ),
    uid.JPEG2000Lossless: _Codec(_j2k_in, partial(_j2k, level=0), _j2k_file_header),
    uid.JPEG2000: _Codec(_j2k_in, partial(_j2k, level=60), _j2k_file_header),
    uid.HTJ2KLossless: _Codec(
        _j2k_in, partial(_htj2k, reversible=True), _j2k_file_header
    ),
    uid.HTJ2KLosslessRPCL: _Codec(
        _j2k_in, partial(_htj2k, reversible=True), _j2k_file_header
    ),
    uid.HTJ2K: _Codec(_j2k_in, partial(_htj2k, reversible=False), _j2k_file_header),
    jpeg_xl.JPEG_XL_LOSSLESS: _Codec(
        _jpeg_xl_in, partial(_jpeg_xl, lossless=True), _jpeg_xl_header
    ),
    jpeg_xl.JPEG_XL_JPEG_RECOMPRESSION: _Codec(
        _jpeg_xl_in, _jpeg_xl_of_jpeg, _jpeg_xl_header
    ),
    jpeg_xl.JPEG_XL: _Codec(
        _jpeg_xl_in, partial(_jpeg_xl, lossless=False), _jpeg_xl_header
    ),
}
