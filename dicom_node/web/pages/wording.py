"""Instants, durations and sizes in words, by the clock of the machine."""

from datetime import datetime

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_KILO = 1000.0


def moment(at: datetime | None) -> str:
    """Say when: ``2026-03-14 15:09:26``."""
    return "—" if at is None else f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def clock_time(at: datetime | None) -> str:
    """Say at what time of the day."""
    return "—" if at is None else f"{at.astimezone():%H:%M:%S}"


def duration(seconds: float | None) -> str:
    """Say how long, to two places that matter."""
    if seconds is None:
        return "—"
    whole = round(seconds)
    if seconds < 10:  # noqa: PLR2004  below, tenths matter
        return f"{max(seconds, 0):.1f} s"
    if whole < 2 * _MINUTE:
        return f"{whole} s"
    if whole < 2 * _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02} s"
    if whole < 2 * _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def ago(at: datetime | None, now: datetime) -> str:
    """Say how long ago."""
    return "—" if at is None else duration((now - at).total_seconds())


def size(number: float) -> str:
    """Say how many bytes."""
    value, units = float(number), ["B", "kB", "MB", "GB", "TB", "PB"]
    while value >= _KILO and len(units) > 1:
        value /= _KILO
        units.pop(0)
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.1f} {units[0]}"
