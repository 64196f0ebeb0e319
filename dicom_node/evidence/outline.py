"""Regions as closed polylines on pixel corners, for SR, GSPS and pictures.

(0.0, 0.0) is the top-left corner of the top-left pixel, as in SCOORD and in graphic
annotations in PIXEL units (PS3.3 C.18.6, C.10.5).
"""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.findings import Region

Points = NDArray[np.float64]

MAXIMUM_POINTS = 200
# Half a pixel's diagonal: takes the stairs out of a slanted border, not its shape.
_STAIRCASE_PX = 0.75
_EXACT_POINTS = 24
_TRIANGLE = 4
_MOST_REMEMBERED = 256
# Twice the height of three lines of text, on a film that fills a small screen.
_ROOM_BELOW = 0.18

_remembered: dict[tuple[int | bytes, ...], Points] = {}


def trace(region: Region) -> Points:
    """Outer border of a region's largest connected part, along pixel edges.

    Returns
    -------
        float64 (n, 2) points (column, row), clockwise as displayed, first repeated
        last; only corners. Holes are not drawn.
    """
    corners = _follow(_largest_part(region.mask))
    return np.asarray(corners + np.array([region.column, region.row]))


def simplified(region: Region) -> Points:
    """``trace``, with no more points than viewers draw comfortably.

    Every kind of result of a film asks for the same few outlines: they are remembered.

    Returns
    -------
        float64 (n, 2), read-only.
    """
    pixels = blake2b(np.packbits(region.mask).tobytes()).digest()
    key = (region.row, region.column, *region.mask.shape, pixels)
    points = _remembered.get(key)
    if points is None:
        points = _simplify(trace(region))
        points.setflags(write=False)
        if len(_remembered) >= _MOST_REMEMBERED:
            _remembered.clear()
        _remembered[key] = points
    return points


def _simplify(exact: Points) -> Points:
    if len(exact) <= _EXACT_POINTS:
        return exact
    tolerance = _STAIRCASE_PX
    points = reduce_points(exact, tolerance)
    while len(points) > MAXIMUM_POINTS:
        tolerance *= 1.4
        points = reduce_points(exact, tolerance)
    return points if len(points) >= _TRIANGLE else exact


def around(outlines: Sequence[Points], rows: int) -> Points:
    """Box around several outlines as one closed polyline.

    Viewers write a region's numbers at the middle of its right side. So the box
    reaches further down than the outlines: its numbers then stand below those of the
    outline at the right, not on them.

    Parameters
    ----------
    rows
        Of the image; the box does not leave it.
    """
    points = np.concatenate(list(outlines))
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    bottom = min(float(rows), bottom + round(_ROOM_BELOW * rows))
    return np.array(
        [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    )


def _largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, count = ndimage.label(mask)
    if count <= 1:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == int(sizes.argmax()))


def _follow(mask: NDArray[np.bool_]) -> Points:
    """Walk the cracks between pixels with the region on the right hand."""
    padded = np.pad(mask, 1)
    width = padded.shape[1]
    inside = padded.tobytes()
    start_row, start_column = divmod(int(padded.argmax()), width)
    # A vertex (row, column) is the corner above and left of that pixel.
    row, column, step_row, step_column = start_row, start_column, 0, 1
    corners: list[tuple[int, int]] = []
    while True:
        right, left = _ahead(row, column, step_row, step_column)
        turn = None
        if not inside[right[0] * width + right[1]]:
            turn = (step_column, -step_row)
        elif inside[left[0] * width + left[1]]:
            turn = (-step_column, step_row)
        if turn is not None:
            corners.append((column, row))
            step_row, step_column = turn
        row, column = row + step_row, column + step_column
        if (row, column) == (start_row, start_column) and corners:
            break
    corners.insert(0, (start_column, start_row))
    return np.array([*corners, corners[0]], dtype=np.float64) - 1.0


def _ahead(
    row: int, column: int, step_row: int, step_column: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Pixels beyond a vertex, on the right and on the left of the way."""
    if step_column == 1:
        return (row, column), (row - 1, column)
    if step_column == -1:
        return (row - 1, column - 1), (row, column - 1)
    if step_row == 1:
        return (row, column - 1), (row, column)
    return (row - 1, column), (row - 1, column - 1)


def reduce_points(closed: Points, tolerance: float) -> Points:
    """Drop points nearer than ``tolerance`` to the line that stays (Douglas-Peucker).

    All stretches between points that stay are looked at together: their number doubles
    from turn to turn, and an outline has thousands of points.

    Parameters
    ----------
    closed
        float64 (n, 2), first point repeated last.
    tolerance
        In pixels.
    """
    far = int(((closed - closed[0]) ** 2).sum(axis=1).argmax())
    kept = np.unique([0, far, len(closed) - 1])
    firsts, lasts = kept[:-1], kept[1:]
    while (wide := lasts - firsts > 1).any():
        firsts, lasts = firsts[wide], lasts[wide]
        worst, distances = _farthest(closed, firsts, lasts)
        bent = distances > tolerance
        firsts, middles, lasts = firsts[bent], worst[bent], lasts[bent]
        kept = np.union1d(kept, middles)
        firsts, lasts = (
            np.concatenate([firsts, middles]),
            np.concatenate([middles, lasts]),
        )
    return np.asarray(closed[kept])


def _farthest(
    closed: Points, firsts: NDArray[np.intp], lasts: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Find the point of each stretch that is farthest from its chord, and how far."""
    counts = lasts - firsts - 1
    ends = np.cumsum(counts)
    starts = ends - counts
    indices = np.arange(ends[-1]) + np.repeat(firsts + 1 - starts, counts)
    distances = _distances(
        closed[indices],
        np.repeat(closed[firsts], counts, axis=0),
        np.repeat(closed[lasts], counts, axis=0),
    )
    most = np.maximum.reduceat(distances, starts)
    (equal,) = np.nonzero(distances == np.repeat(most, counts))
    return indices[equal[np.searchsorted(equal, starts)]], most


def _distances(points: Points, starts: Points, ends: Points) -> NDArray[np.float64]:
    """Distance of each point from a segment of its own."""
    ways = ends - starts
    lengths = (ways * ways).sum(axis=1)
    offsets = points - starts
    along = (offsets * ways).sum(axis=1) / np.where(lengths, lengths, 1.0)
    gaps = offsets - np.clip(along, 0, 1)[:, None] * ways
    return np.asarray(np.hypot(gaps[:, 0], gaps[:, 1]))
