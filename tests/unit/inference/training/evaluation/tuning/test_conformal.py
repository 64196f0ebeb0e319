"""Intervals that hold what they promise, and no more."""

import numpy as np
import pytest

from inference.training.evaluation.cases import Case
from inference.training.evaluation.tuning.conformal import (
    bounding,
    crosswise,
    measured_intervals,
)


def outlined(told: float, true: float, **more) -> Case:
    given = {"key": "a", "group": "a", "fold": 0, "source": "here"}
    return Case(
        **(given | more),
        score=0.9,
        called=True,
        positive=true > 0,
        percent=(told, told, told),
        true_percent=(true, true, true),
    )


def clean(told: float) -> Case:
    return Case(
        key="c",
        group="c",
        fold=0,
        source="here",
        score=0.1,
        called=False,
        positive=False,
        percent=(told, told, told),
    )


def drawn(count: int, seed: int) -> list[Case]:
    """Percentages whose error grows with them, and leans to one side."""
    rng = np.random.default_rng(seed)
    true = rng.uniform(0, 90, count)
    told = np.clip(true - 3 + rng.normal(0, 2 + true / 8), 0, 100)
    return [outlined(*map(float, pair)) for pair in zip(told, true, strict=True)]


@pytest.mark.parametrize(
    ("count", "bins"), [(18, None), (19, 1), (37, 1), (38, 2), (57, 3), (400, 3)]
)
def test_there_are_as_many_bins_as_the_films_allow(count, bins):
    found = measured_intervals(drawn(count, 1))
    assert (len(found.total.bins) if found else None) == bins


def test_new_films_lie_inside_as_often_as_promised():
    shares = []
    for seed in range(40):
        found = measured_intervals(drawn(72, seed))
        new = [case.within(found) for case in drawn(300, 1000 + seed)]
        shares.append(
            np.mean([c.low[2] <= c.true_percent[2] <= c.high[2] for c in new])
        )
    assert 0.895 <= np.mean(shares) <= 0.95


def test_large_percentages_get_wider_intervals_and_lean_to_the_true_side():
    bins = measured_intervals(drawn(2000, 3)).total.bins
    widths = [one.below + one.above for one in bins]
    assert widths == sorted(widths)
    assert all(one.above > one.below for one in bins)


def test_equal_percentages_are_never_parted():
    cases = [outlined(0.0, true) for true in range(40)]
    cases += [outlined(float(told), told + 5.0) for told in range(20, 60)]
    bins = measured_intervals(cases).total.bins
    assert all(one.up_to_percent > 0 for one in bins)


def test_nothing_may_be_true_of_what_is_told_of_clean_films():
    cases = drawn(60, 1) + [clean(told) for told in (0,) * 17 + (2, 4, 50)]
    found = measured_intervals(cases)
    assert found.total.clean_percent == 4
    assert found.total.interval(4)[0] == 0


def test_without_clean_films_there_is_no_bound_for_them():
    assert measured_intervals(drawn(60, 1)).total.clean_percent == 0


def test_films_that_were_refused_or_not_outlined_count_for_nothing():
    refused = Case(key="r", group="r", fold=0, source="here", score=1, called=False)
    cases = drawn(60, 1)
    assert measured_intervals([*cases, refused]) == measured_intervals(cases)


def test_a_bound_wants_enough_errors():
    assert bounding(np.arange(18.0), 0.95) is None
    assert bounding(np.arange(19.0), 0.95) == 18
    assert bounding(np.arange(99.0), 0.9) == 89


def test_a_part_is_judged_by_the_others():
    near = [outlined(50.0 + k / 10, 50.0, fold=0) for k in range(20)]
    far = [outlined(50.0 + k / 10, 80.0, fold=1) for k in range(20)]
    cases = near + far
    found = crosswise(cases, [case.fold for case in cases])
    assert all(case.high[2] > 75 for case in found if case.fold == 0)
    assert all(case.high[2] < 55 for case in found if case.fold == 1)


def test_too_few_films_in_the_others_give_no_interval():
    cases = [outlined(10.0, 12.0, fold=k % 2) for k in range(20)]
    assert all(case.low is None for case in crosswise(cases, [c.fold for c in cases]))
