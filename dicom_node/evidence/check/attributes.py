"""Attribute by attribute: what must be there is, and is valid for its VR.

What an object's modules require (PS3.3 Annex A), what every code, reference and content
item must hold wherever it stands, and what PS3.5 section 6.2 says of each value.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from pydicom.config import RAISE
from pydicom.datadict import (
    dictionary_has_tag,
    dictionary_keyword,
    dictionary_VM,
    dictionary_VR,
)
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import (
    RE_VALID_UID,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from pydicom.valuerep import VR, validate_value

from dicom_node.dataset.character_sets import holds_every_text
from dicom_node.evidence.check.standard import required_by_modules

Defects = Iterator[str]

_CODE = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
_REFERENCE = ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID")
_ROOT = (
    "ConceptNameCodeSequence",
    "ContentSequence",
    "ContentTemplateSequence",
    "ContinuityOfContent",
    "ValueType",
)
# What stands in one item of these sequences (PS3.3 C.7.6.16, C.8.20, C.10.5, C.18);
# of the object itself under its SOP class.
_NEEDS: Mapping[str, tuple[str, ...]] = {
    SegmentationStorage: (
        "ContentDate",
        "ContentTime",
        "DimensionIndexSequence",
        "InstanceNumber",
        "NumberOfFrames",
        "PerFrameFunctionalGroupsSequence",
        "PixelData",
        "ReferencedSeriesSequence",
        "SharedFunctionalGroupsSequence",
    ),
    SecondaryCaptureImageStorage: ("PixelData", "PlanarConfiguration"),
    **dict.fromkeys(
        (Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage),
        (*_ROOT, "CurrentRequestedProcedureEvidenceSequence"),
    ),
    KeyObjectSelectionDocumentStorage: _ROOT,
    "AnatomicRegionSequence": _CODE,
    "ContentTemplateSequence": ("MappingResource", "TemplateIdentifier"),
    "ContributingEquipmentSequence": ("Manufacturer", "PurposeOfReferenceCodeSequence"),
    "DerivationImageSequence": ("DerivationCodeSequence", "SourceImageSequence"),
    "DerivationImageSequence.SourceImageSequence": ("PurposeOfReferenceCodeSequence",),
    "DimensionIndexSequence": ("FunctionalGroupPointer",),
    "FrameContentSequence": ("DimensionIndexValues",),
    "GraphicAnnotationSequence": ("GraphicLayer",),
    "GraphicLayerSequence": ("GraphicLayer", "GraphicLayerOrder"),
    "GraphicObjectSequence": (
        "GraphicAnnotationUnits",
        "GraphicData",
        "GraphicDimensions",
        "GraphicType",
        "NumberOfGraphicPoints",
    ),
    "MeasuredValueSequence": ("NumericValue", "MeasurementUnitsCodeSequence"),
    "PerFrameFunctionalGroupsSequence": ("FrameContentSequence",),
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness"),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PlanePositionSequence": ("ImagePositionPatient",),
    "ReferencedSOPSequence": _REFERENCE,
    "ReferencedSeriesSequence": ("SeriesInstanceUID",),
    "SegmentIdentificationSequence": ("ReferencedSegmentNumber",),
    "SegmentSequence": ("SegmentAlgorithmName", "TrackingID", "TrackingUID"),
    "SourceImageSequence": _REFERENCE,
    "TextObjectSequence": ("UnformattedTextValue",),
}
# At least one of each choice.
_UNPAIRED = ("BodyPartExamined", "Laterality")
_ONE_OF: Mapping[str, tuple[tuple[str, ...], ...]] = {
    GrayscaleSoftcopyPresentationStateStorage: (
        ("PresentationLUTShape", "PresentationLUTSequence"),
        _UNPAIRED,
    ),
    SecondaryCaptureImageStorage: (_UNPAIRED,),
    "DisplayedAreaSelectionSequence": (
        ("PresentationPixelAspectRatio", "PresentationPixelSpacing"),
    ),
    "ReferencedSeriesSequence": (
        (
            "ReferencedInstanceSequence",
            "ReferencedImageSequence",
            "ReferencedSOPSequence",
        ),
    ),
}
# All or none, wherever they stand.
_TOGETHER = (
    {"RescaleIntercept", "RescaleSlope", "RescaleType"},
    {"TrackingID", "TrackingUID"},
    {"WindowCenter", "WindowWidth"},
    {
        "BoundingBoxAnnotationUnits",
        "BoundingBoxBottomRightHandCorner",
        "BoundingBoxTextHorizontalJustification",
        "BoundingBoxTopLeftHandCorner",
    },
)
# Content items by their value (PS3.3 table C.17-5, C.18).
_CONTENT: Mapping[str, tuple[str, ...]] = {
    "CODE": ("ConceptNameCodeSequence", "ConceptCodeSequence"),
    "CONTAINER": ("ContinuityOfContent",),
    "COMPOSITE": ("ReferencedSOPSequence",),
    "IMAGE": ("ReferencedSOPSequence",),
    "NUM": ("ConceptNameCodeSequence", "MeasuredValueSequence"),
    "SCOORD": ("GraphicType", "GraphicData", "ContentSequence"),
    "TEXT": ("ConceptNameCodeSequence", "TextValue"),
    "UIDREF": ("ConceptNameCodeSequence", "UID"),
}


Held = Mapping[str, DataElement]
"""A data set's elements by their keywords."""


