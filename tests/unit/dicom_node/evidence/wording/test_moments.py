"""Moments as people read them."""

from datetime import UTC, datetime, timedelta

import pytest

from dicom_node.evidence.wording.moments import elapsed, stamp

THEN = datetime(2026, 2, 1, 6, 0, tzinfo=UTC)


def test_a_moment_has_its_time():
    assert stamp(THEN) == "2026-02-01 06:00"


def test_a_day_without_a_time_is_the_day_alone():
    assert stamp(datetime(2026, 2, 1, tzinfo=UTC)) == "2026-02-01"


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        (timedelta(seconds=20), "1 min before"),
        (timedelta(minutes=20), "20 min before"),
        (timedelta(hours=15), "15 h before"),
        (timedelta(days=1, hours=23), "47 h before"),
        (timedelta(days=9), "9 days before"),
        (timedelta(hours=-1), ""),
    ],
)
def test_the_time_between_two_films_is_told(gap, words):
    assert elapsed(THEN, THEN + gap) == words


@pytest.mark.parametrize(("days", "words"), [(0, "the same day"), (1, "1 day before")])
def test_between_a_day_and_a_moment_days_are_told(days, words):
    day = THEN.replace(hour=0)
    assert elapsed(day, THEN + timedelta(days=days)) == words
