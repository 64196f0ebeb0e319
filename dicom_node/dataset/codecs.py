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

from dicom_node.errors import PixelsUndecodable

Samples = NDArray[np.integer[Any]]

LOSSY = frozenset(
    {
        uid.JPEGBaseline8Bit,
        uid.JPEGExtended12Bit,
        uid.JPEGLSNearLossless,
        uid.JPEG2000,
        uid.HTJ2K,
    }
)
"""Syntaxes whose sample values may leave the range of Bits Stored."""

_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({1, *range(0xD0, 0xD9)})
_SIZ = b"\xff\x4f\xff\x51"
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


@dataclass(frozen=True, slots=True)
class _Codec:
    decode: Callable[[bytes, Geometry], Samples]
    encode: Callable[[Samples, Geometry], bytes]


def _jpeg_size(stream: bytes) -> tuple[int, int, int]:
    """Rows, columns and components of a JPEG or JPEG-LS stream (T.81 B.2, T.87 C.2)."""
    position = 2
    while position + 10 <= len(stream):
        if stream[position] != _MARKER:
            raise ValueError("not a JPEG stream")
        marker = stream[position + 1]
        if marker in _FRAME_HEADERS:
            rows, columns, components = struct.unpack_from(">HHB", stream, position + 5)
            return rows, columns, components
        alone = marker == _MARKER or marker in _WITHOUT_LENGTH
        length = 0 if alone else struct.unpack_from(">H", stream, position + 2)[0]
        position += (1 if marker == _MARKER else 2) + length
    raise ValueError("no frame header in the JPEG stream")


def _j2k_size(stream: bytes) -> tuple[int, int, int]:
    """Rows, columns and components of a JPEG 2000 codestream (T.800 A.5.1)."""
    start = stream.find(_SIZ)
    if start < 0:
        raise ValueError("no SIZ marker in the JPEG 2000 stream")
    width, height, left, top = struct.unpack_from(">IIII", stream, start + 8)
    (components,) = struct.unpack_from(">H", stream, start + 40)
    return height - top, width - left, components


def _whole(
    stream: bytes,
    geometry: Geometry,
    *,
    size: Callable[[bytes], tuple[int, int, int]],
    decoder: Callable[[bytes], Samples],
) -> Samples:
    """Decode after the stream's header and its end have been seen to be right.

    Some decoders quietly paint grey what is missing from a cut stream; a film with
    a piece missing must never be analysed, hence the look at the end marker.
    """
    rows, columns, components = size(stream)
    if (rows, columns, components) != (geometry.rows, geometry.columns, 1):
        raise ValueError(
            f"the stream holds {rows} x {columns} x {components}, the data set says"
            f" {geometry.rows} x {geometry.columns} x 1"
        )
    if _END not in stream[-_TAIL_BYTES:]:
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
        # Padding unpacks to a few bytes more; a bomb finds no room.
        room = bytearray(geometry.pixels + _TAIL_BYTES)
        unpacked = imagecodecs.packbits_decode(stream[start:end], out=room)
        if len(unpacked) < geometry.pixels:
            raise ValueError("an RLE segment is shorter than Rows x Columns")
        out[:, planes - 1 - plane] = np.frombuffer(unpacked, np.uint8, geometry.pixels)
    return out.view(f"<u{planes}").reshape(geometry.rows, geometry.columns)


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


_jpeg_in = partial(_whole, size=_jpeg_size, decoder=imagecodecs.jpeg8_decode)
_jpeg_ls_in = partial(_whole, size=_jpeg_size, decoder=imagecodecs.jpegls_decode)
_j2k_in = partial(
    _whole,
    size=_j2k_size,
    decoder=partial(imagecodecs.jpeg2k_decode, numthreads=_J2K_THREADS),
)

_CODECS: Mapping[str, _Codec] = {
    uid.RLELossless: _Codec(_unpack_rle, _pack_rle),
    uid.JPEGBaseline8Bit: _Codec(_jpeg_in, _jpeg_lossy),
    uid.JPEGExtended12Bit: _Codec(_jpeg_in, _jpeg_lossy),
    uid.JPEGLossless: _Codec(_jpeg_in, partial(_jpeg_lossless, predictor=4)),
    uid.JPEGLosslessSV1: _Codec(_jpeg_in, partial(_jpeg_lossless, predictor=1)),
    uid.JPEGLSLossless: _Codec(_jpeg_ls_in, partial(_jpeg_ls, near=0)),
    uid.JPEGLSNearLossless: _Codec(_jpeg_ls_in, partial(_jpeg_ls, near=2)),
    uid.JPEG2000Lossless: _Codec(_j2k_in, partial(_j2k, level=0)),
    uid.JPEG2000: _Codec(_j2k_in, partial(_j2k, level=60)),
    uid.HTJ2KLossless: _Codec(_j2k_in, partial(_htj2k, reversible=True)),
    uid.HTJ2KLosslessRPCL: _Codec(_j2k_in, partial(_htj2k, reversible=True)),
    uid.HTJ2K: _Codec(_j2k_in, partial(_htj2k, reversible=False)),
}
