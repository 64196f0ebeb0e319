"""Numbers as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.evidence.wording.numbers import (
    beside,
    measured,
    percent,
    points,
    probability,
    square_centimetres,
)
from inference.findings import Interval


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 %"),
        (0.01, "<1 %"),
        (0.5, "1 %"),
        (14.17, "14 %"),
        (14.5, "15 %"),
        (99.4, "99 %"),
        (99.6, ">99 %"),
        (100, "100 %"),
    ],
)
def test_percentages_are_whole_and_never_a_false_zero(value, text):
    assert percent(value) == text
    assert probability(value / 100) == text


def test_an_interval_stands_in_brackets():
    assert measured(17.2, Interval(11.4, 25.6)) == "17 % (11-26)"
    assert measured(17.2, None) == "17 %"


def test_probability_and_operating_point_are_told_apart():
    assert beside(0.315, 0.2065) == ("32 %", "21 %")
    assert beside(0.3058, 0.3067) == ("30.6 %", "30.7 %")
    assert beside(0.3, 0.3) == ("30 %", "30 %")


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_two_scores_of_four_decimals_never_look_the_same(one, other):
    film, point = beside(one / 10_000, other / 10_000)
    assert (film == point) is (one == other) or (one - other) % 10_000 == 0


@pytest.mark.parametrize(
    ("value", "text"), [(0.4, "0"), (-0.4, "0"), (12.5, "+13"), (-3.2, "-3")]
)
def test_differences_have_their_sign(value, text):
    assert points(value) == text


@pytest.mark.parametrize(("mm2", "text"), [(524, "5.2"), (12_345, "123")])
def test_areas_are_told_in_two_digits_or_whole(mm2, text):
    assert square_centimetres(mm2) == text
