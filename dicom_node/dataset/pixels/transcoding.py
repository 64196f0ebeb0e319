"""Frames of a stored object, as they lie there, plain, or encoded anew.

Only grey frames are compressed and decompressed here, and only without loss of what is
stored; plain colour is given as it is (DICOM PS3.5 section 8 and Annex A).
"""

from io import BytesIO

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID

from dicom_node.dataset.attributes import integer, value
from dicom_node.dataset.part10 import Arriving, part10_header
from dicom_node.dataset.pixels import codecs, jpeg_xl
from dicom_node.dataset.quiet import MALFORMED, quiet
from dicom_node.errors import DatasetInvalid, PixelsUndecodable

LOSSLESS: tuple[UID, ...] = (
    uid.JPEGLosslessSV1,
    uid.JPEGLossless,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
    uid.HTJ2KLossless,
    uid.HTJ2KLosslessRPCL,
    jpeg_xl.JPEG_XL_LOSSLESS,
    uid.RLELossless,
)
"""What plain pixels can be encoded to."""

PLAIN: tuple[UID, ...] = (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian)
TARGETS: tuple[UID, ...] = (*PLAIN, *LOSSLESS)
"""What an object can be sent as, beside the form in which it is stored."""

_SIGNED_STREAMS = frozenset(
    {uid.JPEG2000Lossless, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL}
)
_WHOLE_CELLS = frozenset({uid.RLELossless, uid.JPEGLSLossless})
"""Their streams are as wide as the cells, so that a sign goes along."""
_CELLS = (8, 16)
_MOST_FRAMES = 100_000


class StoredFrames:
    """The frames of an object.

    Parameters
    ----------
    dataset
        With pixel data and file meta.
    maximum_pixels
        Of one frame.

    Raises
    ------
    PixelsUndecodable
        There are no frames, or none that the header describes.
    """

    def __init__(self, dataset: Dataset, maximum_pixels: int) -> None:
        self._dataset = dataset
        data = value(dataset, "PixelData")
        rows, columns = integer(dataset, "Rows"), integer(dataset, "Columns")
        bits = integer(dataset, "BitsAllocated")
        if not isinstance(data, bytes | bytearray) or not data:
            raise PixelsUndecodable("no pixel data")
        if not rows or not columns or min(rows, columns) < 1 or not bits:
            raise PixelsUndecodable("no Rows, Columns and Bits Allocated")
        if rows * columns > maximum_pixels:
            raise PixelsUndecodable("more pixels than the limit")
        self._data = bytes(data)
        self.rows, self.columns, self.bits = rows, columns, bits
        self.samples = integer(dataset, "SamplesPerPixel") or 1
        self.count = min(max(integer(dataset, "NumberOfFrames") or 1, 1), _MOST_FRAMES)
        self.syntax = UID(str(dataset.file_meta.TransferSyntaxUID))
        self._streams: list[bytes] | None = None

    @property
    def is_compressed(self) -> bool:
        """Whether frames lie there as codestreams."""
        return self.syntax.is_encapsulated

    def stored(self, index: int) -> bytes:
        """Give a frame as it lies there; plain ones are little endian."""
        if not self.is_compressed:
            return self._cells(index)
        if self._streams is None:
            try:
                found = generate_frames(self._data, number_of_frames=self.count)
                self._streams = list(found)
            except MALFORMED as error:
                raise PixelsUndecodable("the fragments cannot be told apart") from error
        if index >= len(self._streams):
            raise PixelsUndecodable("a frame is missing")
        return self._streams[index]

    def plain(self, index: int) -> bytes:
        """Give a frame uncompressed, little endian, from the first byte on."""
        if not self.is_compressed:
            return self._cells(index)
        return self._decoded(index).tobytes()

    def encoded(self, index: int, syntax: str) -> bytes:
        """Give a frame in another lossless syntax."""
        if syntax == self.syntax:
            return self.stored(index)
        if syntax not in LOSSLESS:
            raise PixelsUndecodable(f"not encoded as {UID(syntax).name}")
        self._check_grey()
        cells = (
            self._decoded(index)
            if self.is_compressed
            else np.frombuffer(self._cells(index), f"<u{self.bits // 8}").reshape(
                self.rows, self.columns
            )
        )
        return _encode(cells, syntax, self._dataset, self.bits)

    def _cells(self, index: int) -> bytes:
        bits = self.rows * self.columns * self.samples * self.bits
        if bits % 8:
            return self._unaligned(index, bits)
        size = bits // 8
        found = self._data[index * size : (index + 1) * size]
        if len(found) < size:
            raise PixelsUndecodable("a frame is missing")
        if self.syntax == uid.ExplicitVRBigEndian and self.bits > _CELLS[0]:
            return np.frombuffer(found, f">u{self.bits // 8}").astype("<u2").tobytes()
        return found

    def _unaligned(self, index: int, bits: int) -> bytes:
        """Take a frame of bits out of a stream that has no gaps (PS3.5 8.1.1)."""
        first, end = index * bits // 8, -(-(index + 1) * bits // 8)
        found = np.frombuffer(self._data[first:end], np.uint8)
        whole = np.unpackbits(found, bitorder="little")
        unpacked = whole[index * bits % 8 :][:bits]
        if unpacked.size < bits:
            raise PixelsUndecodable("a frame is missing")
        return np.packbits(unpacked, bitorder="little").tobytes()

    def _decoded(self, index: int) -> codecs.Samples:
        """Decode to cells as plain pixel data have them."""
        self._check_grey()
        geometry = codecs.Geometry(self.rows, self.columns, self.bits)
        samples = codecs.decode(self.stored(index), self.syntax, geometry)
        cells = samples.astype(f"<u{self.bits // 8}")
        stored_bits = integer(self._dataset, "BitsStored") or self.bits
        is_signed = integer(self._dataset, "PixelRepresentation") == 1
        if is_signed and samples.dtype.kind == "u" and stored_bits < self.bits:
            sign = cells.dtype.type(1 << (stored_bits - 1))
            cells &= cells.dtype.type((1 << stored_bits) - 1)
            cells = (cells ^ sign) - sign
        return cells

    def _check_grey(self) -> None:
        if self.samples != 1 or self.bits not in _CELLS:
            raise PixelsUndecodable("only grey frames of 8 or 16 bits are converted")


