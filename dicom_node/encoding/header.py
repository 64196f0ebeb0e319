"""The source's header, cleaned: only what results copy, every value valid.

Real headers hold absent Type 2 attributes, invalid dates, private groups of megabytes,
multi-valued character sets. ``normalise`` builds a small new data set from the named
attributes alone, in Unicode, so that no result can inherit a defect (PS3.5 section 6).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy

from pydicom.config import IGNORE
from pydicom.datadict import (
    dictionary_VM,
    dictionary_VR,
    keyword_for_tag,
    tag_for_keyword,
)
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as DicomSequence
from pydicom.valuerep import VR

from dicom_node.encoding.character_sets import UNICODE, python_codecs
from dicom_node.encoding.values import as_list, clean_value, texts
from dicom_node.errors import EvidenceInvalid

_PAIR = 2
# PS3.3 C.11.2.1.3.
_VOI_LUT_FUNCTIONS = {"LINEAR", "LINEAR_EXACT", "SIGMOID"}
_IDENTIFIERS = ("PatientID", "AccessionNumber")
UTC_OFFSET = r"[+-](0\d|1[0-4])[0-5]\d"
_UNREADABLE = (AttributeError, EOFError, OSError, ValueError, NotImplementedError)

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
_TABLE_NEEDS = {"LUTDescriptor", "LUTData"}
_ONE_VALUE = {
    keyword
    for keyword in (*PATIENT_AND_STUDY, *EQUIPMENT, *_SERIES_AND_IMAGE)
    if dictionary_VM(keyword) == "1" and dictionary_VR(keyword) != VR.SQ
}.difference(_IDENTIFIERS)
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
        grid has no size, or two identifiers stand in one place.
    """
    clean = cleaned(source)
    for keyword in ("Rows", "Columns"):
        if not clean.get(keyword):
            raise EvidenceInvalid(f"the source has no {keyword}")
    return clean


def cleaned(source: Dataset) -> Dataset:
    """``normalise`` for an object of any class, such as a result of ours.

    Raises
    ------
    EvidenceInvalid
        A UID is missing or invalid, or two identifiers stand in one place.
    """
    clean = _clean(source, _KEPT, python_codecs(source))
    for keyword in _LOOKUP_TABLES:
        tables = _sequence(source, keyword)
        if tables and all(set(table.dir()) >= _TABLE_NEEDS for table in tables):
            setattr(clean, keyword, deepcopy(list(tables)))
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
    for keyword in _IDENTIFIERS:
        if keyword not in source:
            continue
        values = texts(source.get_item(keyword), python_codecs(source), separate=True)
        text = values[0].strip(" \0") if values else ""
        tag = tag_for_keyword(keyword)
        if tag and text.isprintable() and len(text) > len(str(result.get(keyword))):
            result.add(
                DataElement(tag, dictionary_VR(tag), text, validation_mode=IGNORE)
            )


def _repair(clean: Dataset) -> None:
    if clean.PatientSex not in {"M", "F", "O"}:
        clean.PatientSex = ""
    if clean.get("VOILUTFunction") not in _VOI_LUT_FUNCTIONS:
        clean.pop("VOILUTFunction", None)
    if not re.fullmatch(UTC_OFFSET, clean.get("TimezoneOffsetFromUTC") or "+0000"):
        del clean.TimezoneOffsetFromUTC
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        values = as_list(clean.get(keyword))
        if len(values) != _PAIR or not all(value > 0 for value in values):
            clean.pop(keyword, None)
    if len(as_list(clean.get("PatientOrientation"))) != _PAIR:
        clean.pop("PatientOrientation", None)
    _repair_window(clean)


def _repair_window(clean: Dataset) -> None:
    """Drop what viewers cannot apply: half a window, or one without a width."""
    centres, widths = (
        as_list(clean.get(keyword)) for keyword in ("WindowCenter", "WindowWidth")
    )
    if len(centres) != len(widths) or not all(width >= 1 for width in widths):
        centres = []
    if not centres:
        for keyword in ("WindowCenter", "WindowWidth", "VOILUTFunction"):
            clean.pop(keyword, None)
    if len(as_list(clean.get("WindowCenterWidthExplanation"))) != len(centres):
        clean.pop("WindowCenterWidthExplanation", None)
    whole = "RescaleSlope" in clean and "RescaleIntercept" in clean
    if not whole or "ModalityLUTSequence" in clean:
        for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
            clean.pop(keyword, None)


def _refuse(clean: Dataset) -> None:
    for keyword in _UIDS:
        if not clean.get(keyword):
            raise EvidenceInvalid(f"the source has no valid {keyword}")
    for keyword in _IDENTIFIERS:
        if isinstance(clean.get(keyword), MultiValue):
            raise EvidenceInvalid(f"the source has more than one value of {keyword}")


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
            else clean_value(source.get_item(tag), str(dictionary_VR(tag)), encodings)
        )
        if keyword in _ONE_VALUE and isinstance(value, list):
            value = value[0]
        if value is not None:
            setattr(clean, keyword, value)
    return clean


def _sequence(source: Dataset, keyword: str) -> Sequence[Dataset]:
    """Items of a sequence; none where its bytes cannot be read as one."""
    try:
        items = source.get(keyword)
    except _UNREADABLE:
        return ()
    return items if isinstance(items, DicomSequence) else ()


def _items(
    source: Dataset, keyword: str, encodings: Sequence[str]
) -> list[Dataset] | None:
    """Items of a sequence that still hold what an item of it must hold."""
    needs = _ITEM_NEEDS.get(
        keyword, _CODE_NEEDS if keyword.endswith("CodeSequence") else ()
    )
    items = [_clean(item, None, encodings) for item in _sequence(source, keyword)]
    good = [item for item in items if len(item) and all(item.get(n) for n in needs)]
    return good or None
