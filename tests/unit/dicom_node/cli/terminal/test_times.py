"""Times are read and shown with their zone."""

from datetime import UTC, datetime

import click
import pytest

from dicom_node.cli.terminal.times import Instant, shown, zoned

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_a_time_without_a_zone_is_local_or_utc_as_said():
    bare = Instant().convert("2026-07-01T12:00", None, None)
    assert zoned(bare, utc=True) == NOON
    assert zoned(bare, utc=False) == datetime(2026, 7, 1, 12).astimezone(UTC)


def test_a_time_with_a_zone_keeps_it():
    at = Instant().convert("2026-07-01T14:00+02:00", None, None)
    assert zoned(at, utc=True) == zoned(at, utc=False) == NOON


def test_what_is_shown_always_says_its_zone():
    assert shown(NOON, utc=True) == "2026-07-01T12:00:00+00:00"
    local = shown(NOON, utc=False)
    assert datetime.fromisoformat(local) == NOON
    assert datetime.fromisoformat(local).tzinfo is not None


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", "noon"])
def test_what_is_no_time_is_refused_with_an_example(text):
    with pytest.raises(click.BadParameter, match="2026-11-01"):
        Instant().convert(text, None, None)


@pytest.mark.parametrize("text", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"])
def test_a_time_that_no_clock_can_show_is_refused(text):
    with pytest.raises(click.BadParameter, match="too far"):
        Instant().convert(text, None, None)
