"""What films say of the intervals of their percentages."""

import pytest

from inference.interval_table import PercentBin, PercentIntervals, SeverityIntervals
from inference.training.evaluation import inside
from inference.training.evaluation.cases import Case, read_cases, write_cases

PART = PercentIntervals((PercentBin(100, 10, 20),), clean_percent=5)
INTERVALS = SeverityIntervals(0.9, total=PART, right=PART, left=PART)


def case(told: float, **more) -> Case:
    given = {"key": "a", "group": "a", "fold": 0, "source": "here", "score": 0.5}
    made = Case(**given, called=False, percent=(told, told, told), **more)
    return made.within(INTERVALS)


def test_a_true_percentage_lies_inside_or_not():
    assert inside.total_inside(case(30, true_percent=(90, 30, 50))) == 1
    assert inside.total_inside(case(30, true_percent=(90, 30, 51))) == 0
    assert inside.lungs_inside(case(30, true_percent=(90, 30, 51))) == 0.5
    assert inside.width(case(30, true_percent=(90, 30, 51))) == 30


def test_a_film_without_outlines_tells_nothing_of_coverage():
    for select in (inside.total_inside, inside.lungs_inside, inside.width):
        assert select(case(30)) is None


@pytest.mark.parametrize(("told", "holds"), [(0, 1), (5, 1), (10, 1), (11, 0)])
def test_a_clean_film_is_to_begin_at_nothing(told, holds):
    assert inside.clean_inside(case(told, positive=False)) == holds
    assert inside.clean_inside(case(told, positive=True)) is None


@pytest.mark.parametrize(
    ("told", "extent", "meets"),
    [(0, 0, 1), (30, 0, 0), (30, 2, 1), (30, 4, 1), (30, 5, 1), (30, 7, 0), (3, 1, 1)],
)
def test_readers_scores_are_met_in_percent(told, extent, meets):
    assert inside.meets_readers(case(told, reader_extent=extent)) == meets


def test_without_intervals_nothing_is_said():
    plain = case(30, true_percent=(1, 1, 1), positive=False).within(None)
    assert plain.low is plain.high is None
    for select in (inside.total_inside, inside.clean_inside, inside.meets_readers):
        assert select(plain) is None


def test_intervals_are_kept_with_the_cases(tmp_path):
    kept = case(30, true_percent=(90, 30, 50), ignored=((1, 2, 3, 4),))
    write_cases(tmp_path / "cases.json", [kept], [])
    assert read_cases(tmp_path / "cases.json")[0] == [kept]
