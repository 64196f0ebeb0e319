"""Call, certainty, zones and change: the rules that everything reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.findings import Call, Interval, Side, Zone
from inference.judgement import call, certainty, exceeds, zones
from inference.manifest import Thresholds

SHARES = st.floats(0, 1)
THRESHOLDS = Thresholds(any_opacity=0.3, clear=0.1)


@pytest.mark.parametrize(
    ("probability", "said"),
    [
        (0.3, Call.OPACITY),
        (0.95, Call.OPACITY),
        (0.2999, Call.POSSIBLE),
        (0.1, Call.POSSIBLE),
        (0.0999, Call.NONE),
    ],
)
@pytest.mark.parametrize("outlined", [True, False])
def test_the_call_is_that_of_the_films_probability(probability, said, outlined):
    assert call(probability, THRESHOLDS, outlined=outlined) is said


@pytest.mark.parametrize(
    ("outlined", "said"), [(True, Call.POSSIBLE), (False, Call.NONE)]
)
def test_without_a_clear_threshold_what_is_outlined_decides(outlined, said):
    assert call(0.2, Thresholds(any_opacity=0.3), outlined=outlined) is said


@given(SHARES, SHARES, SHARES)
def test_no_finding_is_surer_than_its_film_and_their_order_stays(one, other, film):
    first, second = certainty(one, film), certainty(other, film)
    assert first <= film
    assert first <= one
    if one <= other:
        assert first <= second


@given(st.lists(st.integers(0, 500), min_size=3, max_size=3), st.integers(500, 900))
def test_the_zone_that_holds_most_is_always_named(parts, field):
    if not any(parts):
        return
    named = zones(Side.LEFT, parts, [field] * 3)
    most = max(range(3), key=lambda place: parts[place])
    assert list(Zone)[3 + most] in named
    for place, part in enumerate(parts):
        real = part >= field / 4 or part >= sum(parts) / 3
        assert (list(Zone)[3 + place] in named) is (real and part > 0)


@pytest.mark.parametrize(
    ("before", "now", "answer"),
    [
        ((50, None), (15, Interval(5, 30)), True),
        ((50, Interval(10, 70)), (15, Interval(5, 30)), False),
        ((50, Interval(35, 70)), (15, None), True),
        ((16, Interval(5, 30)), (15, Interval(5, 30)), False),
        ((50, None), (15, None), None),
    ],
)
def test_a_change_is_more_than_error_where_neither_holds_the_other(before, now, answer):
    assert exceeds(before, now) is answer
