"""Check of a result object before it may be sent.

Not a replacement for foreign validators (the tests run those) but for what must never
leave the house: absent required attributes, invalid UIDs, wrong sizes, outlines off the
film, references that do not lead to the source, a report that does not read back.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache

from highdicom._standard_utils import (
    get_iod_module_map,
    get_module_attribute_map,
    get_sop_class_iod_map,
)
from highdicom.sr import MeasurementReport
from pydicom.dataset import Dataset
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EncapsulatedPDFStorage,
    EnhancedSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from pydicom.valuerep import VR

from dicom_node.encoding.header import cleaned
from dicom_node.errors import EvidenceInvalid

# Their attribute tables list alternatives of one choice as if all were required.
_CHOICES = {"segmentation-multi-frame-functional-groups", "sr-document-content"}
_SHARED = ("StudyInstanceUID", "PatientID")
Defects = Iterator[str]


def check(dataset: Dataset, source: Dataset) -> None:
    """Refuse an object that is not fit to send.

    Parameters
    ----------
    dataset
        The object, as it will be written.
    source
        Header of the image that it speaks of.

    Raises
    ------
    EvidenceInvalid
        With every defect found; no patient attribute.
    """
    clean = cleaned(source)
    defects = [*_attributes(dataset), *_uids(dataset), *_belongs(dataset, clean)]
    own = _OWN_CHECKS.get(dataset.get("SOPClassUID", ""))
    if own is not None and not defects:
        defects += own(dataset, clean)
    if defects:
        raise EvidenceInvalid(
            f"{dataset.get('Modality', 'object')} is not fit to send: "
            + "; ".join(dict.fromkeys(defects))
        )


@cache
def _required(sop_class_uid: str) -> tuple[tuple[str, bool, tuple[str, ...]], ...]:
    """(keyword, needs a value, path) of an IOD's mandatory modules (PS3.3 Annex A)."""
    iod = get_sop_class_iod_map().get(sop_class_uid, "")
    modules = [
        module["key"]
        for module in get_iod_module_map().get(iod, [])
        if module["usage"] == "M" and module["key"] not in _CHOICES
    ]
    return tuple(
        (row["keyword"], row["type"] == "1", tuple(row["path"]))
        for module in modules
        for row in get_module_attribute_map()[module]
        if row["type"] in {"1", "2"}
    )


def _attributes(dataset: Dataset) -> Defects:
    required = _required(dataset.get("SOPClassUID", ""))
    if not required:
        yield "the SOP class is not one this node makes"
    for keyword, needs_value, path in required:
        for place in _places(dataset, path):
            if keyword not in place:
                yield f"{'.'.join([*path, keyword])} is absent"
            elif needs_value and place[keyword].is_empty:
                yield f"{'.'.join([*path, keyword])} is empty"


def _places(dataset: Dataset, path: tuple[str, ...]) -> Iterator[Dataset]:
    """Every data set that stands at a path of nested sequences."""
    if not path:
        yield dataset
        return
    for item in dataset.get(path[0]) or ():
        yield from _places(item, path[1:])


def _uids(dataset: Dataset) -> Defects:
    for place in _nested(dataset):
        for element in place:
            if element.VR == VR.UI and not element.is_empty:
                values = element.value if element.VM > 1 else [element.value]
                if not all(value.is_valid for value in values):
                    yield f"{element.keyword} is not a valid UID"
    if dataset.file_meta.MediaStorageSOPInstanceUID != dataset.get("SOPInstanceUID"):
        yield "file meta information names another instance"


def _nested(dataset: Dataset) -> Iterator[Dataset]:
    yield dataset
    for element in dataset:
        if element.VR == VR.SQ:
            for item in element.value:
                yield from _nested(item)


def _belongs(dataset: Dataset, source: Dataset) -> Defects:
    for keyword in _SHARED:
        ours, theirs = (str(each.get(keyword) or "") for each in (dataset, source))
        # An identifier too long for its VR is kept whole, its cleaned form is not.
        if not ours.startswith(theirs) or (ours and not theirs):
            yield f"{keyword} is not the source's"
    if not any(
        place.get("ReferencedSOPInstanceUID") == source.SOPInstanceUID
        for place in _nested(dataset)
    ):
        yield "nothing refers to the source image"


def _segmentation(dataset: Dataset, source: Dataset) -> Defects:
    if (dataset.Rows, dataset.Columns) != (source.Rows, source.Columns):
        yield "the masks are not of the source's size"
    frames = int(dataset.NumberOfFrames)
    if frames != len(dataset.SegmentSequence):
        yield "not one frame per segment"
    if frames != len(dataset.PerFrameFunctionalGroupsSequence):
        yield "not one functional group per frame"
    bits = frames * dataset.Rows * dataset.Columns
    if len(dataset.PixelData) != ((bits + 7) // 8 + 1) // 2 * 2:
        yield "the pixel data are not of their stated size"


def _secondary_capture(dataset: Dataset, _source: Dataset) -> Defects:
    size = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel
    if len(dataset.PixelData) != size + size % 2:
        yield "the pixel data are not of their stated size"


def _report(dataset: Dataset, source: Dataset) -> Defects:
    for place in _nested(dataset):
        if place.get("ValueType") == "SCOORD":
            yield from _polyline(list(place.GraphicData), source)
    root = Dataset()
    for keyword in (
        "ConceptNameCodeSequence",
        "ContentSequence",
        "ValueType",
        "ContinuityOfContent",
        "ContentTemplateSequence",
    ):
        setattr(root, keyword, dataset.get(keyword))
    try:
        MeasurementReport.from_sequence([root], copy=False)
    except (ValueError, AttributeError, TypeError, IndexError) as error:
        yield f"the content tree does not read back ({type(error).__name__})"


def _presentation_state(dataset: Dataset, source: Dataset) -> Defects:
    inverse = source.get("PhotometricInterpretation") == "MONOCHROME1"
    if (dataset.get("PresentationLUTShape") == "INVERSE") != inverse:
        yield "the presentation would invert the film"
    for annotation in dataset.get("GraphicAnnotationSequence") or ():
        for graphic in annotation.get("GraphicObjectSequence") or ():
            yield from _polyline(list(graphic.GraphicData), source)


def _polyline(data: list[float], source: Dataset) -> Defects:
    columns, rows = data[0::2], data[1::2]
    if len(columns) < 4 or (columns[0], rows[0]) != (columns[-1], rows[-1]):  # noqa: PLR2004
        yield "an outline is not closed"
    inside = min(columns) >= 0 and max(columns) <= source.Columns
    if not (inside and min(rows) >= 0 and max(rows) <= source.Rows):
        yield "an outline leaves the film"


def _pdf(dataset: Dataset, _source: Dataset) -> Defects:
    if not dataset.EncapsulatedDocument.startswith(b"%PDF-"):
        yield "the document is not a PDF"


_OWN_CHECKS: Mapping[str, Callable[[Dataset, Dataset], Defects]] = {
    SegmentationStorage: _segmentation,
    SecondaryCaptureImageStorage: _secondary_capture,
    Comprehensive3DSRStorage: _report,
    ComprehensiveSRStorage: _report,
    EnhancedSRStorage: _report,
    GrayscaleSoftcopyPresentationStateStorage: _presentation_state,
    EncapsulatedPDFStorage: _pdf,
}
