"""Values that are each valid for their VR, but not in their place or together.

Enumerated values that nobody enumerated, half a window, a spacing of zero, an issuer
without a name: dropped or emptied, so that no result can inherit them (PS3.3).
"""

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.valuerep import VR

from dicom_node.dataset.pixels.grayscale import used_bits
from dicom_node.dataset.quiet import MALFORMED, quiet
from dicom_node.dataset.values import as_list

UTC_OFFSET = r"[+-](0\d|1[0-4])[0-5]\d"
_PAIR = 2
_AXES_OF_SPACE = 3
_PLANE = (
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "ImageOrientationPatient",
    "ImagePositionPatient",
)
_BITS = range(8, 17)
_CODE = ("CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning")
_REFERENCE = ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID")
_ISSUER = ("LocalNamespaceEntityID", "UniversalEntityID", "UniversalEntityIDType")
_REQUEST = (
    "StudyInstanceUID",
    "ReferencedStudySequence",
    "AccessionNumber",
    "IssuerOfAccessionNumberSequence",
    "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "RequestedProcedureCodeSequence",
)
ITEMS: Mapping[str, tuple[str, ...]] = {
    "IssuerOfPatientIDQualifiersSequence": _ISSUER[1:],
    "IssuerOfAccessionNumberSequence": _ISSUER,
    "OtherPatientIDsSequence": ("PatientID", "IssuerOfPatientID", "TypeOfPatientID"),
    "DeidentificationMethodCodeSequence": _CODE,
    "ProcedureCodeSequence": _CODE,
    "RequestedProcedureCodeSequence": _CODE,
    "ReferencedPerformedProcedureStepSequence": _REFERENCE,
    "ReferencedStudySequence": _REFERENCE,
    "RequestAttributesSequence": _REQUEST,
    "ReferencedRequestSequence": _REQUEST,
}
"""What is copied of a sequence's items; of any other sequence nothing is."""

_NEEDS: Mapping[str, tuple[str, ...]] = {
    "OtherPatientIDsSequence": ("PatientID", "TypeOfPatientID"),
    **dict.fromkeys(
        (
            "DeidentificationMethodCodeSequence",
            "ProcedureCodeSequence",
            "RequestedProcedureCodeSequence",
        ),
        ("CodeValue", "CodingSchemeDesignator", "CodeMeaning"),
    ),
    **dict.fromkeys(
        ("ReferencedPerformedProcedureStepSequence", "ReferencedStudySequence"),
        _REFERENCE,
    ),
}
_ISSUERS = {"IssuerOfPatientIDQualifiersSequence", "IssuerOfAccessionNumberSequence"}
_ONE_ITEM = _ISSUERS | {
    "RequestedProcedureCodeSequence",
    "ReferencedStudySequence",
}
# Enumerated values of what results copy: PS3.3 C.7.1.1, C.7.2.1, C.7.6.1, C.11.2.
_ENUMERATED: Mapping[str, frozenset[str]] = {
    "PatientIdentityRemoved": frozenset({"YES", "NO"}),
    "LossyImageCompression": frozenset({"00", "01"}),
    "TypeOfPatientID": frozenset({"TEXT", "RFID", "BARCODE"}),
    "VOILUTFunction": frozenset({"LINEAR", "LINEAR_EXACT", "SIGMOID"}),
    "PresentationLUTShape": frozenset({"IDENTITY", "INVERSE"}),
    "BurnedInAnnotation": frozenset({"YES", "NO"}),
}
# Which way the other half of a direction points: rows and columns need both axes.
_AXES = {"L": "x", "R": "x", "A": "y", "P": "y", "H": "z", "F": "z"}


def repair(clean: Dataset) -> None:
    """Mend a cleaned header in place."""
    drop_unknown_values(clean)
    if clean.get("PatientSex") not in {"M", "F", "O"}:
        clean.PatientSex = ""
    if not re.fullmatch(UTC_OFFSET, clean.get("TimezoneOffsetFromUTC") or "+0000"):
        del clean.TimezoneOffsetFromUTC
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        values = as_list(clean.get(keyword))
        if len(values) != _PAIR or not all(value > 0 for value in values):
            clean.pop(keyword, None)
    _repair_plane(clean)
    if not _is_orientation(as_list(clean.get("PatientOrientation"))):
        clean.pop("PatientOrientation", None)
    how = ("DeidentificationMethod", "DeidentificationMethodCodeSequence")
    if clean.get("PatientIdentityRemoved") == "YES" and not any(map(clean.get, how)):
        clean.DeidentificationMethod = "not stated"
    _repair_window(clean)
    _repair_rescale(clean)
    if "SamplesPerPixel" not in clean:
        clean.SamplesPerPixel = 1


def drop_unknown_values(clean: Dataset) -> None:
    """Drop enumerated values that their attribute does not know."""
    for keyword, known in _ENUMERATED.items():
        if keyword in clean and clean[keyword].value not in known:
            del clean[keyword]


def whole(items: Iterable[Dataset], keyword: str) -> list[Dataset]:
    """Keep the items that hold what an item of this sequence must hold."""
    for item in items:
        drop_unknown_values(item)
    kept = [item for item in items if len(item) and _is_whole(item, keyword)]
    return kept[:1] if keyword in _ONE_ITEM else kept


