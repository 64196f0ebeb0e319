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
# Of the larger lung: less of a lung is no lung to give percentages of. Networks draw
# lungs through opacity; what they leave out is fluid, or a lung that was taken out.
_LEAST_OF_OTHER = 0.25
# Lungs' centres may differ in height by this share of the taller lung.
_MOST_TILT = 0.6
# Lungs brighter than their surroundings by this share of the grey range.
_MOST_BRIGHT = 0.25
_EDGE_SHARE = 0.1
# Two films on one image, chosen on half of 893 films and 960 pairs of them. The second
# piece of a side, as a share of its largest and of the picture: more than two lungs.
# A limb or a wire may make one piece two; hardly on both sides.
_SECOND_LUNG, _SECOND_OF_BOTH, _SECOND_AREA = 0.6, 0.15, 0.004
# Picture beside the pair of lungs, in widths of the pair; above or below, in heights.
_BESIDE_PAIR, _BELOW_PAIR = 0.75, 1.5
# A picture that much wider or taller than the other way is two films sooner.
_WIDE, _TALL = 1.4, 1.33
_SECOND_LUNG_OF_LONG, _BESIDE_PAIR_OF_WIDE, _BELOW_PAIR_OF_TALL = 0.1, 0.6, 0.9
# A second piece and some room together tell them too.
_SECOND_WITH_ROOM, _BESIDE_WITH_SECOND, _BELOW_WITH_SECOND = 0.1, 0.55, 0.9
_BELOW_NO_PAIR = 1.2
_LEAST_PIECE = 0.004
_LEAST_TEXTURE = 0.08
_PLAIN = 0.02


def thumbnail(frame: Frame, shape: Sequence[int]) -> Map:
    """Sample the picture at the centres of a (rows, columns) grid."""
    pixels = frame.pixels if frame.picture is None else frame.pixels[frame.picture]
    height, width = pixels.shape
    rows = ((np.arange(shape[0]) + 0.5) * height / shape[0]).astype(np.intp)
    columns = ((np.arange(shape[1]) + 0.5) * width / shape[1]).astype(np.intp)
    return pixels[np.ix_(rows, columns)]


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


def require_one_film(
    small: Map, lungs: Sequence[Map], threshold: float, *, frontal: bool
) -> None:
    """Refuse two films side by side or one above the other (``TWO_FILMS``).

    Parameters
    ----------
    small
        float32 (rows, columns), the film at the maps' resolution.
    lungs
        Probabilities of right and left lung, of the same shape.
    threshold
        Of a lung's cells.
    frontal
        Whether the network takes the whole for a frontal film. What it does not is
        called two films only where its shape says so too.
    """
    cells = _content(small)
    small, right, left = (each[cells] for each in (small, *lungs))
    sides = [_pieces(right, left, threshold), _pieces(left, right, threshold)]
    if min(areas[0] for areas, _ in sides) < _LEAST_PIECE:
        return
    seconds = [areas[1] / areas[0] if len(areas) > 1 else 0.0 for areas, _ in sides]
    largest = max(areas[1] if len(areas) > 1 else 0.0 for areas, _ in sides)
    pair = sides[0][1] | sides[1][1]
    beside, below = _room(pair, small, axis=1), _room(pair, small, axis=0)
    wide = small.shape[1] >= _WIDE * small.shape[0]
    tall = small.shape[0] >= _TALL * small.shape[1]
    least = _SECOND_LUNG_OF_LONG if wide or tall else _SECOND_LUNG
    more = max(seconds) >= least or min(seconds) >= _SECOND_OF_BOTH
    with_room = max(seconds) >= _SECOND_WITH_ROOM and (
        beside >= _BESIDE_WITH_SECOND or below >= _BELOW_WITH_SECOND
    )
    if frontal:
        two = ((more or with_room) and largest >= _SECOND_AREA) or (
            beside >= (_BESIDE_PAIR_OF_WIDE if wide else _BESIDE_PAIR)
            or below >= (_BELOW_PAIR_OF_TALL if tall else _BELOW_PAIR)
        )
    else:
        two = (wide and beside >= _BESIDE_PAIR) or (tall and below >= _BELOW_NO_PAIR)
    if two:
        raise UnsuitableImage("TWO_FILMS", "The image shows more than one film.")


def _content(small: Map) -> tuple[slice, slice]:
    """Cut off plain rows and columns: the canvas that films were laid on."""
    spans = []
    for axis in (1, 0):
        busy = np.flatnonzero(np.ptp(small, axis=axis) > _PLAIN)
        spans.append(slice(busy[0], busy[-1] + 1) if busy.size else slice(None))
    return spans[0], spans[1]


def _pieces(own: Map, other: Map, threshold: float) -> tuple[list[float], Cells]:
    """Areas of a side's pieces, as shares of the picture, and the largest piece."""
    labels, count = ndimage.label((own > threshold) & (own >= other), _EIGHT)
    if not count:
        return [0.0], np.zeros(own.shape, dtype=np.bool_)
    areas = np.bincount(labels.ravel())[1:]
    largest = labels == 1 + np.argmax(areas)
    return sorted((areas / labels.size).tolist(), reverse=True), largest


def _room(pair: Cells, small: Map, axis: int) -> float:
    """Room on the emptier side of a pair of lungs, as a multiple of its extent.

    Room without texture is background and counts as none.
    """
    held = np.flatnonzero(pair.any(axis=1 - axis))
    before, after = int(held[0]), pair.shape[axis] - int(held[-1]) - 1
    lines = np.moveaxis(small, axis, 0)
    room = lines[:before] if before > after else lines[held[-1] + 1 :]
    if not room.size or np.std(room) < _LEAST_TEXTURE:
        return 0.0
    return float(max(before, after) / (int(held[-1]) - int(held[0]) + 1))


def require_pair(right: Cells, left: Cells) -> None:
    """Refuse lungs that no frontal film shows (``NO_LUNGS``, ``NOT_FRONTAL``)."""
    areas = [np.count_nonzero(cells) / cells.size for cells in (right, left)]
    if max(areas) < _LEAST_LUNG or sum(areas) < _LEAST_LUNGS / 2:
        raise UnsuitableImage("NO_LUNGS", "No pair of lungs was found.")
    if min(areas) < max(_LEAST_LUNG, _LEAST_OF_OTHER * max(areas)):
        side = "right" if areas[0] < areas[1] else "left"
        raise UnsuitableImage(
            "NO_LUNGS",
            f"Of the {side} lung next to nothing is seen"
            f" ({100 * min(areas) / max(areas):.0f} % of the other's area); only films"
            " of both lungs are analysed.",
        )
    if sum(areas) < _LEAST_LUNGS:
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
