"""The source's header, cleaned: only what results copy, every value valid.

Real headers hold absent Type 2 attributes, invalid dates, private groups of megabytes,
multi-valued character sets. ``normalise`` builds a small new data set from the named
attributes alone, in Unicode, so that no result can inherit a defect (PS3.5 section 6).
"""

from collections.abc import Iterable, Sequence
from typing import Any

from pydicom.datadict import (
    dictionary_VM,
    dictionary_VR,
)
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.valuerep import VR

from dicom_node.dataset.character_sets import UNICODE, python_codecs
from dicom_node.dataset.quiet import MALFORMED, quiet
from dicom_node.dataset.repair import ITEMS, lookup_tables, repair, whole
from dicom_node.dataset.values import (
    Element,
    clean_value,
    identifier,
    texts,
    uid_as_sent,
)
from dicom_node.errors import EvidenceInvalid

# What archives look things up by: whole or not at all.
_IDENTIFIERS = {
    "PatientID",
    "AccessionNumber",
    "RequestedProcedureID",
    "ScheduledProcedureStepID",
    "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest",
}

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
    "DeidentificationMethodCodeSequence",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "StudyDescription",
    "ProcedureCodeSequence",
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
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "ImageOrientationPatient",
    "ImagePositionPatient",
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
_GREY = {"MONOCHROME1", "MONOCHROME2"}
LOOKUP_TABLES = ("ModalityLUTSequence", "VOILUTSequence")
COPIED = PATIENT_AND_STUDY + EQUIPMENT + _SERIES_AND_IMAGE
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
        Nothing could refer to this image: a UID is missing or invalid, the Patient ID
        is not one, or the pixels have no size or are not grey.
    """
    clean = cleaned(source)
    for keyword in ("Rows", "Columns"):
        if not clean.get(keyword):
            raise EvidenceInvalid(f"the source has no {keyword}")
    if (
        clean.SamplesPerPixel != 1
        or clean.get("PhotometricInterpretation") not in _GREY
    ):
        raise EvidenceInvalid("the source has no grey pixels")
    return clean


def cleaned(source: Dataset) -> Dataset:
    """``normalise`` for an object of any class, such as a result of ours.

    Raises
    ------
    EvidenceInvalid
        A UID is missing or invalid, or the Patient ID is not one.
    """
    with quiet():
        clean = _clean(source, COPIED, python_codecs(source))
        for keyword in _UIDS:
            if keyword in source:
                uid = uid_as_sent(source.get_item(keyword))
                setattr(clean, keyword, uid or "")
    for keyword in LOOKUP_TABLES:
        if tables := lookup_tables(_sequence(source, keyword), keyword):
            setattr(clean, keyword, tables)
    for keyword in _TYPE_2:
        if keyword not in clean:
            setattr(clean, keyword, "" if keyword != "SeriesNumber" else None)
    repair(clean)
    _refuse(clean, source)
    clean.SpecificCharacterSet = UNICODE
    return clean


def _refuse(clean: Dataset, source: Dataset) -> None:
    for keyword in _UIDS:
        if not clean.get(keyword):
            raise EvidenceInvalid(f"the source has no valid {keyword}")
    # Shortened or left out, it would be another patient's or nobody's.
    if not clean.PatientID and _says(source, "PatientID"):
        raise EvidenceInvalid(
            "the source has no valid PatientID: one value of at most 64 characters"
        )


def _says(source: Dataset, keyword: str) -> bool:
    if keyword not in source:
        return False
    values = texts(source.get_item(keyword), python_codecs(source), separate=True)
    return any(value.strip(" \0") for value in values)


def _clean(
    source: Dataset, keywords: Iterable[str], encodings: Sequence[str]
) -> Dataset:
    """Copy the named attributes, each one cleaned."""
    clean = Dataset()
    for keyword in keywords:
        if keyword not in source:
            continue
        value = (
            _items(source, keyword, encodings)
            if dictionary_VR(keyword) == VR.SQ
            else _value(source.get_item(keyword), keyword, encodings)
        )
        if value is not None:
            setattr(clean, keyword, value)
    return clean


def _value(element: Element, keyword: str, encodings: Sequence[str]) -> Any:
    vr = str(dictionary_VR(keyword))
    if keyword in _IDENTIFIERS:
        return identifier(element, vr, encodings)
    value = clean_value(element, vr, encodings)
    several = isinstance(value, list) and dictionary_VM(keyword) == "1"
    return value[0] if several else value


def _sequence(source: Dataset, keyword: str) -> Sequence[Dataset]:
    """Items of a sequence; none where its bytes cannot be read as one."""
    try:
        items = source.get(keyword)
    except MALFORMED:
        return ()
    return items if isinstance(items, DicomSequence) else ()


def _items(
    source: Dataset, keyword: str, encodings: Sequence[str]
) -> list[Dataset] | None:
    """Items of a sequence that still hold what an item of it must hold."""
    items = [
        _clean(item, ITEMS[keyword], encodings) for item in _sequence(source, keyword)
    ]
    return whole(items, keyword) or None
