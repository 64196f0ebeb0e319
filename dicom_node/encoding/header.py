"""The source's header, cleaned: only what results copy, every value valid.

Real headers hold absent Type 2 attributes, invalid dates, private groups of megabytes,
multi-valued character sets. ``normalise`` builds a small new data set from the named
attributes alone, in Unicode, so that no result can inherit a defect (PS3.5 section 6).
"""

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import date
from typing import Any

from pydicom import charset
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import VR

from dicom_node.errors import EvidenceInvalid

UNICODE = "ISO_IR 192"
_PAIR = 2
_MAXIMUM_US = 0xFFFF
# Greatest lengths (PS3.5 table 6.2-1).
_MAXIMUM_DS = 16
_MAXIMUM_UI = 64
_TEXT_VRS = {VR.LO, VR.LT, VR.PN, VR.SH, VR.ST, VR.UC, VR.UT}

PATIENT_AND_STUDY = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "PatientBirthDate",
    "PatientSex",
    "OtherPatientIDsSequence",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "StudyDescription",
    "AccessionNumber",
    "IssuerOfAccessionNumberSequence",
    "ReferringPhysicianName",
)
"""What every result shares with its source, unchanged (PS3.3 C.7.1, C.7.2)."""

EQUIPMENT = ("InstitutionName", "InstitutionalDepartmentName", "TimezoneOffsetFromUTC")

_SERIES_AND_IMAGE = (
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "SeriesNumber",
    "InstanceNumber",
    "BodyPartExamined",
    "ViewPosition",
    "Manufacturer",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "SoftwareVersions",
    "StationName",
    "AcquisitionDate",
    "AcquisitionTime",
    "ContentDate",
    "ContentTime",
    "RequestAttributesSequence",
    "ReferencedRequestSequence",
    "ReferencedPerformedProcedureStepSequence",
    "ImageType",
    "PatientOrientation",
    "PhotometricInterpretation",
    "PresentationLUTShape",
    "PresentationIntentType",
    "BurnedInAnnotation",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
    "WindowCenter",
    "WindowWidth",
    "WindowCenterWidthExplanation",
    "VOILUTFunction",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)
_LOOKUP_TABLES = ("ModalityLUTSequence", "VOILUTSequence")
_KEPT = PATIENT_AND_STUDY + EQUIPMENT + _SERIES_AND_IMAGE
_TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "SeriesNumber",
    "InstanceNumber",
    "Manufacturer",
)
_UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_ITEM_NEEDS: Mapping[str, tuple[str, ...]] = {
    "OtherPatientIDsSequence": ("PatientID", "TypeOfPatientID"),
    "ReferencedPerformedProcedureStepSequence": (
        "ReferencedSOPClassUID",
        "ReferencedSOPInstanceUID",
    ),
    "ReferencedStudySequence": ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID"),
}
_CODE_NEEDS = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")


def normalise(source: Dataset) -> Dataset:
    """Build the clean header that results are made from.

    Parameters
    ----------
    source
        A received image's data set, with or without pixel data; left as it is.

    Returns
    -------
        A new data set in Unicode with Type 2 attributes present (empty if unknown).

    Raises
    ------
    EvidenceInvalid
        Nothing could refer to this image: a UID is missing or invalid, the pixel
        grid has no size, or two Patient IDs stand in one place.
    """
    clean = _clean(source, _KEPT, _encodings(source))
    for keyword in _LOOKUP_TABLES:
        if table := source.get(keyword):
            setattr(clean, keyword, deepcopy(table))
    for keyword in _TYPE_2:
        if keyword not in clean:
            setattr(clean, keyword, "" if keyword != "SeriesNumber" else None)
    _repair(clean)
    _refuse(clean)
    clean.SpecificCharacterSet = UNICODE
    return clean


def keep_identifiers(result: Dataset, source: Dataset) -> None:
    """Copy identifiers longer than their VR allows as they stand.

    Sites do write 20 characters into an Accession Number; a shortened one would point
    to another examination, so the result carries what the archive already holds.
    """
    for keyword in ("PatientID", "AccessionNumber"):
        if keyword not in source:
            continue
        texts = _texts(source.get_item(keyword), _encodings(source), separate=True)
        text = texts[0].strip(" \0") if texts else ""
        tag = tag_for_keyword(keyword)
        if tag and text.isprintable() and len(text) > len(str(result.get(keyword))):
            result.add(
                DataElement(tag, dictionary_VR(tag), text, validation_mode=IGNORE)
            )


