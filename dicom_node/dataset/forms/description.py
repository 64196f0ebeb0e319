"""A header -> what a search finds its object by, and what it is answered with.

What is matched are plain texts, made comparable; what is answered is the DICOM JSON
Model (DICOM PS3.18 Annex F) of the attributes that searches at each level return
(PS3.18 10.6.3.3, PS3.4 C.6).
"""

import json
import math
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from dicom_node.dataset.attributes import items
from dicom_node.dataset.character_sets import python_codecs
from dicom_node.dataset.quiet import MALFORMED, quiet
from dicom_node.dataset.values import texts
from storage.catalog.matching import folded, time_digits
from storage.descriptions import Description, Entity, ItemValue
from storage.held import ATTRIBUTES, ITEM_ATTRIBUTES, Attribute, Kind, Level

ANSWERED: Mapping[Level, tuple[str, ...]] = {
    Level.STUDY: (
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "ReferringPhysicianName",
        "StudyDescription",
        "ProcedureCodeSequence",
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "OtherPatientIDsSequence",
        "PatientBirthDate",
        "PatientSex",
        "PatientAge",
        "StudyInstanceUID",
        "StudyID",
    ),
    Level.SERIES: (
        "SeriesDate",
        "SeriesTime",
        "Modality",
        "Manufacturer",
        "ManufacturerModelName",
        "InstitutionName",
        "StationName",
        "SeriesDescription",
        "BodyPartExamined",
        "ProtocolName",
        "SeriesInstanceUID",
        "SeriesNumber",
        "Laterality",
        "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime",
        "RequestAttributesSequence",
    ),
    Level.INSTANCE: (
        "ImageType",
        "SOPClassUID",
        "SOPInstanceUID",
        "AcquisitionDate",
        "ContentDate",
        "AcquisitionTime",
        "ContentTime",
        "PresentationIntentType",
        "AnatomicRegionSequence",
        "ViewPosition",
        "InstanceNumber",
        "PatientOrientation",
        "ImageLaterality",
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "NumberOfFrames",
        "Rows",
        "Columns",
        "PixelSpacing",
        "ImagerPixelSpacing",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "WindowCenter",
        "WindowWidth",
        "ConceptNameCodeSequence",
        "CompletionFlag",
        "VerificationFlag",
        "ContentLabel",
        "ContentDescription",
        "DocumentTitle",
    ),
}
"""What is answered at each level, beside what every level says of its text."""

EVERYWHERE = ("SpecificCharacterSet", "TimezoneOffsetFromUTC")

Written = dict[str, Any]
"""An attribute in the DICOM JSON Model: its representation and values."""

_LONGEST = 1024
_MOST_ITEMS = 32
_LARGEST_BYTES = 16 * 1024
_EIGHT_DIGITS = re.compile(r"[0-9]{8}")
_CLOCK = re.compile(r"[0-9]{2,6}(\.[0-9]{1,6})?")
_FORMS_OF_NAME = ("Alphabetic", "Ideographic", "Phonetic")


class _Wanted(NamedTuple):
    """Where an attribute stands, what it is, and its name in JSON."""

    tag: BaseTag
    vr: str
    name: str

    @classmethod
    def of(cls, keyword: str) -> "_Wanted":
        tag = Tag(tag_for_keyword(keyword) or 0)
        return cls(tag, dictionary_VR(tag), f"{int(tag):08X}")


_WANTED = {
    keyword: _Wanted.of(keyword)
    for keyword in (
        *EVERYWHERE,
        *ATTRIBUTES,
        *(keyword for keywords in ANSWERED.values() for keyword in keywords),
        *(keyword for path in ITEM_ATTRIBUTES for keyword in path),
    )
}
_UNICODE: Written = {"vr": "CS", "Value": ["ISO_IR 192"]}


def describe(header: Dataset, transfer_syntax_uid: str) -> Description:
    """Describe an object by its header; what cannot be read is left out."""
    with quiet():
        codecs = python_codecs(header)
        study, series, instance = (_entity(header, level, codecs) for level in Level)
    return Description(study, series, instance, transfer_syntax_uid)


