"""Reads the header of a DICOM object that nobody vouches for.

Walks the encoded data set up to the pixel data without building anything, so that
a lying length, a deep or endless sequence, or a deflate bomb costs neither memory
nor time; what survives is small and goes to pydicom (DICOM PS3.5 section 7).
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO, NamedTuple

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian
from pydicom.valuerep import VR

from dicom_node.dataset.byte_source import ByteSource, InflatedBytes, PlainBytes
from dicom_node.dataset.quiet import MALFORMED, quiet
from dicom_node.errors import DatasetInvalid, PixelsUndecodable

_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_DELIMITER_GROUP = 0xFFFE
_PIXEL_GROUP = 0x7FE0
_VR_LETTERS = 2
_PIXEL_DATA = 0x7FE00010
_LONG_VRS = frozenset(
    vr.encode()
    for vr in [
        "OB",
        "OD",
        "OF",
        "OL",
        "OV",
        "OW",
        "SQ",
        "SV",
        "UC",
        "UN",
        "UR",
        "UT",
        "UV",
    ]
)
_VRS = _LONG_VRS | {vr.value.encode() for vr in VR if len(vr.value) == _VR_LETTERS}
_FRAGMENT_VRS = frozenset((b"OB", b"OW"))
_PREFIX_AT, _PREFIX = 128, b"DICM"
_GROUP_LENGTH_ELEMENT = b"\x02\x00\x00\x00UL\x04\x00"
_A, _Z = b"AZ"
_BLANK, _TILDE = b" ~"


@dataclass(frozen=True, slots=True)
class HeaderLimits:
    """How much of a header is read before it is called hostile.

    Parameters
    ----------
    element_bytes
        A longer data element is passed over.
    header_bytes
        All data elements that are kept.
    elements
        Data elements and items, nested ones too.
    depth
        Sequences within sequences.
    inflated_bytes
        What a deflated header may grow to.
    pixel_bytes
        What deflated pixel data may grow to beyond that.
    """

    element_bytes: int = 64 * 1024
    header_bytes: int = 1024 * 1024
    elements: int = 20_000
    depth: int = 32
    inflated_bytes: int = 32 * 1024 * 1024
    pixel_bytes: int = 256 * 1024 * 1024


DEFAULT_LIMITS = HeaderLimits()


def read_header(
    stream: BinaryIO,
    transfer_syntax_uid: str,
    limits: HeaderLimits = DEFAULT_LIMITS,
) -> Dataset:
    """Read the public data elements before the pixel data.

    Parameters
    ----------
    stream
        A seekable stream at the first byte of the data set.
    transfer_syntax_uid
        How the data set is encoded.

    Raises
    ------
    DatasetInvalid
        The bytes are not a data set, or not one that a sane sender would make.
    """
    syntax = UID(transfer_syntax_uid)
    source: ByteSource
    if syntax == DeflatedExplicitVRLittleEndian:
        source = InflatedBytes(stream, limits.inflated_bytes)
    else:
        source = PlainBytes(stream)
    little_endian = syntax != ExplicitVRBigEndian
    walk = HeaderWalk(source, limits, "<" if little_endian else ">")
    kept = walk.collect()
    try:
        with quiet():
            return read_dataset(BytesIO(kept), walk.implicit, little_endian)
    except MALFORMED as error:
        raise DatasetInvalid("the header cannot be read") from error


@dataclass(frozen=True, slots=True)
class Survey:
    """What one pass over a data set has seen.

    Parameters
    ----------
    mended
        Value representations that have to be replaced before another library reads
        the bytes: offset from the first one -> the two letters that belong there.
    pixels_at
        Offset of the value of Pixel Data; ``None`` without one.
    is_encapsulated
        Whether that value is a sequence of fragments.
    """

    mended: Mapping[int, bytes]
    pixels_at: int | None
    is_encapsulated: bool


def survey(stream: BinaryIO, transfer_syntax_uid: str) -> Survey:
    """Look over a data set that is not deflated, from its first byte.

    Raises
    ------
    DatasetInvalid
        The bytes are not a data set.
    """
    order = ">" if transfer_syntax_uid == ExplicitVRBigEndian else "<"
    walk = HeaderWalk(PlainBytes(stream), DEFAULT_LIMITS, order)
    walk.collect()
    return Survey(walk.mended, walk.pixels_at, walk.is_encapsulated)


def skip_file_meta(stream: BinaryIO) -> None:
    """Move from the start of a Part 10 file to its data set.

    Raises
    ------
    DatasetInvalid
        There is no preamble and File Meta Information.

    References
    ----------
    DICOM PS3.10 section 7.1.
    """
    head = stream.read(_PREFIX_AT + len(_PREFIX) + 12)
    meta = head[_PREFIX_AT + len(_PREFIX) :]
    if head[_PREFIX_AT:][: len(_PREFIX)] != _PREFIX or meta[:8] != (
        _GROUP_LENGTH_ELEMENT
    ):
        raise DatasetInvalid("the file has no File Meta Information")
    stream.seek(struct.unpack("<I", meta[8:])[0], 1)


class Element(NamedTuple):
    """What stands before a value: its tag, representation and length."""

    tag: int
    vr: bytes | None
    length: int


class _Open(NamedTuple):
    """A sequence or an item whose end is still to come.

    The items of encapsulated pixel data (PS3.5 A.4) are opaque.
    """

    is_sequence: bool
    end: int | None
    implicit: bool
    opaque: bool = False

    @classmethod
    def sequence(cls, element: Element, *, implicit: bool) -> "_Open":
        """Open a value of undefined length."""
        return cls(
            is_sequence=True,
            end=None,
            implicit=implicit or element.vr == b"UN",  # PS3.5 6.2.2 note 2
            opaque=element.vr in _FRAGMENT_VRS,
        )


@dataclass(slots=True)
class HeaderWalk:
    """One pass over a data set; ``implicit`` is decided by its first element.

    Some senders encode implicit value representation whatever they negotiated.
    ``mended`` holds the value representations that had to be replaced, by the place
    of their two letters.
    """

    source: ByteSource
    limits: HeaderLimits
    order: str
    implicit: bool = False
    mended: dict[int, bytes] = field(default_factory=dict)
    pixels_at: int | None = None
    is_encapsulated: bool = False
    _position: int = 0
    _elements: int = 0
    _record: bytearray | None = field(default=None)

    def collect(self) -> bytes:
        """Gather the public elements before the pixel data, encoded as they are.

        The value that stands behind them has to be there as well.
        """
        kept, element = self.before_pixels()
        if element is not None and element.length != _UNDEFINED:
            self._record = None
            self.source.allow(min(element.length, self.limits.pixel_bytes))
            self._skip(element.length)
        return kept

    def before_pixels(self) -> tuple[bytes, "Element | None"]:
        """Gather the same, and stop at the first value of the group that follows."""
        kept = bytearray()
        self._record = bytearray()
        element: Element | None = self._first_element()
        while element is not None and element.tag >> 16 < _PIXEL_GROUP:
            self._pass_value(element)
            if not element.tag >> 16 & 1:
                kept += self._recorded()
            if len(kept) > self.limits.header_bytes:
                raise DatasetInvalid("the header is too long")
            self._record = bytearray()
            element = self._next_element(implicit=self.implicit)
        if element is not None:
            self.pixels_at = self._position
            self.is_encapsulated = element.length == _UNDEFINED
        if not kept:
            raise DatasetInvalid("the data set has no header")
        return bytes(kept), element

    def pixel_data(self, element: "Element | None", most_bytes: int) -> bytes | None:
        """Read the value of Pixel Data, and nothing that lies behind it.

        Parameters
        ----------
        element
            What :meth:`before_pixels` stopped at.
        most_bytes
            A value of known length is read up to here; a sequence of fragments that is
            longer is refused.

        Returns
        -------
        bytes or None
            The fragments with their items; ``None`` without Pixel Data.

        Raises
        ------
        PixelsUndecodable
            The value is cut short, or its fragments cannot be told apart.
        """
        self._record = None
        while element is not None and element.tag < _PIXEL_DATA:
            if element.length == _UNDEFINED:
                raise DatasetInvalid("an offset table has no length")
            self._skip(element.length)
            element = self._next_element(implicit=self.implicit)
        if element is None or element.tag != _PIXEL_DATA:
            return None
        if element.length != _UNDEFINED:
            return self._value(element.length, most_bytes)
        return self._fragments(most_bytes)

    def _value(self, length: int, most_bytes: int) -> bytes:
        wanted = min(length, most_bytes)
        data = self.source.take(wanted)
        if len(data) < wanted:
            raise PixelsUndecodable("the data set ends in the middle of the pixel data")
        return data

    def _fragments(self, most_bytes: int) -> bytes:
        data = bytearray()
        while True:
            start = self._value(8, 8)
            item = self._element_from(start, implicit=True)
            if item.tag == _SEQUENCE_END:
                return bytes(data)
            if item.tag != _ITEM or item.length == _UNDEFINED:
                raise PixelsUndecodable("the fragments cannot be told apart")
            if len(data) + item.length > most_bytes:
                raise PixelsUndecodable(
                    "the fragments are larger than any picture of this size"
                )
            data += start + self._value(item.length, item.length)

    def _recorded(self) -> bytearray:
        return self._record or bytearray()

    def _first_element(self) -> Element:
        start = self._take(8)
        if not start:
            raise DatasetInvalid("the data set is empty")
        vr = start[4:6]
        # As the length of a first element two printable bytes would be absurd; as a
        # representation they are at worst a blank or unknown one.
        self.implicit = not all(_BLANK <= byte <= _TILDE for byte in vr)
        return self._element_from(start, implicit=self.implicit)

    def _next_element(self, *, implicit: bool) -> Element | None:
        start = self._take(8)
        return self._element_from(start, implicit=implicit) if start else None

    def _element_from(self, start: bytes, *, implicit: bool) -> Element:
        self._elements += 1
        if self._elements > self.limits.elements:
            raise DatasetInvalid("the header has too many elements")
        group, number = struct.unpack(f"{self.order}HH", start[:4])
        tag, vr = group << 16 | number, start[4:6]
        if implicit or group == _DELIMITER_GROUP:
            return Element(tag, None, self._unsigned(start[4:]))
        if vr not in _VRS:
            vr = self._mend_vr(tag, vr)
        if vr in _LONG_VRS:
            return Element(tag, vr, self._unsigned(self._need(4)))
        return Element(tag, vr, struct.unpack(f"{self.order}H", start[6:])[0])

    def _mend_vr(self, tag: int, vr: bytes) -> bytes:
        """Put a known representation in the place of a blank or unknown one.

        Two capital letters are a representation of the future, with the long form of
        the length; anything else is a mistake, with the short form. So do DCMTK and
        what builds on it.
        """
        future = all(_A <= letter <= _Z for letter in vr)
        usual = dictionary_VR(tag)[:2].encode() if dictionary_has_tag(tag) else b"UN"
        if future:
            mended = usual if usual in _LONG_VRS else b"UN"
        elif usual in _LONG_VRS or usual not in _VRS:
            mended = b"LO"
        else:
            mended = usual
        self.mended[self._position - 4] = mended
        if self._record is not None:
            self._record[-4:-2] = mended
        return mended

    def _unsigned(self, data: bytes) -> int:
        return int(struct.unpack(f"{self.order}I", data)[0])

    def _pass_value(self, element: Element) -> None:
        if element.length != _UNDEFINED:
            self._skip(element.length)
            return
        opened = [_Open.sequence(element, implicit=self.implicit)]
        while opened:
            if len(opened) > 2 * self.limits.depth:
                raise DatasetInvalid("sequences are nested too deeply")
            self._step(opened)

    def _step(self, opened: list[_Open]) -> None:
        """Read the next element or delimiter inside the innermost sequence."""
        current = opened[-1]
        if current.end is not None and self._position >= current.end:
            opened.pop()
            return
        element = self._next_element(implicit=current.implicit)
        if element is None:
            raise DatasetInvalid("the data set ends within a sequence")
        if element.tag == (_SEQUENCE_END if current.is_sequence else _ITEM_END):
            opened.pop()
        elif current.is_sequence:
            self._open_item(element, opened)
        elif element.length == _UNDEFINED:
            opened.append(_Open.sequence(element, implicit=current.implicit))
        else:
            self._skip(element.length)

    def _open_item(self, element: Element, opened: list[_Open]) -> None:
        if element.tag != _ITEM:
            raise DatasetInvalid("a sequence holds something that is no item")
        sequence = opened[-1]
        if sequence.opaque:
            self._skip(element.length)
            return
        undefined = element.length == _UNDEFINED
        end = None if undefined else self._position + element.length
        item = _Open(is_sequence=False, end=end, implicit=sequence.implicit)
        opened.append(item)

    def _take(self, count: int) -> bytes:
        data = self.source.take(count)
        if 0 < len(data) < count:
            raise DatasetInvalid("the data set ends in the middle of an element")
        self._position += len(data)
        if self._record is not None:
            self._record += data
        return data

    def _need(self, count: int) -> bytes:
        data = self._take(count)
        if len(data) < count:
            raise DatasetInvalid("the data set ends before a value")
        return data

    def _skip(self, count: int) -> None:
        record = self._record
        if record is not None and len(record) + count <= self.limits.element_bytes:
            self._need(count)
            return
        self._record = None
        self._position += count
        if not self.source.skip(count):
            raise DatasetInvalid("the data set ends in the middle of a value")