def restore_character_set(result: Dataset, source: Dataset) -> None:
    """Go back to the source's character set where it can hold every text."""
    terms, codecs = character_set(source), _encodings(source)
    texts = [text for text in _all_texts(result) if not text.isascii()]
    if texts and not all(_encodable(text, codecs) for text in texts):
        result.SpecificCharacterSet = UNICODE
    elif codecs:
        result.SpecificCharacterSet = terms[0] if len(terms) == 1 else terms
    else:
        result.pop("SpecificCharacterSet", None)


def _all_texts(dataset: Dataset) -> Iterator[str]:
    for element in dataset:
        if element.VR == VR.SQ:
            for item in element.value:
                yield from _all_texts(item)
        elif element.VR in _TEXT_VRS:
            yield from (str(value) for value in _as_list(element.value))


def _encodable(text: str, codecs: Sequence[str]) -> bool:
    if not codecs:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            encoded = charset.encode_string(text, codecs)
            return charset.decode_bytes(encoded, codecs, set(b"\\^=")) == text
        except (UserWarning, UnicodeError, LookupError):
            return False


def _repair(clean: Dataset) -> None:
    if clean.PatientSex not in {"M", "F", "O"}:
        clean.PatientSex = ""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        values = clean.get(keyword) or ()
        if len(values) != _PAIR or not all(value > 0 for value in values):
            clean.pop(keyword, None)
    if len(clean.get("PatientOrientation") or ()) != _PAIR:
        clean.pop("PatientOrientation", None)
    _repair_window(clean)


def _repair_window(clean: Dataset) -> None:
    """Drop what viewers cannot apply: half a window, or one without a width."""
    centres, widths = (
        _as_list(clean.get(keyword)) for keyword in ("WindowCenter", "WindowWidth")
    )
    if len(centres) != len(widths) or not all(width >= 1 for width in widths):
        centres = []
    if not centres:
        for keyword in ("WindowCenter", "WindowWidth", "VOILUTFunction"):
            clean.pop(keyword, None)
    if len(_as_list(clean.get("WindowCenterWidthExplanation"))) != len(centres):
        clean.pop("WindowCenterWidthExplanation", None)
    if ("RescaleSlope" in clean) != ("RescaleIntercept" in clean):
        clean.pop("RescaleSlope", None)
        clean.pop("RescaleIntercept", None)


def _refuse(clean: Dataset) -> None:
    for keyword in _UIDS:
        if not clean.get(keyword):
            raise EvidenceInvalid(f"the source has no valid {keyword}")
    for keyword in ("Rows", "Columns"):
        if not clean.get(keyword):
            raise EvidenceInvalid(f"the source has no {keyword}")
    if isinstance(clean.PatientID, MultiValue):
        raise EvidenceInvalid("the source has more than one value of PatientID")


def _as_list(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, MultiValue | list | tuple) else [value]


def _clean(
    source: Dataset, keywords: Iterable[str] | None, encodings: Sequence[str]
) -> Dataset:
    """Copy the named attributes (all public ones when ``None``), each one cleaned."""
    tags = (
        [element.tag for element in source.values() if not element.tag.is_private]
        if keywords is None
        else [tag_for_keyword(keyword) for keyword in keywords]
    )
    clean = Dataset()
    for tag in tags:
        if tag is None or tag not in source:
            continue
        keyword = keyword_for_tag(tag)
        if not keyword:
            continue
        value = (
            _items(source, keyword, encodings)
            if dictionary_VR(tag) == VR.SQ
            else _value(source.get_item(tag), str(dictionary_VR(tag)), encodings)
        )
        if value is not None:
            setattr(clean, keyword, value)
    return clean


def _items(
    source: Dataset, keyword: str, encodings: Sequence[str]
) -> list[Dataset] | None:
    """Items of a sequence that still hold what an item of it must hold."""
    needs = _ITEM_NEEDS.get(
        keyword, _CODE_NEEDS if keyword.endswith("CodeSequence") else ()
    )
    items = [_clean(item, None, encodings) for item in source.get(keyword) or ()]
    good = [item for item in items if len(item) and all(item.get(n) for n in needs)]
    return good or None


def _value(element: Any, vr: str, encodings: Sequence[str]) -> Any:
    """One value, a list of them, or ``None`` when nothing valid is left."""
    rule = _RULES.get(vr)
    if rule is None:
        return None
    if vr == VR.US:
        return _unsigned(element)
    separate = vr not in {VR.ST, VR.LT, VR.UT}
    cleaned = [rule(text) for text in _texts(element, encodings, separate=separate)]
    if not cleaned or any(value is None for value in cleaned):
        return None
    return cleaned[0] if len(cleaned) == 1 else cleaned