def _entity(header: Dataset, level: Level, codecs: Sequence[str]) -> Entity:
    """Read a level's attributes once, for both purposes."""
    wanted = (*EVERYWHERE, *ANSWERED[level])
    read = {keyword: _read(header, keyword, codecs) for keyword in wanted}
    said: dict[str, str] = {}
    for keyword, attribute in ATTRIBUTES.items():
        if attribute.level is level and (one := read.get(keyword)) is not None:
            said[keyword] = _compared(one[0], attribute)
    answer = {
        _WANTED[keyword].name: one[1]
        for keyword, one in read.items()
        if one is not None
    }
    if _WANTED["SpecificCharacterSet"].name in answer:
        answer[_WANTED["SpecificCharacterSet"].name] = _UNICODE
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    return Entity(said, tuple(_item_values(header, level, codecs)), text)


def _read(
    header: Dataset, keyword: str, codecs: Sequence[str]
) -> tuple[list[str], Written] | None:
    """Read an attribute as texts, and as JSON has it; ``None`` without a sane one."""
    wanted = _WANTED[keyword]
    if wanted.tag not in header:
        return None
    try:
        element = header.get_item(wanted.tag)
        if wanted.vr == "SQ":
            return [], _sequence(header[wanted.tag])
        if wanted.vr == "US":
            found: list[Any] = _unsigned(element)
            return list(map(str, found)), _values("US", found)
        separate = wanted.vr not in {"ST", "LT", "UT"}
        plain = [
            text.replace("\0", "").strip()
            for text in texts(element, codecs, separate=separate)
        ]
        return plain, _values(wanted.vr, list(map(_JSON.get(wanted.vr, str), plain)))
    except MALFORMED:
        return None


def _values(vr: str, values: list[Any]) -> Written:
    """Write values down; an empty one has its place among others (F.2.5)."""
    if not any(
        value not in {"", None} for value in values if not isinstance(value, dict)
    ):
        values = [value for value in values if isinstance(value, dict)]
    if not values:
        return {"vr": vr}
    return {"vr": vr, "Value": [None if value == "" else value for value in values]}


def _sequence(element: DataElement) -> Written:
    written = dict(element.to_json_dict(None, _LARGEST_BYTES))
    if len(json.dumps(written)) > _LARGEST_BYTES:
        raise ValueError("too long for an answer")
    return written


def _unsigned(element: DataElement | RawDataElement) -> list[int]:
    found = element.value
    if isinstance(found, bytes):
        order = "<" if getattr(element, "is_little_endian", True) else ">"
        return list(struct.unpack(f"{order}{len(found) // 2}H", found))
    if found is None or found == "":
        return []
    return [int(found)] if isinstance(found, int) else list(map(int, found))


def _name(text: str) -> Any:
    forms = {
        name: form
        for name, form in zip(_FORMS_OF_NAME, text.split("="), strict=False)
        if form
    }
    return forms or ""


def _integer(text: str) -> Any:
    return int(text) if text else ""


def _decimal(text: str) -> Any:
    if not text:
        return ""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not a number that JSON has")
    return number


_JSON: Mapping[str, Callable[[str], Any]] = {
    "PN": _name,
    "IS": _integer,
    "DS": _decimal,
}
"""Representations whose values are no strings in JSON (PS3.18 table F.2.3-1)."""


def _item_values(
    header: Dataset, level: Level, codecs: Sequence[str]
) -> Iterator[ItemValue]:
    for (sequence, keyword), attribute in ITEM_ATTRIBUTES.items():
        if attribute.level is not level or _WANTED[sequence].tag not in header:
            continue
        for number, item in enumerate(items(header, sequence)[:_MOST_ITEMS]):
            found = _read(item, keyword, codecs)
            if found is not None and (text := _compared(found[0], attribute)):
                yield ItemValue(sequence, number, keyword, text)


def _compared(values: list[str], attribute: Attribute) -> str:
    """Give a value as it is compared; empty for none."""
    text = "\\".join(values)[:_LONGEST]
    return _FORMS[attribute.kind](text) if text else ""


def _date(text: str) -> str:
    digits = text.replace(".", "")
    return digits if _EIGHT_DIGITS.fullmatch(digits) else ""


def _time(text: str) -> str:
    digits = text.replace(":", "")
    return time_digits(digits) if _CLOCK.fullmatch(digits) else ""


def _number(text: str) -> str:
    try:
        return str(int(text))
    except ValueError:
        return ""


_FORMS: Mapping[Kind, Callable[[str], str]] = {
    Kind.UID: str,
    Kind.TEXT: str,
    Kind.NAME: folded,
    Kind.DATE: _date,
    Kind.TIME: _time,
    Kind.NUMBER: _number,
}
