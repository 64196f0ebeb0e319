"""How each destination does, from what was sent to it and what waits."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from storage.database import Transaction
from storage.records import DeliveryState
from storage.schema import delivery

_RECENT = 5_000
"""Among so many of the newest rows it is looked for when something was sent last."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one destination is still to get.

    Parameters
    ----------
    pending, waits_since
        How many objects wait, and since when.
    failed
        How many were given up.
    tries
        How often the one that was tried most was tried.
    next_try_at
        When something is tried next.
    last_error
        Of something that waits, or else of something that was given up.
    sent_at
        When it took something last; ``None`` where that is long ago.
    """

    pending: int = 0
    waits_since: datetime | None = None
    failed: int = 0
    tries: int = 0
    next_try_at: datetime | None = None
    last_error: str | None = None
    sent_at: datetime | None = None


def backlog(tx: Transaction, destination: str) -> Backlog:
    """Look at one destination's part of the outbox, by its indexes."""
    of_it = delivery.c.destination == destination
    is_pending = delivery.c.state == DeliveryState.PENDING
    created, due = delivery.c.created_at, delivery.c.next_try_at
    waiting = select(
        func.count(),
        func.min(created),
        func.max(delivery.c.attempts),
        func.min(due),
    ).where(of_it, is_pending)
    pending, since, tries, next_try = tx.execute(waiting).one()
    is_failed = delivery.c.state == DeliveryState.FAILED
    failed = tx.execute(select(func.count()).where(of_it, is_failed)).scalar_one()
    newest = select(func.max(delivery.c.delivery_id)).scalar_subquery()
    sent = select(func.max(delivery.c.sent_at)).where(
        delivery.c.delivery_id > newest - _RECENT, of_it
    )
    return Backlog(
        pending=pending,
        waits_since=since,
        failed=failed,
        tries=tries or 0,
        next_try_at=next_try,
        last_error=_error(tx, of_it, is_pending) or _error(tx, of_it, is_failed),
        sent_at=tx.execute(sent).scalar_one(),
    )


def _error(tx: Transaction, *conditions: Any) -> str | None:
    statement = (
        select(delivery.c.last_error)
        .where(*conditions, delivery.c.last_error.is_not(None))
        .order_by(delivery.c.delivery_id.desc())
        .limit(1)
    )
    found: str | None = tx.execute(statement).scalar_one_or_none()
    return found
