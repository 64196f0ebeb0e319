"""Listings in pages: newest first, with a cursor that new rows do not disturb."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, literal, tuple_

from storage.database import Transaction
from storage.errors import CursorInvalid
from storage.schema import UtcDateTime

_SEPARATOR = "|"


def read_page(
    tx: Transaction,
    statement: Select[Any],
    order: tuple[ColumnElement[datetime], ColumnElement[str]],
    limit: int,
    cursor: str | None,
) -> tuple[list[RowMapping], str | None]:
    """Read the rows of one page.

    Parameters
    ----------
    statement
        Selects the rows, without an order.
    order
        The instant that sorts the rows, and the UID that breaks ties.
    limit
        How many rows at most, from 1.
    cursor
        Where the page before ended, or ``None`` for the first.

    Returns
    -------
    tuple
        The rows, and the cursor of the next page or ``None``.

    Raises
    ------
    CursorInvalid
        No page ever ended there.
    """
    instant, uid = order
    if cursor is not None:
        after_instant, after_uid = _decode(cursor)
        statement = statement.where(
            tuple_(instant, uid)
            < tuple_(literal(after_instant, UtcDateTime), literal(after_uid))
        )
    statement = statement.order_by(instant.desc(), uid.desc()).limit(max(limit, 1) + 1)
    rows = list(tx.execute(statement).mappings())
    if len(rows) <= max(limit, 1):
        return rows, None
    last = rows[-2]
    return rows[:-1], cursor_at(last[instant], last[uid])


def cursor_at(instant: datetime, uid: str) -> str:
    """Make the cursor of the page that follows a row."""
    return (
        base64.urlsafe_b64encode(f"{instant.isoformat()}{_SEPARATOR}{uid}".encode())
        .decode()
        .rstrip("=")
    )


def _decode(cursor: str) -> tuple[datetime, str]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        plain = base64.urlsafe_b64decode(padded).decode()
        instant, _, uid = plain.partition(_SEPARATOR)
        when = datetime.fromisoformat(instant)
        if when.tzinfo is None:
            raise CursorInvalid("the cursor is not one of a listing")
        when = when.astimezone(UTC)  # year 1 or 9999 may have no such instant
    except (binascii.Error, ValueError, OverflowError) as error:
        raise CursorInvalid("the cursor is not one of a listing") from error
    return when, uid