def _unsigned(element: Any) -> int | None:
    value = element.value
    if isinstance(value, bytes):
        value = int.from_bytes(value[:2], _byte_order(element)) if value else None
    return value if isinstance(value, int) and 0 <= value <= _MAXIMUM_US else None


def _byte_order(element: Any) -> Any:
    little = not isinstance(element, RawDataElement) or element.is_little_endian
    return "little" if little else "big"


def _texts(element: Any, encodings: Sequence[str], *, separate: bool) -> list[str]:
    value = element.value
    if value is None or value in (b"", ""):
        return []
    if isinstance(value, bytes):
        value = _decode(value, encodings)
        return value.split("\\") if separate else [value]
    if isinstance(value, MultiValue | list | tuple):
        return [str(item) for item in value]
    return [str(value)]


def _encodings(source: Dataset) -> tuple[str, ...]:
    """Python codecs of Specific Character Set; empty when it says nothing usable."""
    terms = character_set(source)
    if not terms or any(term not in charset.python_encoding for term in terms):
        return ()
    return tuple(charset.python_encoding[term] for term in terms)


def character_set(source: Dataset) -> list[str]:
    """Terms of the source's Specific Character Set (PS3.3 C.12.1.1.2)."""
    if "SpecificCharacterSet" not in source:
        return []
    element = source.get_item("SpecificCharacterSet")
    return [term.strip() for term in _texts(element, ("ascii",), separate=True)]


def _decode(value: bytes, encodings: Sequence[str]) -> str:
    """Decode by the declared character set, else as what it most likely is."""
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for codecs in (encodings, ("utf-8",)):
            try:
                if codecs:
                    return charset.decode_bytes(value, codecs, set(b"\\^="))
            except (UserWarning, UnicodeError, LookupError):
                continue
    return value.decode("latin-1")


def _text(length: int, *, lines: bool = False) -> Callable[[str], str | None]:
    def rule(text: str) -> str | None:
        kept = (c for c in text if c.isprintable() or (lines and c in "\r\n\t"))
        return "".join(kept).strip()[:length].rstrip() or None

    return rule


def _person_name(text: str) -> str | None:
    groups = text.replace("\0", "").strip().split("=")[:3]
    cleaned = [
        "^".join(
            "".join(c for c in part if c.isprintable()).strip()
            for part in group.split("^")[:5]
        )[:64].rstrip(" ^")
        for group in groups
    ]
    return "=".join(cleaned).rstrip("=") or None


def _code_string(text: str) -> str | None:
    term = text.strip(" \0").upper()
    return term if re.fullmatch(r"[A-Z0-9_ ]{1,16}", term) else None


def _date(text: str) -> str | None:
    digits = re.sub(r"[.\-/]", "", text.strip(" \0"))
    try:
        date.fromisoformat(digits)
    except ValueError:
        return None
    return digits if re.fullmatch(r"\d{8}", digits) else None


def _time(text: str) -> str | None:
    digits = text.strip(" \0").replace(":", "")
    pattern = r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?"
    return digits if re.fullmatch(pattern, digits) else None


def _date_time(text: str) -> str | None:
    stamp = text.strip(" \0")
    pattern = r"\d{14}(\.\d{1,6})?([+-]\d{4})?"
    return stamp if re.fullmatch(pattern, stamp) and _date(stamp[:8]) else None


def _decimal(text: str) -> str | None:
    number = text.strip(" \0")
    pattern = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
    if not re.fullmatch(pattern, number):
        return None
    return number if len(number) <= _MAXIMUM_DS else f"{float(number):.9g}"


def _integer(text: str) -> str | None:
    number = text.strip(" \0")
    if not re.fullmatch(r"[+-]?\d{1,10}", number):
        return None
    return number if -(2**31) <= int(number) < 2**31 else None


def _age(text: str) -> str | None:
    age = text.strip(" \0")
    return age if re.fullmatch(r"\d{3}[DWMY]", age) else None


def _uid(text: str) -> str | None:
    uid = text.strip(" \0")
    if len(uid) > _MAXIMUM_UI:
        return None
    return uid if re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+", uid) else None


_RULES: Mapping[str, Callable[[str], str | None]] = {
    VR.AS: _age,
    VR.CS: _code_string,
    VR.DA: _date,
    VR.DS: _decimal,
    VR.DT: _date_time,
    VR.IS: _integer,
    VR.LO: _text(64),
    VR.LT: _text(10240, lines=True),
    VR.PN: _person_name,
    VR.SH: _text(16),
    VR.ST: _text(1024, lines=True),
    VR.TM: _time,
    VR.UC: _text(1024),
    VR.UI: _uid,
    VR.US: str,
    VR.UT: _text(1024, lines=True),
}
