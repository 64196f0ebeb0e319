"""A stored object -> a picture for people (DICOM PS3.18 8.3.5; grey as PS3.4 N.2).

The picture has the object's own orientation. Regions and outlines of a result are
drawn over the image that they are about.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from pydicom import uid
from pydicom.dataset import Dataset

from dicom_node.dataset.attributes import integer, items, numbers, text, value
from dicom_node.dataset.pixels.grayscale import develop
from dicom_node.dataset.pixels.pixel_data import (
    PixelCells,
    count_patterns,
    look_up,
    read_patterns,
)
from dicom_node.dataset.pixels.transcoding import StoredFrames
from dicom_node.dataset.quiet import quiet
from dicom_node.errors import NotEligible, PixelsUndecodable

Function = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]
_COLOURS = ((230, 80, 60), (70, 160, 240), (120, 200, 90), (240, 180, 60))
_SHARE = 0.4
_HALF = 0.5
_LINE_SHARE = 400
_COLOUR_SAMPLES, _BYTE = 3, 8


@dataclass(frozen=True, slots=True)
class Window:
    """A window that somebody asks for (PS3.3 C.11.2.1.2)."""

    center: float
    width: float
    function: Function = "LINEAR"


def picture(
    dataset: Dataset, index: int, maximum_pixels: int, window: Window | None = None
) -> Image.Image:
    """Draw one frame of an image.

    Parameters
    ----------
    dataset
        With pixel data and file meta.
    index
        From 0.
    window
        Instead of what the object says.

    Raises
    ------
    PixelsUndecodable
        It has no such frame, or none that can be drawn.
    """
    frames = StoredFrames(dataset, maximum_pixels)
    if index >= frames.count:
        raise PixelsUndecodable("there is no such frame")
    if frames.samples == _COLOUR_SAMPLES:
        return _colour(dataset, frames, index)
    return _grey(dataset, frames, index, maximum_pixels, window)


def _grey(
    dataset: Dataset,
    frames: StoredFrames,
    index: int,
    maximum_pixels: int,
    window: Window | None,
) -> Image.Image:
    one = Dataset(dataset)
    one.file_meta = dataset.file_meta
    if frames.count > 1:
        one.NumberOfFrames = 1
        one.PixelData = frames.plain(index)
        one.file_meta = type(dataset.file_meta)(dataset.file_meta)
        one.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    if window is not None:
        one.WindowCenter, one.WindowWidth = window.center, window.width
        one.VOILUTFunction = window.function
    try:
        with quiet():
            cells = PixelCells.of(one, maximum_pixels)
        found = read_patterns(one, cells)
    except NotEligible as error:
        raise PixelsUndecodable(error.text) from error
    counts = count_patterns(found.patterns, found.stored)
    with quiet():
        shown = develop(one, found.stored, counts, window_is_asked=window is not None)
    table = np.rint(shown.table * 255).astype(np.uint8)
    patterns = found.patterns.astype(np.uint16, copy=False)
    return Image.fromarray(look_up(table, patterns))


def _colour(dataset: Dataset, frames: StoredFrames, index: int) -> Image.Image:
    photometric = text(dataset, "PhotometricInterpretation")
    is_drawn = frames.bits == _BYTE and photometric in {"RGB", "YBR_FULL"}
    if frames.is_compressed or not is_drawn:
        raise PixelsUndecodable("colour of this kind is not drawn")
    cells = np.frombuffer(frames.plain(index), np.uint8)
    if integer(dataset, "PlanarConfiguration") == 1:
        cells = cells.reshape(_COLOUR_SAMPLES, -1).T
    pixels = np.ascontiguousarray(
        cells.reshape(frames.rows, frames.columns, _COLOUR_SAMPLES)
    )
    mode = "RGB" if photometric == "RGB" else "YCbCr"
    size = (frames.columns, frames.rows)
    return Image.frombytes(mode, size, pixels.tobytes()).convert("RGB")


def with_segments(
    film: Image.Image | None,
    segmentation: Dataset,
    indices: Sequence[int],
    maximum_pixels: int,
) -> Image.Image:
    """Colour the segments of a segmentation, over the image where it is at hand."""
    frames = StoredFrames(segmentation, maximum_pixels)
    size = (frames.columns, frames.rows)
    base = film if film is not None else Image.new("L", size, 0)
    drawn = base.convert("RGB").resize(size)
    for index in indices:
        colour = _COLOURS[_segment(segmentation, index) % len(_COLOURS)]
        share = 1.0 if film is None else _SHARE
        mask = (_mask(frames, index) * share * 255).astype(np.uint8)
        drawn.paste(Image.new("RGB", size, colour), mask=Image.fromarray(mask))
    return drawn


class Segment(NamedTuple):
    """One segment of a segmentation.

    Parameters
    ----------
    label
        What it is called.
    mask
        bool (rows, columns): more than half of the pixel is of it.
    """

    label: str
    mask: np.ndarray[tuple[int, int], np.dtype[np.bool_]]


def segments(segmentation: Dataset, maximum_pixels: int) -> Iterator[Segment]:
    """Read the segments of a segmentation, frame by frame.

    Raises
    ------
    PixelsUndecodable
        Segments of this kind are not drawn.
    """
    labels = [
        text(item, "SegmentLabel") for item in items(segmentation, "SegmentSequence")
    ]
    frames = StoredFrames(segmentation, maximum_pixels)
    for index in range(frames.count):
        number = _segment(segmentation, index)
        label = labels[number] if number < len(labels) else ""
        yield Segment(label, _mask(frames, index) > _HALF)


def _mask(
    frames: StoredFrames, index: int
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Read a frame as shares from 0 to 1 (PS3.3 C.8.20.2)."""
    plain = np.frombuffer(frames.plain(index), np.uint8)
    count = frames.rows * frames.columns
    if frames.bits == 1:
        cells = np.unpackbits(plain, bitorder="little")[:count].astype(np.float32)
    elif frames.bits == _BYTE:  # fractions
        most = np.float32(max(int(plain.max(initial=0)), 1))
        cells = np.divide(plain[:count], most, dtype=np.float32)
    else:
        raise PixelsUndecodable("segments of this kind are not drawn")
    return cells.reshape(frames.rows, frames.columns)


