"""From the network's dense grid to outlines on the frame's own pixels.

Probabilities are interpolated, never masks: the contour runs where the interpolated
margin above the threshold crosses zero. Only the pixels around a region are ever
made, in 8 bits, so that an 18-megapixel film costs no full-size map.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from inference.findings import Region
from inference.preprocess import Letterbox

Cells = NDArray[np.bool_]
Map = NDArray[np.float32]

EIGHT = np.ones((3, 3), dtype=np.int8)
# An 8-bit map is interpolated; it is full at this margin beside the threshold, so
# that rounding moves a contour by less than a hundredth of a cell.
_FULL = 0.25
_ZERO = 128
_LEAST = 1 / 127


@dataclass(frozen=True, slots=True)
class Grid:
    """The part of the dense grid (half the network's input) that holds picture.

    Parameters
    ----------
    letterbox
        Leads from the network's input to the frame.
    """

    letterbox: Letterbox

    @property
    def height(self) -> float:
        """Picture rows in cells; the last cell may be half outside."""
        return self.letterbox.inner_rows / 2

    @property
    def width(self) -> float:
        """Picture columns in cells."""
        return self.letterbox.inner_columns / 2

    def crop(self, maps: Map) -> Map:
        """Cut (..., S/2, S/2) down to the cells that hold picture."""
        return maps[..., : math.ceil(self.height), : math.ceil(self.width)]

    def outline(self, margin: Map, cells: Cells) -> Region | None:
        """Draw a region at frame resolution.

        Parameters
        ----------
        margin
            Per cell, probability above the threshold; its zero is the contour.
        cells
            The cells that belong to the region; none else becomes part of it.
        """
        # A cell beyond the neighbours cannot move the contour, and must not make one.
        beyond = ~ndimage.binary_dilation(cells, EIGHT)
        share = np.where(beyond, -1, np.clip(margin / _FULL, -1, 1))
        share = np.where(cells, np.maximum(share, _LEAST), np.minimum(share, -_LEAST))
        found = _bounds(cells)
        if found is None:
            return None
        levels = np.rint(_ZERO + 127 * share).astype(np.uint8)
        return self._grow(levels, found)

    def _grow(
        self, levels: NDArray[np.uint8], bounds: tuple[int, int, int, int]
    ) -> Region | None:
        down = self.letterbox.rows / self.height
        across = self.letterbox.columns / self.width
        top, bottom, left, right = bounds
        # The contour lies less than one cell outside the region's cells.
        row0 = max(0, math.floor((top - 1) * down))
        row1 = min(self.letterbox.rows, math.ceil((bottom + 1) * down))
        column0 = max(0, math.floor((left - 1) * across))
        column1 = min(self.letterbox.columns, math.ceil((right + 1) * across))
        grown = Image.fromarray(levels).resize(
            (column1 - column0, row1 - row0),
            Image.Resampling.BILINEAR,
            box=(column0 / across, row0 / down, column1 / across, row1 / down),
        )
        return _moved(
            Region.of(np.asarray(grown) > _ZERO),
            row0 + self.letterbox.top,
            column0 + self.letterbox.left,
        )

    def outlines(
        self, margin: Map, labels: NDArray[np.int16], count: int
    ) -> list[Region | None]:
        """Draw the regions labelled 1 ... count so that none overlaps another."""
        drawn: list[Region | None] = []
        for number in range(1, count + 1):
            cells = labels == number
            # Between two regions the contour runs where their margins balance.
            region = self.outline(np.where(cells, margin, -np.abs(margin)), cells)
            for earlier in drawn:
                if region is not None and earlier is not None:
                    region = without(region, earlier)
            drawn.append(region)
        return drawn


def without(region: Region, taken: Region) -> Region | None:
    """Take away the pixels that another region has."""
    rows = common(region.row, region.mask.shape[0], taken.row, taken.mask.shape[0])
    columns = common(
        region.column, region.mask.shape[1], taken.column, taken.mask.shape[1]
    )
    if rows is None or columns is None:
        return region
    theirs = taken.mask[rows[1], columns[1]]
    if not theirs.any():
        return region
    rest = region.mask.copy()
    rest[rows[0], columns[0]] &= ~theirs
    return _moved(Region.of(rest), region.row, region.column)


def common(
    start: int, length: int, other_start: int, other_length: int
) -> tuple[slice, slice] | None:
    """Where two stretches of one axis meet, in the coordinates of each."""
    first = max(start, other_start)
    last = min(start + length, other_start + other_length)
    if last <= first:
        return None
    return (
        slice(first - start, last - start),
        slice(first - other_start, last - other_start),
    )


def _moved(region: Region | None, rows: int, columns: int) -> Region | None:
    if region is None:
        return None
    return Region(region.row + rows, region.column + columns, region.mask)


def _bounds(cells: Cells) -> tuple[int, int, int, int] | None:
    """First and past-the-last row and column with a True."""
    rows = np.flatnonzero(cells.any(axis=1))
    if rows.size == 0:
        return None
    columns = np.flatnonzero(cells.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