def _encode(cells: codecs.Samples, syntax: str, dataset: Dataset, bits: int) -> bytes:
    stored = integer(dataset, "BitsStored") or bits
    high = integer(dataset, "HighBit")
    is_signed = integer(dataset, "PixelRepresentation") == 1
    if stored > bits or (high is not None and high != stored - 1):
        stored = bits  # unused bits below the others go along
    mask = (1 << stored) - 1
    within: codecs.Samples = cells & cells.dtype.type(mask)
    if syntax in _WHOLE_CELLS:
        within = cells
    elif syntax in _SIGNED_STREAMS and is_signed:
        sign = 1 << (stored - 1)
        signed = (within.astype(np.int32) ^ sign) - sign
        within = signed.astype(np.dtype(f"<i{bits // 8}"))
    rows, columns = cells.shape
    geometry = codecs.Geometry(rows, columns, bits, max(stored, bits // 2 + 1))
    try:
        return codecs.encode(np.ascontiguousarray(within), syntax, geometry)
    except (RuntimeError, ValueError, TypeError) as error:
        raise PixelsUndecodable(f"{UID(syntax).name}: {error}") from error


def transcoded(dataset: Dataset, syntax: str, maximum_pixels: int) -> bytes:
    """Write an object in another transfer syntax.

    Parameters
    ----------
    dataset
        With file meta; changed.
    syntax
        One of ``TARGETS``.

    Raises
    ------
    PixelsUndecodable
        Its pixel data cannot be converted.
    DatasetInvalid
        It cannot be written.
    """
    target = UID(syntax)
    if "PixelData" in dataset:
        frames = StoredFrames(dataset, maximum_pixels)
        _replace_pixels(dataset, frames, target)
    elif target.is_encapsulated:
        raise PixelsUndecodable("there are no pixel data to compress")
    meta = dataset.file_meta
    said = Arriving(
        str(meta.get("MediaStorageSOPClassUID", "")),
        str(meta.get("MediaStorageSOPInstanceUID", "")),
        str(target),
        str(meta.get("SourceApplicationEntityTitle", "")).strip(),
    )
    try:
        with quiet():
            for element in dataset:  # decoded, to be encoded anew
                _touch(element.value)
            written = BytesIO()
            plain = Dataset(dataset)
            plain.save_as(
                written,
                implicit_vr=target == uid.ImplicitVRLittleEndian,
                little_endian=True,
            )
    except MALFORMED as error:
        raise DatasetInvalid("the object cannot be written") from error
    return part10_header(said) + written.getvalue()


def _touch(found: object) -> None:
    if isinstance(found, list | tuple) or hasattr(found, "__iter__"):
        for item in found if not isinstance(found, str | bytes) else ():
            if isinstance(item, Dataset):
                for element in item:
                    _touch(element.value)


def _replace_pixels(dataset: Dataset, frames: StoredFrames, target: UID) -> None:
    if target.is_encapsulated:
        made = [frames.encoded(index, target) for index in range(frames.count)]
        dataset.PixelData = encapsulate(made)
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
        return
    if frames.is_compressed or frames.syntax == uid.ExplicitVRBigEndian:
        plain = b"".join(frames.plain(index) for index in range(frames.count))
        dataset.PixelData = plain + b"\0" * (len(plain) % 2)
    is_wide = frames.bits > 8 or target == uid.ImplicitVRLittleEndian  # noqa: PLR2004  a byte
    dataset["PixelData"].VR = "OW" if is_wide else "OB"
    dataset["PixelData"].is_undefined_length = False
