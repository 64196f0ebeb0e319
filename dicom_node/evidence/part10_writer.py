"""Result objects as Part 10 files, written faster than by the library (PS3.10, PS3.5).

A report has thousands of elements, nearly all of them short texts and sequences. Those
are put together here; every other element is the library's to write.
"""

from collections.abc import Iterator, Mapping
from io import BytesIO
from struct import pack

from pydicom.charset import convert_encodings
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import (
    correct_ambiguous_vr,
    write_data_element,
    write_file_meta_info,
)
from pydicom.uid import UID, ExplicitVRLittleEndian
from pydicom.valuerep import VR

_PREAMBLE = bytes(128) + b"DICM"
_ITEM = b"\xfe\xff\x00\xe0"
# Texts whose length takes two bytes (PS3.5 7.1.2) -> what fills them up to an even one.
_FILL: Mapping[str, bytes] = {
    **dict.fromkeys((VR.CS, VR.LO, VR.SH, VR.ST, VR.LT, VR.AE, VR.AS), b" "),
    VR.UI: b"\0",
}
_MOST_BYTES = 0xFFFF


def part_10(dataset: Dataset) -> bytes:
    """Write an object as a file in memory, as ``Dataset.save_as`` would."""
    if dataset.file_meta.TransferSyntaxUID != ExplicitVRLittleEndian:
        other = BytesIO()
        dataset.save_as(other, enforce_file_format=True)
        return other.getvalue()
    stream = DicomBytesIO()
    stream.write(_PREAMBLE)
    write_file_meta_info(stream, dataset.file_meta)
    correct_ambiguous_vr(dataset, is_little_endian=True)
    given = dataset.get("SpecificCharacterSet")
    stream.write(b"".join(_pieces(dataset, convert_encodings(given))))
    return stream.getvalue()


def _pieces(dataset: Dataset, encodings: list[str]) -> Iterator[bytes]:
    for element in dataset:
        value = element.value
        fill = _FILL.get(element.VR)
        if element.VR == VR.SQ and not element.is_undefined_length:
            yield from _sequence(element, encodings)
        elif fill and type(value) in (str, UID) and value.isascii():
            text = value.encode()
            text += fill * (len(text) % 2)
            if len(text) > _MOST_BYTES:
                yield _by_the_library(element, encodings)
                continue
            yield _tag(element) + element.VR.encode() + pack("<H", len(text)) + text
        else:
            yield _by_the_library(element, encodings)


def _sequence(element: DataElement, encodings: list[str]) -> Iterator[bytes]:
    items = []
    for item in element.value:
        content = b"".join(_pieces(item, encodings))
        items.append(_ITEM + pack("<L", len(content)) + content)
    content = b"".join(items)
    yield _tag(element) + b"SQ\0\0" + pack("<L", len(content))
    yield content


def _tag(element: DataElement) -> bytes:
    return pack("<HH", element.tag.group, element.tag.element)


def _by_the_library(element: DataElement, encodings: list[str]) -> bytes:
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    write_data_element(stream, element, encodings)
    return stream.getvalue()
