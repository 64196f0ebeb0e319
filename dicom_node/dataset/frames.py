"""Data set -> Frame: the pixels as the model sees them, and the way back.

One path for serving and training: decode, Modality LUT, VOI LUT, polarity, padding,
orientation, calibration (DICOM PS3.3 C.7.6.1, C.7.6.3, C.11.1, C.11.2; 10.7). What a
file claims is checked before memory is spent on it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from pydicom.dataset import Dataset

from dicom_node.dataset import part10_file
from dicom_node.dataset.attributes import numbers, text, texts
from dicom_node.dataset.film.pixel_shape import aspect_of
from dicom_node.dataset.film.projection import projection_of
from dicom_node.dataset.pixels import codecs
from dicom_node.dataset.pixels.border import within_white_frame
from dicom_node.dataset.pixels.grayscale import develop
from dicom_node.dataset.pixels.pixel_data import (
    PixelCells,
    count_patterns,
    look_up,
    read_patterns,
)
from dicom_node.dataset.quiet import MALFORMED, quiet
from dicom_node.dataset.up_to_pixels import read_up_to_pixels
from dicom_node.errors import DatasetInvalid
from inference.frame import Frame, Orientation

_UNORIENTED = (
    "Patient Orientation is not given; the patient's right was taken to be at the"
    " picture's left."
)
_MISORIENTED = "Patient Orientation is not that of a frontal film; it was not followed."
_TURNED = "The picture was turned upright as Patient Orientation says."
_FRAMED = "A white frame around the picture was left out."
_CALIBRATED = frozenset({"GEOMETRY", "FIDUCIAL"})
_PAIR = 2
_NO_SHAPE = (
    "The pixels' shape that the header tells is impossible; it was not followed."
)
# Guidelines allow chest films 10 to 20 times smaller without harm to the reading.
_HARMLESS_RATIO = 20.0
_FROM_THE_FRONT = (
    "AP film: heart and mediastinum look wider than on a PA film, the lungs smaller."
)


@dataclass(frozen=True, slots=True)
class FrameLimits:
    """What is decoded at most.

    Parameters
    ----------
    pixels
        Rows x Columns. Default: 100 million, five times the largest detector.
    inflated_bytes
        What a deflated data set may grow to. Default: 256 MiB.
    """

    pixels: int = 100_000_000
    inflated_bytes: int = 256 * 1024 * 1024


DEFAULT_LIMITS = FrameLimits()


def read(
    source: Path | BinaryIO | Dataset, *, limits: FrameLimits = DEFAULT_LIMITS
) -> tuple[Dataset, Frame]:
    """Read a radiograph.

    Parameters
    ----------
    source
        A DICOM file, an open one, or a data set with file meta and pixel data.
    limits
        What is decoded at most.

    Returns
    -------
        The data set without its pixel data, and the Frame.

    Raises
    ------
    DatasetInvalid
        The bytes are not a readable DICOM object.
    PixelsUndecodable
        The pixel data are missing, cut, contradictory or too large.
    OSError
        The file cannot be opened or read.
    """
    dataset, notes = _load(source, limits)
    with quiet():
        cells = PixelCells.of(dataset, limits.pixels)
    picture = read_patterns(dataset, cells)
    patterns = picture.patterns
    del dataset.PixelData
    counts = count_patterns(patterns, picture.stored)
    with quiet():
        development = develop(dataset, picture.stored, counts)
        orientation, turned = _orientation(dataset)
        spacing = _pixel_spacing_mm(dataset, orientation)
        aspect, shape = _aspect(dataset, orientation)
        remarks = (
            *notes,
            *picture.remarks,
            *development.remarks,
            *turned,
            *shape,
            *_view(dataset),
            *_compression(dataset),
        )
    if development.hidden_by_lut:
        del dataset.VOILUTSequence  # no result shows the film by it either
    patterns = orientation.upright(patterns).astype(np.uint16, copy=False)
    table = development.padding
    padding = None if table is None else look_up(table, patterns)
    pixels = look_up(development.table, patterns)
    picture_within = within_white_frame(
        pixels, patterns, exact=cells.transfer_syntax not in codecs.LOSSY
    )
    return dataset, Frame(
        pixels=pixels,
        padding=padding,
        pixel_spacing_mm=spacing,
        orientation=orientation,
        remarks=(*remarks, _FRAMED) if picture_within else remarks,
        picture=picture_within,
        aspect=aspect,
    )


def _load(
    source: Path | BinaryIO | Dataset, limits: FrameLimits
) -> tuple[Dataset, tuple[str, ...]]:
    """Read a file, or copy a data set so that the caller's keeps its pixels."""
    if isinstance(source, Dataset):
        dataset = source[:]
        if hasattr(source, "file_meta"):
            dataset.file_meta = source.file_meta
        return dataset, ()
    if isinstance(source, Path):
        with source.open("rb") as stream:
            return _load_stream(stream, limits)
    return _load_stream(source, limits)


