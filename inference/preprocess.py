"""Frame -> network input, the same code path in training and in serving.

Resized, never cropped: the longer side becomes S, the rest is padded with zeros at
the right and bottom. Pixels that are not square become so.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.frame import Frame


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where the picture lies inside the square network input.

    Parameters
    ----------
    rows, columns
        Size of the upright frame, or of the picture on it.
    size_px
        Side S of the square.
    top, left
        Where the picture begins on the frame.
    aspect
        Height of a frame pixel over its width.
    """

    rows: int
    columns: int
    size_px: int
    top: int = 0
    left: int = 0
    aspect: float = 1.0

    @property
    def scale(self) -> float:
        """Network pixels per frame pixel, along a row."""
        return self.size_px / max(self.rows * self.aspect, self.columns)

    @property
    def inner_rows(self) -> int:
        """Rows of the square that hold picture."""
        return max(1, min(self.size_px, round(self.rows * self.aspect * self.scale)))

    @property
    def inner_columns(self) -> int:
        """Columns of the square that hold picture."""
        return max(1, min(self.size_px, round(self.columns * self.scale)))


def letterbox(
    pixels: NDArray[np.float32], size_px: int, aspect: float = 1.0
) -> tuple[NDArray[np.float32], Letterbox]:
    """Resize a picture into the top-left of a square of zeros.

    Parameters
    ----------
    pixels
        float32 (rows, columns) in [0, 1].
    size_px
        Side S of the square.
    aspect
        Height of a pixel over its width.

    Returns
    -------
        float32 (S, S) in [0, 1], and the geometry.
    """
    box = Letterbox(pixels.shape[0], pixels.shape[1], size_px, aspect=aspect)
    resized = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32)).resize(
        (box.inner_columns, box.inner_rows), Image.Resampling.BILINEAR
    )
    square = np.zeros((size_px, size_px), dtype=np.float32)
    square[: box.inner_rows, : box.inner_columns] = np.clip(np.asarray(resized), 0, 1)
    return square, box


def normalise(
    pixels: NDArray[np.float32], keep: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Stretch the 0.5th to 99.5th percentile of the kept pixels to [0, 1].

    Films reach us with windows of every kind; this makes the network see the same
    grey scale whatever the modality's presentation was. What is not kept becomes 0.
    """
    sample = pixels if keep is None else pixels[keep]
    if sample.size == 0:
        return np.zeros_like(pixels)
    low, high = np.percentile(sample, (0.5, 99.5))
    stretched = np.clip((pixels - low) / max(high - low, 1e-6), 0, 1)
    if keep is not None:
        stretched[~keep] = 0.0
    return np.asarray(stretched, dtype=np.float32)


def preprocess(frame: Frame, size_px: int) -> tuple[NDArray[np.float32], Letterbox]:
    """Turn a Frame into one network input.

    Parameters
    ----------
    frame
        The radiograph.
    size_px
        The model's input size S.

    Returns
    -------
        float32 (1, S, S) in [0, 1] (the graph applies mean and standard deviation),
        and the geometry that leads back to the frame's pixels.
    """
    shown = frame.picture or (slice(0, frame.rows), slice(0, frame.columns))
    square, box = letterbox(frame.pixels[shown], size_px, frame.aspect)
    box = replace(box, top=shown[0].start, left=shown[1].start)
    inner = square[: box.inner_rows, : box.inner_columns]
    keep = None
    if frame.padding is not None and frame.padding[shown].any():
        padding = Image.fromarray(np.ascontiguousarray(frame.padding[shown])).resize(
            (box.inner_columns, box.inner_rows), Image.Resampling.NEAREST
        )
        keep = ~np.asarray(padding)
    inner[:] = normalise(inner, keep)
    return square[None], box
