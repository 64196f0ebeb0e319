"""What each kind of object must hold beyond what every object holds.

Each function yields the defects of an object whose attributes are all there.
"""

from collections.abc import Callable

from pydicom.dataset import Dataset

from dicom_node.evidence.check.attributes import Defects, places

OwnCheck = Callable[[Dataset, Dataset], Defects]
"""Of an object and its image's clean header."""

_ROOT = ("CONTAINER", "1500")
_TRIANGLE = 4  # points of the smallest outline, the first repeated last


def segmentation(dataset: Dataset, clean: Dataset) -> Defects:
    """Ask for masks of the source's size, one frame for each segment."""
    numbers = [int(item.SegmentNumber) for item in dataset.SegmentSequence]
    if numbers != list(range(1, len(numbers) + 1)):
        yield "the segments are not numbered from one"
    uids = {str(item.TrackingUID) for item in dataset.SegmentSequence}
    if len(uids) < len(numbers):
        yield "two segments have the same TrackingUID"
    if (dataset.Rows, dataset.Columns) != (clean.Rows, clean.Columns):
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


def label_map(dataset: Dataset, clean: Dataset) -> Defects:
    """Ask for one frame of the source's size whose values are all segments."""
    numbers = [int(item.SegmentNumber) for item in dataset.SegmentSequence]
    if numbers != list(range(len(numbers))):
        yield "the segments are not numbered from the background on"
    if (dataset.Rows, dataset.Columns) != (clean.Rows, clean.Columns):
        yield "the label map is not of the source's size"
    if int(dataset.NumberOfFrames) != 1:
        yield "the label map has not one frame"
    size = dataset.Rows * dataset.Columns * dataset.BitsAllocated // 8
    if len(dataset.PixelData) != size + size % 2:
        yield "the pixel data are not of their stated size"
    yield from _derived(dataset, "DerivationImageSequence")


def _frames(dataset: Dataset) -> Defects:
    for keyword in ("DerivationImageSequence", "SegmentIdentificationSequence"):
        yield from _derived(dataset, keyword)


def _derived(dataset: Dataset, keyword: str) -> Defects:
    """Ask for a functional group: one for all frames, or one for each (C.7.6.16)."""
    (shared,) = dataset.SharedFunctionalGroupsSequence
    groups = dataset.PerFrameFunctionalGroupsSequence
    if keyword not in shared and not all(keyword in group for group in groups):
        yield f"a frame has no {keyword}"


def secondary_capture(dataset: Dataset, _clean: Dataset) -> Defects:
    """Ask for a picture of its stated size."""
    size = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel
    if len(dataset.PixelData) != size + size % 2:
        yield "the pixel data are not of their stated size"


def report(dataset: Dataset, clean: Dataset) -> Defects:
    """Ask for outlines on the film, in the tree of a measurement report."""
    for _, place in places(dataset):
        if place.get("ValueType") == "SCOORD":
            yield from _polyline(list(place.GraphicData), clean)
    templates = dataset.get("ContentTemplateSequence") or [Dataset()]
    if (dataset.ValueType, templates[0].get("TemplateIdentifier")) != _ROOT:
        yield "the content tree is not of TID 1500"


def presentation_state(dataset: Dataset, clean: Dataset) -> Defects:
    """Ask for outlines on the film, at its polarity."""
    inverse = clean.get("PhotometricInterpretation") == "MONOCHROME1"
    if (dataset.get("PresentationLUTShape") == "INVERSE") != inverse:
        yield "the presentation would invert the film"
    for annotation in dataset.get("GraphicAnnotationSequence") or ():
        for graphic in annotation.get("GraphicObjectSequence") or ():
            yield from _polyline(list(graphic.GraphicData), clean)


def _polyline(data: list[float], clean: Dataset) -> Defects:
    columns, rows = data[0::2], data[1::2]
    if len(columns) < _TRIANGLE or (columns[0], rows[0]) != (columns[-1], rows[-1]):
        yield "an outline is not closed"
    inside = min(columns) >= 0 and max(columns) <= clean.Columns
    if not (inside and min(rows) >= 0 and max(rows) <= clean.Rows):
        yield "an outline leaves the film"


def pdf(dataset: Dataset, _clean: Dataset) -> Defects:
    """Ask for a PDF."""
    if not dataset.EncapsulatedDocument.startswith(b"%PDF-"):
        yield "the document is not a PDF"
