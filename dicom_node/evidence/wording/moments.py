"""Moments for people: always with the time, by the film's own clock."""

from datetime import datetime, time, timedelta

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def stamp(local: datetime) -> str:
    """Write a moment: "2026-02-01 06:00".

    Parameters
    ----------
    local
        By the clock that is to be shown. A film whose header names only the day stands
        at its beginning: there the day alone is written.
    """
    if local.time() == time(0):
        return f"{local:%Y-%m-%d}"
    return f"{local:%Y-%m-%d %H:%M}"


def elapsed(before: datetime, after: datetime) -> str:
    """Write how long one moment lies before another: "15 h before", "9 days before"."""
    gap = after - before
    if gap < timedelta(0):
        return ""
    if time(0) in {before.time(), after.time()}:
        days = (after.date() - before.date()).days
        return f"{_count(days, 'day')} before" if days else "the same day"
    if gap < _HOUR:
        return f"{max(1, gap // _MINUTE)} min before"
    if gap < 2 * _DAY:
        return f"{round(gap / _HOUR)} h before"
    return f"{_count(round(gap / _DAY), 'day')} before"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
