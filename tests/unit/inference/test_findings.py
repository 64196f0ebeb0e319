"""Regions and orientations: small values that everything stands on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inference.findings import Region, Side, Zone
from inference.frame import Frame, Orientation

MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))


@given(MASKS)
def test_a_region_pastes_back_to_the_mask_it_was_cropped_from(mask):
    region = Region.of(mask)
    if region is None:
        assert not mask.any()
        return
    np.testing.assert_array_equal(region.full(*mask.shape), mask)
    assert region.area_px == mask.sum()
    x, y, width, height = region.box
    assert (y, x) == (region.row, region.column)
    assert (height, width) == region.mask.shape
    for edge in (
        region.mask[0],
        region.mask[-1],
        region.mask[:, 0],
        region.mask[:, -1],
    ):
        assert edge.any()


def test_a_region_keeps_no_hold_of_the_mask_it_came_from():
    mask = np.ones((3, 3), bool)
    region = Region.of(mask)
    mask[:] = False
    assert region.mask.all()


def test_zones_know_their_side():
    assert {zone for zone in Zone if zone.side is Side.RIGHT} == {
        Zone.RIGHT_UPPER,
        Zone.RIGHT_MIDDLE,
        Zone.RIGHT_LOWER,
    }


@given(MASKS, st.booleans(), st.booleans(), st.booleans())
def test_turning_upright_and_back_changes_nothing(mask, transpose, rows, columns):
    orientation = Orientation(transpose, rows, columns)
    np.testing.assert_array_equal(
        orientation.to_source(orientation.upright(mask)), mask
    )
    np.testing.assert_array_equal(
        orientation.upright(orientation.to_source(mask)), mask
    )


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (Orientation(), [[1, 2], [3, 4], [5, 6]]),
        (Orientation(flip_columns=True), [[2, 1], [4, 3], [6, 5]]),
        (Orientation(flip_rows=True), [[5, 6], [3, 4], [1, 2]]),
        (Orientation(transpose=True), [[1, 3, 5], [2, 4, 6]]),
        (Orientation(transpose=True, flip_rows=True), [[2, 4, 6], [1, 3, 5]]),
    ],
    ids=str,
)
def test_a_source_is_transposed_first_and_flipped_then(orientation, expected):
    source = np.array([[1, 2], [3, 4], [5, 6]])
    np.testing.assert_array_equal(orientation.upright(source), expected)


def test_a_frame_knows_its_size():
    frame = Frame(np.zeros((3, 5), np.float32))
    assert (frame.rows, frame.columns) == (3, 5)
