"""Samples as small arrays, kept on disk so that every epoch starts from them.

The picture goes through ``inference.preprocess`` exactly as in serving; outlines are
brought onto the same letterboxed square.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from inference.errors import TrainingError
from inference.frame import Frame
from inference.preprocess import Letterbox, preprocess
from inference.training.data.dataset import Outline, ReadFrame, Sample

Grey = NDArray[np.uint8]
Normalisation = str


@dataclass(frozen=True, slots=True)
class Rendered:
    """One sample on a P x P square.

    Parameters
    ----------
    image
        uint8 (P, P), after preprocessing, times 255.
    inner_rows, inner_columns
        The part that holds picture.
    boxes
        float64 (M, 4) x y width height in square pixels.
    masks
        M entries: uint8 (P, P) in 0 ... 255, or ``None`` for a box only.
    right_lung, left_lung
        uint8 (P, P), or ``None`` when not annotated.
    ignored
        float64 (K, 4): boxes about which nothing is known.
    """

    image: Grey
    inner_rows: int
    inner_columns: int
    boxes: NDArray[np.float64]
    masks: tuple[Grey | None, ...]
    right_lung: Grey | None
    left_lung: Grey | None
    ignored: NDArray[np.float64]


def render(sample: Sample, frame: Frame, size_px: int, contrast: str) -> Rendered:
    """Bring a sample onto a square of ``size_px``.

    Raises
    ------
    TrainingError
        The picture is not of the size that its annotation says.
    """
    if sample.rows and (sample.rows, sample.columns) != (frame.rows, frame.columns):
        raise TrainingError(
            f"{sample.path}: {frame.columns} x {frame.rows} pixels, its annotation"
            f" says {sample.columns} x {sample.rows}"
        )
    _check_boxes(sample, frame)
    square, box = preprocess(frame, size_px)
    grey = _contrast(np.rint(square[0] * 255).astype(np.uint8), box, contrast)
    outlines = [one.segmentation for one in sample.opacities]
    return Rendered(
        image=grey,
        inner_rows=box.inner_rows,
        inner_columns=box.inner_columns,
        boxes=_rows([one.box for one in sample.opacities]) * box.scale,
        masks=tuple(_outline(outline, box) for outline in outlines),
        right_lung=_outline(sample.right_lung, box),
        left_lung=_outline(sample.left_lung, box),
        ignored=_rows(sample.ignored) * box.scale,
    )


def _rows(boxes: Sequence[tuple[float, ...]]) -> NDArray[np.float64]:
    return np.array(boxes, np.float64).reshape(-1, 4)


def _check_boxes(sample: Sample, frame: Frame) -> None:
    for x, y, width, height in (one.box for one in sample.opacities):
        if x + width > frame.columns + 1 or y + height > frame.rows + 1:
            raise TrainingError(
                f"{sample.path}: box {[x, y, width, height]} is not inside the"
                f" {frame.columns} x {frame.rows} image"
            )


def _contrast(grey: Grey, box: Letterbox, kind: str) -> Grey:
    """CLAHE or histogram equalisation of the picture, never of its padding."""
    if kind == "none":
        return grey
    inner = np.ascontiguousarray(grey[: box.inner_rows, : box.inner_columns])
    if kind == "clahe":
        clahe = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8))
        changed = clahe.apply(inner)
    else:
        changed = cv2.equalizeHist(inner)
    out = grey.copy()
    out[: box.inner_rows, : box.inner_columns] = changed
    return out


def _outline(outline: Outline | None, box: Letterbox) -> Grey | None:
    if outline is None:
        return None
    full = full_mask(outline, box.rows, box.columns)
    small = cv2.resize(
        full * np.uint8(255),
        (box.inner_columns, box.inner_rows),
        interpolation=cv2.INTER_AREA,
    )
    square = np.zeros((box.size_px, box.size_px), np.uint8)
    square[: box.inner_rows, : box.inner_columns] = small
    return square


def full_mask(outline: Outline, rows: int, columns: int) -> Grey:
    """Fill a COCO outline: uint8 (rows, columns) of 0 and 1."""
    coded: Any = outline
    if isinstance(outline, list):
        coded = coco_mask.merge(coco_mask.frPyObjects(outline, rows, columns))
    elif isinstance(outline["counts"], list):
        coded = coco_mask.frPyObjects(outline, rows, columns)
    return cast("Grey", coco_mask.decode(coded))


class RenderCache:
    """Rendered samples, on disk as PNG streams.

    Parameters
    ----------
    folder
        Where they are kept.
    read_frame
        Reads a picture.
    contrast
        Contrast step after preprocessing.
    """

    def __init__(self, folder: Path, read_frame: ReadFrame, contrast: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._read_frame = read_frame
        self._contrast = contrast

    def get(self, sample: Sample, size_px: int) -> Rendered:
        """Render once, read ever after."""
        path = self._folder / f"{self._name(sample, size_px)}.npz"
        if not path.exists():
            frame = self._read_frame(sample.path)
            _write(path, render(sample, frame, size_px, self._contrast))
        return _read(path)

    def picture(self, sample: Sample, size_px: int) -> Grey:
        """Give the picture alone, without its padding."""
        path = self._folder / f"{self._name(sample, size_px)}.npz"
        if not path.exists():
            self.get(sample, size_px)
        with np.load(path, allow_pickle=False) as archive:
            rows, columns = (int(value) for value in archive["inner"])
            return _unpng(archive["image"])[:rows, :columns]

    def _name(self, sample: Sample, size_px: int) -> str:
        try:
            facts = sample.path.stat()
        except OSError as error:
            raise TrainingError(f"{sample.path}: no such image") from error
        drawn = (sample.opacities, sample.ignored)
        outlines = (*drawn, sample.right_lung, sample.left_lung)
        told = (str(sample.path), facts.st_size, facts.st_mtime_ns, outlines)
        text = repr((*told, size_px, self._contrast))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def _write(path: Path, rendered: Rendered) -> None:
    arrays: dict[str, NDArray[Any]] = {
        "image": _png(rendered.image),
        "inner": np.array([rendered.inner_rows, rendered.inner_columns]),
        "boxes": rendered.boxes,
        "ignored": rendered.ignored,
    }
    masks = dict(enumerate(rendered.masks))
    layers = {f"mask{index}": mask for index, mask in masks.items()}
    layers |= {"right": rendered.right_lung, "left": rendered.left_lung}
    arrays |= {name: _png(layer) for name, layer in layers.items() if layer is not None}
    partial = path.with_suffix(".part.npz")
    np.savez(partial, **cast("Any", arrays))
    partial.replace(path)


def _read(path: Path) -> Rendered:
    with np.load(path, allow_pickle=False) as archive:
        boxes, ignored = archive["boxes"], archive["ignored"]
        names = set(archive.files)

        def layer(name: str) -> Grey | None:
            return _unpng(archive[name]) if name in names else None

        image = _unpng(archive["image"])
        rows, columns = (int(value) for value in archive["inner"])
        masks = tuple(layer(f"mask{index}") for index in range(len(boxes)))
        right, left = layer("right"), layer("left")
    return Rendered(image, rows, columns, boxes, masks, right, left, ignored)


def _png(grey: Grey) -> NDArray[np.uint8]:
    _, coded = cv2.imencode(".png", grey, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return np.asarray(coded, np.uint8)


def _unpng(coded: NDArray[np.uint8]) -> Grey:
    return cast("Grey", cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE))
