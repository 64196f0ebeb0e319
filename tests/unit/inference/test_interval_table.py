"""Intervals of percentages: inside 0 to 100, around what is reported."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import ManifestInvalid
from inference.interval_table import PercentBin, PercentIntervals

MADE = PercentIntervals(
    (PercentBin(10, 5, 12), PercentBin(40, 15, 20), PercentBin(100, 30, 25)),
    clean_percent=6,
)


@pytest.mark.parametrize(
    ("percent", "interval"),
    [
        (0, (0, 12)),
        (6, (0, 18)),  # as much is told of clean films
        (8, (3, 20)),
        (10, (5, 22)),  # the end of a bin belongs to it
        (10.5, (0, 30.5)),
        (90, (60, 100)),
        (100, (70, 100)),
    ],
)
def test_a_percentage_gets_the_interval_of_its_size(percent, interval):
    assert MADE.interval(percent) == interval


def test_a_hair_above_the_whole_lung_is_the_whole_lung():
    low, high = MADE.interval(100.000001)
    assert (low, high) == (pytest.approx(70), 100)


@given(st.floats(0, 100))
def test_the_interval_holds_what_is_reported(percent):
    low, high = MADE.interval(percent)
    assert 0 <= low <= percent <= high <= 100


@pytest.mark.parametrize(
    "ends", [(), (50,), (50, 50, 100), (60, 50, 100), (20, 40, 60, 100)]
)
def test_bins_that_do_not_rise_to_100_in_three_steps_are_refused(ends):
    with pytest.raises(ManifestInvalid):
        PercentIntervals(tuple(PercentBin(end, 1, 1) for end in ends))
