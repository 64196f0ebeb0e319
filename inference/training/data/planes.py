"""Truth and weight of the dense head, pixel by pixel."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.training.data.render import Grey
from inference.training.recipe.data import DataRecipe

Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Drawn:
    """Opacities as shown; ``complete`` when none left the picture.

    ``ignored`` are boxes about which nothing is known.
    """

    boxes: list[Float]
    masks: list[Grey | None]
    complete: bool
    ignored: list[Float]


def opacity_plane(
    drawn: Drawn, size_px: int, data: DataRecipe, *, exhaustive: bool
) -> tuple[Float, Float]:
    """Union of masks; inside a mere box little weight, in its corners none.

    Where readers disagree nothing weighs, but what is drawn there all the same.
    """
    truth = np.zeros((size_px, size_px), np.float32)
    weight = np.full((size_px, size_px), float(exhaustive), np.float32)
    for box in drawn.ignored:
        whole, _ = _box_area(np.asarray(box / 2, np.float32), size_px, "rectangle")
        weight[whole] = 0
    for box, mask in zip(drawn.boxes, drawn.masks, strict=True):
        if mask is not None:
            continue
        inside, corners = _box_area(
            np.asarray(box / 2, np.float32), size_px, data.box_shape
        )
        weight[corners & (truth == 0)] = 0
        truth[inside], weight[inside] = 1, data.box_weight
    for mask in drawn.masks:
        if mask is None:
            continue
        small = cv2.resize(
            mask.astype(np.float32), (size_px, size_px), interpolation=cv2.INTER_AREA
        )
        weight[small > 0] = 1
        truth = np.maximum(truth, small)
    return truth, weight


def _box_area(
    box: Float, size_px: int, shape: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Pixels inside the shape, and those of the box outside it."""
    rows = np.arange(size_px)[:, None] + 0.5
    columns = np.arange(size_px)[None] + 0.5
    x1, y1, x2, y2 = box
    whole = (columns >= x1) & (columns < x2) & (rows >= y1) & (rows < y2)
    if shape == "rectangle":
        return whole, np.zeros_like(whole)
    across = (columns - (x1 + x2) / 2) / ((x2 - x1) / 2)
    down = (rows - (y1 + y2) / 2) / ((y2 - y1) / 2)
    inside = across**2 + down**2 <= 1
    return inside & whole, whole & ~inside


def between_lungs(planes: list[Float | None]) -> NDArray[np.bool_] | None:
    """Hull of both lungs minus the lungs: heart and mediastinum, left undecided."""
    known = [plane > 0 for plane in planes if plane is not None]
    if not known:
        return None
    both = np.logical_or.reduce(known).astype(np.uint8)
    points = cv2.findNonZero(both)
    if points is None:
        return None
    hull = np.zeros_like(both)
    cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
    return np.asarray((hull > 0) & (both == 0), np.bool_)