def _segment(segmentation: Dataset, index: int) -> int:
    groups = items(segmentation, "PerFrameFunctionalGroupsSequence")
    for frame in groups[index : index + 1]:
        for item in items(frame, "SegmentIdentificationSequence"):
            return (integer(item, "ReferencedSegmentNumber") or 1) - 1
    return index


def with_graphics(film: Image.Image, state: Dataset) -> Image.Image:
    """Draw the lines of a presentation state over its image (PS3.3 C.10.5)."""
    drawn = film.convert("RGB")
    brush = ImageDraw.Draw(drawn)
    width = max(1, max(drawn.size) // _LINE_SHARE)
    layers: dict[str, int] = {}
    for annotation in items(state, "GraphicAnnotationSequence"):
        layer = text(annotation, "GraphicLayer")
        colour = _COLOURS[layers.setdefault(layer, len(layers)) % len(_COLOURS)]
        for points in _lines(annotation, drawn.size):
            brush.line(points, colour, width)
    return drawn


def _lines(
    annotation: Dataset, size: tuple[int, int]
) -> Iterator[list[tuple[float, float]]]:
    for graphic in items(annotation, "GraphicObjectSequence"):
        found = numbers(graphic, "GraphicData")
        if text(graphic, "GraphicType") not in {"POLYLINE", "INTERPOLATED"}:
            continue
        # the centre of the first pixel is at 1, or at 0.5 of the first of many
        across, down = (
            size if text(graphic, "GraphicAnnotationUnits") == "DISPLAY" else (1, 1)
        )
        points = [
            (column * across - 0.5, row * down - 0.5)
            for column, row in zip(found[::2], found[1::2], strict=False)
        ]
        if len(points) > 1:
            yield points


def in_square_pixels(drawn: Image.Image, aspect: float) -> Image.Image:
    """Draw pixels of a height over width of ``aspect`` as squares; none is lost."""
    if aspect == 1.0:
        return drawn
    wide = round(drawn.width * max(1.0, 1 / aspect))
    tall = round(drawn.height * max(1.0, aspect))
    return drawn.resize((wide, tall), Image.Resampling.BILINEAR)


def referenced_images(result: Dataset) -> list[str]:
    """Name the images that a segmentation or a presentation state is about."""
    found = [
        str(value(item, "ReferencedSOPInstanceUID") or "")
        for series in items(result, "ReferencedSeriesSequence")
        for sequence in ("ReferencedInstanceSequence", "ReferencedImageSequence")
        for item in items(series, sequence)
    ]
    return [one for one in dict.fromkeys(found) if one]