def lookup_tables(items: Iterable[Dataset], keyword: str) -> list[Dataset]:
    """Copy lookup tables as they stand; none when one of them is not a table."""
    modality = keyword == "ModalityLUTSequence"
    try:
        with quiet():
            tables = [_lookup_table(item, voi=not modality) for item in items]
            if modality:
                _fit_modality(tables, items)
    except MALFORMED:
        return []
    return tables


def _lookup_table(item: Dataset, *, voi: bool) -> Dataset:
    table = Dataset()
    table.add(_unsigned(item["LUTData"]))
    entries, first, bits = (int(part) for part in item["LUTDescriptor"].value)
    # Only the first value mapped may have a sign; with one, fewer entries fit.
    vr, most = ("SS", 1 << 15) if first < 0 else ("US", 1 << 16)
    table.add_new("LUTDescriptor", vr, [entries % (1 << 16), first, bits])
    entries = (entries % (1 << 16)) or 1 << 16
    data = table.LUTData
    if isinstance(data, bytes):
        packed = bits == _BITS[0] and len(data) == entries + entries % 2
        data = np.frombuffer(data, "u1" if packed else "<u2")
        data = data[:entries] if packed else data
    if len(data) != entries or bits not in _BITS or entries > most:
        raise ValueError("not a lookup table")
    if int(np.max(data)) >= 1 << bits:
        raise ValueError("the table's values are greater than it says")
    if voi:  # with the bits it says, a viewer would show a black film
        table.LUTDescriptor[2] = used_bits(int(np.max(data)), bits)
    return table


def _unsigned(element: DataElement) -> DataElement:
    """Give LUT Data a VR that it may have: SS was legal once (PS3.6)."""
    found = element.value
    if element.VR in {VR.US, VR.OW} or isinstance(found, bytes):
        return (
            deepcopy(element)
            if element.VR != VR.UN
            else DataElement(element.tag, VR.OW, found)
        )
    words = np.atleast_1d(np.asarray(found, dtype=np.int64)) & 0xFFFF
    return DataElement(element.tag, VR.OW, words.astype("<u2").tobytes())


def _fit_modality(tables: list[Dataset], items: Iterable[Dataset]) -> None:
    """Hold a Modality LUT to being one, of a known type (C.11.1.1).

    Its bits stay those that the film says, 8 and 16 or not: with others a viewer
    would show another picture.
    """
    (table,), (item,) = tables, items
    kind = item.get("ModalityLUTType")
    # Unspecified where it is not one of the terms (C.11.1.1.2).
    table.ModalityLUTType = kind if kind in {"OD", "HU", "US"} else "US"


def _is_whole(item: Dataset, keyword: str) -> bool:
    if keyword in _ISSUERS:
        return _is_issuer(item)
    return all(item.get(need) for need in _NEEDS.get(keyword, ()))


def _is_issuer(item: Dataset) -> bool:
    """HL7v2 Hierarchic Designator Macro (PS3.3 table 10-17)."""
    universal = bool(item.get("UniversalEntityID"))
    if universal != bool(item.get("UniversalEntityIDType")):
        return False
    return universal or bool(item.get("LocalNamespaceEntityID"))


def _is_orientation(directions: list[str]) -> bool:
    """Row and column direction of letters each axis at most once (C.7.6.1.1.1)."""
    if len(directions) != _PAIR or directions[0] == directions[1]:
        return False
    return all(_is_direction(letters) for letters in directions)


def _is_direction(letters: str) -> bool:
    axes = [_AXES.get(letter) for letter in letters]
    return bool(axes) and None not in axes and len(set(axes)) == len(axes)


def _repair_plane(clean: Dataset) -> None:
    """Keep the film's plane in the patient only whole (PS3.3 C.7.6.2, C.7.4.1)."""
    cosines = as_list(clean.get("ImageOrientationPatient"))
    whole = (
        bool(clean.get("FrameOfReferenceUID"))
        and len(as_list(clean.get("ImagePositionPatient"))) == _AXES_OF_SPACE
        and "PixelSpacing" in clean
        and _is_plane([float(value) for value in cosines])
    )
    if not whole:
        for keyword in _PLANE:
            clean.pop(keyword, None)
    elif "PositionReferenceIndicator" not in clean:
        clean.PositionReferenceIndicator = ""


def _is_plane(cosines: list[float]) -> bool:
    """Two directions of length one that stand upright on each other."""
    if len(cosines) != 2 * _AXES_OF_SPACE:
        return False
    along, down = np.array(cosines[:_AXES_OF_SPACE]), np.array(cosines[_AXES_OF_SPACE:])
    found = (along @ along, down @ down, along @ down)
    return bool(np.allclose(found, (1, 1, 0), atol=1e-3))


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


def _repair_rescale(clean: Dataset) -> None:
    """Keep slope and intercept only together, and not beside a lookup table."""
    whole = "RescaleSlope" in clean and "RescaleIntercept" in clean
    if not whole or "ModalityLUTSequence" in clean:
        for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
            clean.pop(keyword, None)
