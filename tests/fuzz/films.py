"""Films to begin with: small ones of many kinds, in every transfer syntax."""

import functools
from collections.abc import Sequence

import imagecodecs
import numpy as np
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from dicom_node.dataset.pixels.jpeg_xl import (
    JPEG_XL,
    JPEG_XL_JPEG_RECOMPRESSION,
    JPEG_XL_LOSSLESS,
)
from dicom_node.dataset.quiet import quiet
from tests.factories.mutations import CONTENTS, COPIED, put
from tests.peers.receiving import radiograph, written

_ROWS = _COLUMNS = 32
# Whatever else a text may hold, mutations put there.
_ODD = [content for content in CONTENTS if content.isascii()]
_TEXTS = frozenset(("CS", "DA", "TM", "DT", "DS", "IS", "AS", "UI", "AE"))
_PLAIN = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)


def _picture(bits: int) -> np.ndarray:
    rows, columns = np.mgrid[:_ROWS, :_COLUMNS]
    cells = (rows * 97 + columns * 61) % (1 << bits)
    return cells.astype(np.uint8 if bits == 8 else np.uint16)


def _rle(cells: np.ndarray) -> bytes:
    """Encode by segments without a run (PS3.5 G)."""
    planes = [(cells >> 8).astype(np.uint8), (cells & 0xFF).astype(np.uint8)]
    segments, offsets, at = [], [], 64
    for plane in planes:
        raw = plane.tobytes()
        parts = (raw[start : start + 128] for start in range(0, len(raw), 128))
        segment = b"".join(bytes([len(part) - 1]) + part for part in parts)
        offsets.append(at)
        segments.append(segment)
        at += len(segment)
    head = np.zeros(16, "<u4")
    head[0], head[1 : 1 + len(offsets)] = len(offsets), offsets
    return head.tobytes() + b"".join(segments)


_jpeg_xl = functools.partial(imagecodecs.jpegxl_encode, bitspersample=12)
_CODERS = {
    JPEGBaseline8Bit: (8, imagecodecs.jpeg8_encode),
    JPEGLosslessSV1: (12, imagecodecs.ljpeg_encode),
    JPEGLSLossless: (12, imagecodecs.jpegls_encode),
    JPEG2000Lossless: (
        12,
        lambda cells: imagecodecs.jpeg2k_encode(
            cells, codecformat="j2k", reversible=True
        ),
    ),
    RLELossless: (12, _rle),
    JPEG_XL_LOSSLESS: (12, functools.partial(_jpeg_xl, lossless=True)),
    JPEG_XL: (12, functools.partial(_jpeg_xl, distance=1.0)),
    JPEG_XL_JPEG_RECOMPRESSION: (
        8,
        lambda cells: imagecodecs.jpegxl_encode_jpeg(imagecodecs.jpeg8_encode(cells)),
    ),
}


def _compressed(number: int, syntax: str) -> Dataset:
    bits, encode = _CODERS[syntax]
    film = radiograph(number, transfer_syntax=syntax)
    film.BitsAllocated = 8 if bits == 8 else 16
    film.BitsStored, film.HighBit = bits, bits - 1
    film.PixelData = encapsulate([encode(_picture(bits))])
    film["PixelData"].VR = "OB"
    return film


@functools.cache
def good_film() -> bytes:
    """A Part 10 file that is read."""
    return written(radiograph(1))


@functools.cache
def films() -> Sequence[bytes]:
    """Part 10 files: plain, compressed, and with something odd in every attribute."""
    with quiet():
        return _films()


def _films() -> Sequence[bytes]:
    made = [
        written(radiograph(number, kind, syntax))
        for number, syntax in enumerate(_PLAIN)
        for kind in ("CR", "DX")
    ]
    made += [written(_compressed(5, syntax)) for syntax in _CODERS]
    for turn in range(0, len(_ODD), 6):
        made.append(written(_odd(turn)))
    return made


def _odd(turn: int) -> Dataset:
    film = radiograph(turn)
    for place, keyword in enumerate(COPIED):
        vr = dictionary_VR(keyword)
        if vr in _TEXTS and not keyword.endswith("InstanceUID"):
            put(film, keyword, _ODD[(turn + 7 * place) % len(_ODD)])
    return film