def attribute_defects(dataset: Dataset) -> Defects:
    """Name what is absent, empty or invalid; no value, for it may be a patient's."""
    yield from _required_by_modules(dataset)
    for path, place in places(dataset):
        held = {element.keyword: element for element in place}
        yield from _required_by_place(path, held)
        for element in place:
            yield from _value(element)
    if not re.fullmatch(RE_VALID_UID, str(dataset.get("SeriesInstanceUID", ""))):
        yield "SeriesInstanceUID is not a valid UID"  # the object's own
    if not holds_every_text(dataset):
        yield "a text is not of the Specific Character Set"


def places(
    dataset: Dataset, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Dataset]]:
    """Every data set in a data set, itself too, with the sequences that lead there."""
    yield path, dataset
    for element in dataset:
        if element.VR == VR.SQ:
            for item in element.value:
                yield from places(item, (*path, element.keyword))


def _required_by_modules(dataset: Dataset) -> Defects:
    sop_class = dataset.get("SOPClassUID", "")
    required = required_by_modules(sop_class)
    if not required:
        yield "the SOP class is not one this node makes"
    for keyword, needs_value, path in required:
        for place in _at(dataset, path):
            where = ".".join([*path, keyword])
            if keyword not in place:
                yield f"{where} is absent"
            elif needs_value and place[keyword].is_empty:
                yield f"{where} is empty"


def _at(dataset: Dataset, path: tuple[str, ...]) -> Iterator[Dataset]:
    """Every data set that stands at a path of nested sequences."""
    if not path:
        yield dataset
        return
    for item in dataset.get(path[0]) or ():
        yield from _at(item, path[1:])


def _required_by_place(path: tuple[str, ...], held: Held) -> Defects:
    keyword = path[-1] if path else _text(held, "SOPClassUID")
    where = f"an item of {keyword}" if path else "the object"
    needs = [*_needs_of(keyword, path[-2] if len(path) > 1 else "")]
    if any(each in held for each in _REFERENCE):
        needs += _REFERENCE
    if keyword == "ContentSequence":
        yield from _required_by_value_type(held, where)
    for group in _TOGETHER:
        if not group.isdisjoint(held):
            needs += sorted(group)
    yield from _lacks(held, needs, where)
    for choice in _ONE_OF.get(keyword, ()):
        if not any(each in held and held[each].value for each in choice):
            yield f"{where} has no {' or '.join(choice)}"


@cache
def _needs_of(keyword: str, outer: str) -> tuple[str, ...]:
    """List what an item of a sequence needs; the sequence around it may matter."""
    needs = (*_NEEDS.get(keyword, ()), *_NEEDS.get(f"{outer}.{keyword}", ()))
    return (*needs, *_CODE) if keyword.endswith("CodeSequence") else needs


def _required_by_value_type(held: Held, where: str) -> Defects:
    value_type = _text(held, "ValueType")
    if value_type not in _CONTENT:
        yield f"{where} has no known ValueType"
    yield from _lacks(held, ("RelationshipType", *_CONTENT.get(value_type, ())), where)


def _text(held: Held, keyword: str) -> str:
    return str(held[keyword].value) if keyword in held else "None"


def _lacks(held: Held, needs: Iterable[str], where: str) -> Defects:
    for need in dict.fromkeys(needs):
        if need not in held or held[need].is_empty:
            yield f"{where} has no {need}"


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the dictionary says of an attribute (PS3.6)."""

    keyword: str
    allowed: frozenset[str]
    multiplicity: str


@cache
def _entry(tag: int) -> _Entry | None:
    keyword = dictionary_keyword(tag) if dictionary_has_tag(tag) else ""
    if not keyword:
        return None
    allowed = dictionary_VR(tag)
    return _Entry(
        keyword, frozenset({allowed, *allowed.split(" or ")}), dictionary_VM(tag)
    )


def _value(element: DataElement) -> Defects:
    entry = _entry(int(element.tag))
    if entry is None:
        yield f"{element.tag} is not in the dictionary"
    elif element.VR not in entry.allowed:
        yield f"{entry.keyword} has another VR"
    elif element.VR != VR.SQ and not element.is_empty:
        if not _is_multiplicity(element.VM, entry.multiplicity):
            yield f"{entry.keyword} has a wrong number of values"
        if not _is_valid(element):
            what = "UID" if element.VR == VR.UI else "value"
            yield f"{entry.keyword} is not a valid {what}"


def _is_valid(element: DataElement) -> bool:
    # pydicom reads several numbers as a plain list
    several = isinstance(element.value, MultiValue | list)
    values = element.value if several else [element.value]
    if element.keyword in _OF_THE_SOURCE:  # as sent, be it valid or not
        return all(_UID.fullmatch(str(value)) for value in values)
    if element.VR in _NUMBERS_AS_TEXT:
        values = map(str, values)
    return all(_is_of(element.VR, value) for value in values)


def _is_of(vr: str, value: object) -> bool:
    try:
        validate_value(vr, value, RAISE)
    except (ValueError, TypeError):
        return False
    return True


_NUMBERS_AS_TEXT = frozenset({VR.DS, VR.IS})
# What names the source and its study: docs/decisions/0006. UIDs of ours stay valid.
_OF_THE_SOURCE = frozenset(
    {"StudyInstanceUID", "SeriesInstanceUID", "ReferencedSOPInstanceUID"}
)
_UID = re.compile(r"(?=.{1,64}$)[0-9]+(\.[0-9]+)*")


@cache
def _is_multiplicity(count: int, allowed: str) -> bool:
    """Tell whether a number of values fits "1", "2-2n", "1-3" or "1-n"."""
    least, _, most = allowed.partition("-")
    if not most:
        return count == int(least)
    if not most.endswith("n"):
        return int(least) <= count <= int(most)
    return count >= int(least) and count % int(most[:-1] or 1) == 0
