"""Refuse pixels that show no frontal chest radiograph the right way round.

Headers lie; these checks look at the picture alone. What fails one is refused with a
code and a sentence, not analysed.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.errors import UnsuitableImage
from inference.frame import Frame

Cells = NDArray[np.bool_]
Map = NDArray[np.float32]

_EIGHT = np.ones((3, 3), dtype=np.int8)
_LEAST_CONTRAST = 0.02
# Fractions of the picture: one lung, both lungs.
_LEAST_LUNG = 0.015
_LEAST_LUNGS = 0.06
# Lungs' centres may differ in height by this share of the taller lung.
_MOST_TILT = 0.6
# Lungs brighter than their surroundings by this share of the grey range.
_MOST_BRIGHT = 0.25
_EDGE_SHARE = 0.1


def thumbnail(frame: Frame, shape: Sequence[int]) -> Map:
    """Sample the frame at the centres of a (rows, columns) grid."""
    rows = ((np.arange(shape[0]) + 0.5) * frame.rows / shape[0]).astype(np.intp)
    columns = ((np.arange(shape[1]) + 0.5) * frame.columns / shape[1]).astype(np.intp)
    return frame.pixels[np.ix_(rows, columns)]


def require_contrast(small: Map) -> None:
    """Refuse an empty picture (``BLANK``)."""
    low, high = np.percentile(small, (1, 99))
    if high - low < _LEAST_CONTRAST:
        raise UnsuitableImage("BLANK", "The image has next to no contrast.")


def require_frontal(probability: float, threshold: float) -> None:
    """Refuse what the network takes for something else (``NOT_FRONTAL``)."""
    if probability < threshold:
        raise UnsuitableImage(
            "NOT_FRONTAL",
            "The image does not look like an upright frontal chest radiograph.",
        )


def require_pair(right: Cells, left: Cells) -> None:
    """Refuse lungs that no frontal film shows (``NO_LUNGS``, ``NOT_FRONTAL``)."""
    areas = [np.count_nonzero(cells) / cells.size for cells in (right, left)]
    if min(areas) < _LEAST_LUNG or sum(areas) < _LEAST_LUNGS:
        raise UnsuitableImage("NO_LUNGS", "No pair of lungs was found.")
    row_right, column_right = ndimage.center_of_mass(right)
    row_left, column_left = ndimage.center_of_mass(left)
    tilt = abs(row_right - row_left) / max(height(right), height(left))
    if column_right >= column_left or tilt > _MOST_TILT:
        raise UnsuitableImage(
            "NOT_FRONTAL", "The lungs do not lie side by side as on a frontal film."
        )


def require_dark_lungs(small: Map, lungs: Cells) -> None:
    """Refuse a negative (``INVERTED``): lungs hold air, they are the darker part."""
    reach = max(1, lungs.shape[0] // 18)
    beside = ndimage.binary_dilation(lungs, _EIGHT, iterations=reach) & ~lungs
    if not beside.any():
        return
    inside, outside = np.median(small[lungs]), np.median(small[beside])
    low, high = np.percentile(small, (5, 95))
    if inside - outside > _MOST_BRIGHT * max(high - low, _LEAST_CONTRAST):
        raise UnsuitableImage(
            "INVERTED", "The lungs are brighter than what surrounds them."
        )


def remarks(lungs: Cells) -> tuple[str, ...]:
    """Say what limits the reading without forbidding it."""
    edges = (lungs[0], lungs[-1], lungs[:, 0], lungs[:, -1])
    if any(np.count_nonzero(edge) > _EDGE_SHARE * edge.size for edge in edges):
        return ("A lung reaches the edge of the image and may be cut off.",)
    return ()


def height(cells: Cells) -> int:
    """Rows from the first to the last True; 0 when there is none."""
    rows = np.flatnonzero(cells.any(axis=1))
    return int(rows[-1] - rows[0]) + 1 if rows.size else 0
