"""Outlines: smooth at any scale, exact where they meet."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inference.contour import Grid, common, without
from inference.findings import Region
from inference.preprocess import Letterbox

SIZE = 64


def disc(size: int, row: float, column: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size] + 0.5
    return radius - np.hypot(rows - row, columns - column)


@pytest.mark.parametrize("scale", [1, 2, 7, 16])
def test_a_disc_stays_a_disc_at_every_resolution(scale):
    cells = SIZE // 2
    margin = np.clip(disc(cells, 15.3, 17.1, 8.4) / 8, -1, 1).astype(np.float32)
    side = SIZE * scale
    region = Grid(Letterbox(side, side, SIZE)).outline(margin, margin > 0)

    truth = disc(side, *(value * 2 * scale for value in (15.3, 17.1, 8.4))) > 0
    found = region.full(side, side)
    wrong = np.count_nonzero(found ^ truth)
    # less than a tenth of a cell all around
    assert wrong < 0.1 * 2 * scale * np.count_nonzero(truth) ** 0.5 * 4


def test_an_empty_region_has_no_outline():
    nothing = np.zeros((32, 32), bool)
    margin = np.full((32, 32), -0.5, np.float32)
    assert Grid(Letterbox(100, 100, SIZE)).outline(margin, nothing) is None


def test_cells_that_do_not_belong_never_become_part():
    margin = np.full((32, 32), 0.4, np.float32)
    cells = np.zeros((32, 32), bool)
    cells[4:10, 4:10] = True
    region = Grid(Letterbox(320, 320, SIZE)).outline(margin, cells)
    assert region.row >= 35
    assert region.row + region.mask.shape[0] <= 105


def test_the_picture_ends_where_the_letterbox_says():
    # 64 x 48 of the square are picture: 32 x 24 cells.
    grid = Grid(Letterbox(640, 480, SIZE))
    dense = np.ones((3, 32, 32), np.float32)
    assert grid.crop(dense).shape == (3, 32, 24)
    everything = np.full((32, 24), 0.4, np.float32)
    region = grid.outline(everything, everything > 0)
    assert region.mask.shape == (640, 480)
    assert region.mask.all()


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.int16, (12, 12), elements=st.integers(0, 3)),
    hnp.arrays(np.float32, (12, 12), elements=st.floats(0.0625, 0.5, width=32)),
    st.integers(10, 90),
)
def test_outlines_of_neighbours_never_share_a_pixel(labels, margin, side):
    margin = np.where(labels > 0, margin, -margin)
    count = np.zeros((side, side), int)
    for region in Grid(Letterbox(side, side, 24)).outlines(margin, labels, 3):
        if region is not None:
            count += region.full(side, side)
    assert count.max() <= 1


def square(row: int, column: int, side: int) -> Region:
    return Region(row, column, np.ones((side, side), bool))


def test_what_another_has_is_taken_away_and_the_rest_is_tight():
    rest = without(square(0, 0, 4), square(2, 0, 4))
    assert (rest.row, rest.column, rest.mask.shape) == (0, 0, (2, 4))


def test_nothing_is_taken_by_a_region_elsewhere():
    mine = square(0, 0, 4)
    assert without(mine, square(4, 4, 2)) is mine
    corner = Region(3, 3, np.array([[False, True], [True, True]]))
    assert without(mine, corner) is mine


def test_a_region_that_is_wholly_taken_is_gone():
    assert without(square(1, 1, 2), square(0, 0, 4)) is None


def test_two_stretches_meet_where_they_overlap():
    assert common(2, 5, 4, 9) == (slice(2, 5), slice(0, 3))
    assert common(2, 2, 4, 9) is None