def _load_stream(
    stream: BinaryIO, limits: FrameLimits
) -> tuple[Dataset, tuple[str, ...]]:
    file = part10_file.normal(stream)
    try:
        with quiet():
            dataset = read_up_to_pixels(
                file.stream, pixels=limits.pixels, inflated_bytes=limits.inflated_bytes
            )
    except (*MALFORMED, MemoryError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DatasetInvalid("the data set cannot be read") from error
    return dataset, file.remarks


def _orientation(dataset: Dataset) -> tuple[Orientation, tuple[str, ...]]:
    r"""Find the turn that makes Patient Orientation L\F (PS3.3 C.7.6.1.1.1)."""
    letters = [part[:1] for part in texts(dataset, "PatientOrientation")]
    along, down, *_ = (*letters, "", "")
    if not along and not down:
        return Orientation(), (_UNORIENTED,)
    if along in {"L", "R"} and down in {"H", "F"}:
        turn = Orientation(flip_rows=down == "H", flip_columns=along == "R")
    elif along in {"H", "F"} and down in {"L", "R"}:
        turn = Orientation(
            transpose=True, flip_rows=along == "H", flip_columns=down == "R"
        )
    else:
        return Orientation(), (_MISORIENTED,)
    if turn == Orientation():
        return turn, ()
    return turn, (_TURNED,)


def _pixel_spacing_mm(
    dataset: Dataset, orientation: Orientation
) -> tuple[float, float] | None:
    """Take Pixel Spacing where it is the patient's, not the detector's (PS3.3 10.7.1).

    Without a calibration type, a Pixel Spacing that equals Imager Pixel Spacing is
    the detector's own and magnified by an unknown factor.
    """
    spacing = numbers(dataset, "PixelSpacing")
    if len(spacing) != _PAIR or min(spacing) <= 0:
        return None
    calibrated = text(dataset, "PixelSpacingCalibrationType") in _CALIBRATED
    if not calibrated and np.allclose(
        spacing, numbers(dataset, "ImagerPixelSpacing") or (0.0, 0.0), rtol=1e-3
    ):
        return None
    between_rows, between_columns = spacing
    if orientation.transpose:
        return between_columns, between_rows
    return between_rows, between_columns


def _aspect(
    dataset: Dataset, orientation: Orientation
) -> tuple[float, tuple[str, ...]]:
    """Height over width of a pixel on the upright film."""
    aspect = aspect_of(dataset)
    if aspect is None:
        return 1.0, (_NO_SHAPE,)
    return (1 / aspect if orientation.transpose else aspect), ()


def _view(dataset: Dataset) -> tuple[str, ...]:
    """Say what the view does to the picture."""
    return (_FROM_THE_FRONT,) if projection_of(dataset).direction == "AP" else ()


def _compression(dataset: Dataset) -> tuple[str, ...]:
    """Say that more was lost on the way than does no harm (PS3.3 C.7.6.1.1.5)."""
    if text(dataset, "LossyImageCompression") != "01":
        return ()
    ratio = max(numbers(dataset, "LossyImageCompressionRatio"), default=0.0)
    if ratio <= _HARMLESS_RATIO:
        return ()
    return (f"The image was compressed with loss (ratio {ratio:.3g}).",)
