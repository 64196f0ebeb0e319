"""Times at a terminal: read and shown by the local clock, or in UTC, and never bare."""

from datetime import UTC, datetime
from typing import Any

import click

utc_option = click.option(
    "--utc",
    is_flag=True,
    help="Read times without a zone as UTC, and show UTC; else by the local clock.",
)


class Instant(click.ParamType[datetime]):
    """A date or a time, ISO 8601; see :func:`zoned` for one without a time zone."""

    name = "date"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read it."""
        try:
            at = datetime.fromisoformat(str(value))
            # Some of the first and last years exist in no other zone.
            at.astimezone(UTC)
        except ValueError:
            self.fail(
                f"{value!r} is not an ISO 8601 date or time, such as 2026-11-01"
                " or 2026-11-01T08:00+01:00",
                param,
                ctx,
            )
        except OverflowError:
            self.fail(f"{value!r} is too far from our time", param, ctx)
        return at


def zoned(at: datetime | None, *, utc: bool) -> datetime | None:
    """Give a time its zone, where it has none, and turn it into UTC."""
    if at is None:
        return None
    if at.tzinfo is None and utc:
        return at.replace(tzinfo=UTC)
    return at.astimezone(UTC)


def shown(at: datetime | None, *, utc: bool) -> str:
    """Write a time with its zone, to the second."""
    if at is None:
        return "-"
    return at.astimezone(UTC if utc else None).isoformat(timespec="seconds")
