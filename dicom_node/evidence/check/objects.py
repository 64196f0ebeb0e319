"""Check of a result object before it may be sent.

Not a replacement for foreign validators (the tests run those) but for what must never
leave the house: absent required attributes, invalid UIDs, wrong sizes, outlines off the
film, references that do not lead to the source, a report that does not read back.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

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

from dicom_node.dataset.normalise import cleaned
from dicom_node.errors import EvidenceInvalid
from dicom_node.evidence.check.attributes import Defects, attribute_defects, places

_SHARED = ("StudyInstanceUID", "PatientID")
# These lead to what came before this image's results, or to what was ordered.
_LEAD_OUT = {
    "PredecessorDocumentsSequence",
    "ReferencedPerformedProcedureStepSequence",
    "ReferencedRequestSequence",
    "RequestAttributesSequence",
}


def check(dataset: Dataset, source: Dataset, known: Collection[str] = ()) -> None:
    """Refuse an object that is not fit to send.

    Parameters
    ----------
    dataset
        The object, as it will be written.
    source
        Header of the image that it speaks of.
    known
        SOP Instance UIDs of other objects that it may refer to.

    Raises
    ------
    EvidenceInvalid
        With every defect found; no patient attribute.
    """
    clean = cleaned(source)
    defects = [*attribute_defects(dataset), *_file_meta(dataset)]
    defects += _belongs(dataset, clean, known)
    own = _OWN_CHECKS.get(dataset.get("SOPClassUID", ""))
    if own is not None and not defects:
        defects += own(dataset, clean)
    _refuse(dataset, defects)


def check_attributes(dataset: Dataset) -> None:
    """Refuse an object that is not valid by itself, whatever it speaks of.

    Raises
    ------
    EvidenceInvalid
        With every defect found; no patient attribute.
    """
    _refuse(dataset, [*attribute_defects(dataset), *_file_meta(dataset)])


def _refuse(dataset: Dataset, defects: Sequence[str]) -> None:
    if defects:
        raise EvidenceInvalid(
            f"{dataset.get('Modality', 'object')} is not fit to send: "
            + "; ".join(dict.fromkeys(defects))
        )


def check_set(datasets: Sequence[Dataset], source: Dataset) -> None:
    """Refuse results of one image that are not one set.

    Raises
    ------
    EvidenceInvalid
        Two objects have one UID, or objects stand in one series that must not:
        beside the source, beside another modality's, or two SEGs (viewers show one).
    """
    series: dict[str, str] = {str(source.SeriesInstanceUID): "source"}
    instances = {str(source.SOPInstanceUID)}
    for dataset in datasets:
        modality, uid = str(dataset.Modality), str(dataset.SOPInstanceUID)
        beside = series.setdefault(str(dataset.SeriesInstanceUID), modality)
        if uid in instances:
            raise EvidenceInvalid("two objects have the same SOPInstanceUID")
        if beside != modality:
            raise EvidenceInvalid("objects of two kinds stand in one series")
        instances.add(uid)
    alone = [each.SeriesInstanceUID for each in datasets if each.Modality == "SEG"]
    if len(set(alone)) < len(alone):
        raise EvidenceInvalid("two segmentations stand in one series")


def _file_meta(dataset: Dataset) -> Defects:
    meta = dataset.file_meta
    if meta.get("MediaStorageSOPInstanceUID") != dataset.get("SOPInstanceUID"):
        yield "file meta information names another instance"
    if meta.get("MediaStorageSOPClassUID") != dataset.get("SOPClassUID"):
        yield "file meta information names another SOP class"


def _belongs(dataset: Dataset, source: Dataset, known: Collection[str]) -> Defects:
    for keyword in _SHARED:
        ours, theirs = (str(each.get(keyword) or "") for each in (dataset, source))
        if ours != theirs:
            yield f"{keyword} is not the source's"
    references = _references(dataset)
    if source.SOPInstanceUID not in references:
        yield "nothing refers to the source image"
    for uid, sop_class in references.items():
        if uid == source.SOPInstanceUID and sop_class != source.SOPClassUID:
            yield "a reference gives the source image another SOP class"
        if uid not in {source.SOPInstanceUID, *known}:
            yield "a reference leads to an unknown object"


def _references(dataset: Dataset) -> dict[str, str]:
    """SOP Instance UID -> SOP Class UID of everything that an object points to."""
    inner = Dataset()
    for element in dataset:
        if element.keyword not in _LEAD_OUT:
            inner.add(element)
    return {
        str(place.ReferencedSOPInstanceUID): str(place.get("ReferencedSOPClassUID"))
        for _, place in places(inner)
        if "ReferencedSOPInstanceUID" in place
    }


def _segmentation(dataset: Dataset, source: Dataset) -> Defects:
    numbers = [int(item.SegmentNumber) for item in dataset.SegmentSequence]
    if numbers != list(range(1, len(numbers) + 1)):
        yield "the segments are not numbered from one"
    uids = {str(item.TrackingUID) for item in dataset.SegmentSequence}
    if len(uids) < len(numbers):
        yield "two segments have the same TrackingUID"
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
    yield from _frames(dataset)


def _frames(dataset: Dataset) -> Defects:
    (shared,) = dataset.SharedFunctionalGroupsSequence
    for keyword in ("DerivationImageSequence", "SegmentIdentificationSequence"):
        # One for all frames, or one for each (PS3.3 C.7.6.16).
        groups = dataset.PerFrameFunctionalGroupsSequence
        if keyword not in shared and not all(keyword in group for group in groups):
            yield f"a frame has no {keyword}"


def _secondary_capture(dataset: Dataset, _source: Dataset) -> Defects:
    size = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel
    if len(dataset.PixelData) != size + size % 2:
        yield "the pixel data are not of their stated size"


def _report(dataset: Dataset, source: Dataset) -> Defects:
    for _, place in places(dataset):
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
