"""The outbox: every result object on its way to every destination.

A row is leased while somebody sends it, so that a crash delays a delivery and never
loses one. What a destination got twice is the same bytes under the same UID.
"""

import functools
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Executable,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
)

from storage.database import Transaction
from storage.errors import UnknownRecord
from storage.events import record
from storage.outbox.evidence import add_deliveries, add_evidence
from storage.records import (
    Delivery,
    DeliveryState,
    DueDelivery,
    EventKind,
    Evidence,
    NewDelivery,
)
from storage.rows import delivery_of, evidence_of
from storage.schema import delivery, evidence
from storage.signals import Topic

# Written out, not bound, so that the partial index of the outbox is used.
_IS_PENDING = delivery.c.state == literal_column("'PENDING'")
_PENDING_ROWS = delivery.update().where(_IS_PENDING)
_WAITS_SINCE = (
    delivery.update()
    .where(delivery.c.delivery_id == bindparam("key"))
    .values(created_at=bindparam("since"))
)
_PENDING = (DeliveryState.PENDING,)
_UNSENT = (DeliveryState.PENDING, DeliveryState.FAILED, DeliveryState.CANCELED)
_ABOUT = (
    delivery.c.workitem_uid,
    delivery.c.sop_instance_uid,
    delivery.c.destination,
)


def due(
    tx: Transaction,
    *,
    destination: str,
    limit: int,
    now: datetime,
    lease_s: float,
) -> list[DueDelivery]:
    """Lease what may be sent to a destination now, the longest waiting first.

    Parameters
    ----------
    limit
        How many at most.
    lease_s
        How long nobody else gets these rows.
    """
    ready = (
        select(delivery.c.delivery_id)
        .where(delivery.c.destination == destination, _is_ready(now))
        .order_by(delivery.c.next_try_at, delivery.c.delivery_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list(tx.execute(ready).scalars())
    if not ids:
        return []
    leased = tx.execute(
        delivery.update()
        .where(delivery.c.delivery_id.in_(ids), _is_ready(now))
        .values(
            lease_until=now + timedelta(seconds=lease_s),
            attempts=delivery.c.attempts + 1,
        )
        .returning(delivery.c.delivery_id)
    )
    return _read(tx, list(leased.scalars()))


def prolong(
    tx: Transaction, delivery_ids: Collection[int], lease_until: datetime
) -> None:
    """Keep rows that are still to be sent for whoever leased them."""
    if delivery_ids:
        tx.execute(
            delivery.update()
            .where(delivery.c.delivery_id.in_(delivery_ids), _IS_PENDING)
            .values(lease_until=lease_until)
        )


def get(tx: Transaction, delivery_id: int) -> Delivery:
    """Look a delivery up.

    Raises
    ------
    UnknownRecord
        There is no such delivery.
    """
    statement = select(delivery).where(delivery.c.delivery_id == delivery_id)
    row = tx.execute(statement).mappings().one_or_none()
    if row is None:
        raise UnknownRecord(f"no delivery {delivery_id}")
    return delivery_of(row)


def sent(tx: Transaction, delivery_id: int, *, status: int, now: datetime) -> bool:
    """Note that the destination has the object.

    Returns
    -------
    bool
        ``False`` when that was known.
    """
    values = {"sent_at": now, "last_status": status, "last_error": None}
    about = _settle(tx, delivery_id, _UNSENT, state=DeliveryState.SENT, **values)
    if about is not None:
        record(tx, EventKind.DELIVERY_SENT, now, **about, status=status)
    return about is not None


def failed(
    tx: Transaction,
    delivery_id: int,
    *,
    error: str,
    status: int | None = None,
    now: datetime,
) -> bool:
    """Give a delivery up; only an administrator's retry brings it back.

    Returns
    -------
    bool
        ``False`` when it was no longer pending.
    """
    about = _settle(
        tx,
        delivery_id,
        _PENDING,
        state=DeliveryState.FAILED,
        last_status=status,
        last_error=error,
    )
    if about is not None:
        record(tx, EventKind.DELIVERY_FAILED, now, **about, status=status)
    return about is not None


def try_again(
    tx: Transaction,
    delivery_id: int,
    *,
    next_try_at: datetime,
    error: str,
    status: int | None = None,
) -> bool:
    """Leave a delivery pending and say when it is due again.

    Returns
    -------
    bool
        ``False`` when it was no longer pending.
    """
    about = _settle(
        tx,
        delivery_id,
        _PENDING,
        next_try_at=next_try_at,
        last_status=status,
        last_error=error,
    )
    return about is not None


def hasten(tx: Transaction, destination: str, now: datetime) -> int:
    """Make everything that waits for a destination due: it is back.

    Returns
    -------
    int
        How many rows would have waited longer.
    """
    changed = tx.execute(
        delivery.update()
        .where(
            delivery.c.destination == destination,
            _IS_PENDING,
            delivery.c.next_try_at > now,
        )
        .values(next_try_at=now)
    ).rowcount
    if changed:
        tx.announce(Topic.DELIVERY)
    return changed


def bring_near(
    tx: Transaction,
    now: datetime,
    *,
    pause: timedelta,
    lease: timedelta,
    slack: timedelta,
) -> int:
    """Bring back what a clock that was ahead put too far into the future.

    Patience with a row begins no later than now.

    Parameters
    ----------
    pause, lease
        The longest that any row waits to be tried again, or is leased.
    slack
        What clocks may differ by: others read theirs at another moment.

    Returns
    -------
    int
        How many would have waited longer.
    """
    tx.execute(_PENDING_ROWS.where(delivery.c.created_at > now).values(created_at=now))
    waiting = _PENDING_ROWS.where(delivery.c.next_try_at > now + pause + slack)
    leased = _PENDING_ROWS.where(delivery.c.lease_until > now + lease + slack)
    changed: int = tx.execute(waiting.values(next_try_at=now)).rowcount
    changed += tx.execute(leased.values(lease_until=now + lease)).rowcount
    if changed:
        tx.announce(Topic.DELIVERY)
    return changed


def prolong_patience(tx: Transaction, by: timedelta, now: datetime) -> None:
    """Do not count time that did not pass: the clock was set forward."""
    waiting = (delivery.c.delivery_id, delivery.c.created_at)
    rows = [
        {"key": row.delivery_id, "since": min(now, row.created_at + by)}
        for row in tx.execute(select(*waiting).where(_IS_PENDING))
    ]
    if rows:
        tx.execute(_WAITS_SINCE, rows)


def superseded(
    tx: Transaction,
    delivery_id: int,
    *,
    by: Evidence,
    error: str | None = None,
    status: int | None = None,
    now: datetime,
) -> None:
    """Send another object instead, since the destination does not take this one.

    The other object is remembered, and due at once at the same destination.

    Raises
    ------
    UnknownRecord
        There is no such delivery.
    """
    row = get(tx, delivery_id)
    about = _settle(
        tx,
        delivery_id,
        _PENDING,
        state=DeliveryState.SUPERSEDED,
        superseded_by=by.sop_instance_uid,
        last_status=status,
        last_error=error,
    )
    if about is None:
        return
    add_evidence(tx, row.workitem_uid, [by])
    instead = NewDelivery(
        row.destination, by.sop_instance_uid, row.required, row.commitment
    )
    add_deliveries(tx, row.workitem_uid, [instead], now)
    instead_uid = by.sop_instance_uid
    record(tx, EventKind.DELIVERY_SUPERSEDED, now, **about, by=instead_uid)


def destinations_due(tx: Transaction, now: datetime) -> set[str]:
    """Name the destinations that something could be sent to now."""
    statement = select(delivery.c.destination).where(_is_ready(now)).distinct()
    return set(tx.execute(statement).scalars())


def next_due_at(tx: Transaction, destination: str | None = None) -> datetime | None:
    """Tell when the next row is due (it may be past), of one destination or any."""
    leased_longer = and_(
        delivery.c.lease_until.is_not(None),
        delivery.c.lease_until > delivery.c.next_try_at,
    )
    due_at = case((leased_longer, delivery.c.lease_until), else_=delivery.c.next_try_at)
    statement = select(func.min(due_at, type_=delivery.c.next_try_at.type))
    if destination is not None:
        statement = statement.where(delivery.c.destination == destination)
    found: datetime | None = tx.execute(statement.where(_IS_PENDING)).scalar_one()
    return found


def counts(tx: Transaction) -> dict[str, dict[DeliveryState, int]]:
    """Count the rows of each destination in each state."""
    columns = (delivery.c.destination, delivery.c.state)
    statement = select(*columns, func.count()).group_by(*columns)
    found: dict[str, dict[DeliveryState, int]] = {}
    for destination, state, number in tx.execute(statement):
        found.setdefault(destination, dict.fromkeys(DeliveryState, 0))
        found[destination][DeliveryState(state)] = number
    return found


def _is_ready(now: datetime) -> Any:
    return and_(
        _IS_PENDING,
        delivery.c.next_try_at <= now,
        or_(delivery.c.lease_until.is_(None), delivery.c.lease_until < now),
    )


def _read(tx: Transaction, delivery_ids: list[int]) -> list[DueDelivery]:
    same = and_(
        evidence.c.workitem_uid == delivery.c.workitem_uid,
        evidence.c.sop_instance_uid == delivery.c.sop_instance_uid,
    )
    statement = (
        select(delivery, evidence)
        .join_from(delivery, evidence, same)
        .where(delivery.c.delivery_id.in_(delivery_ids))
        .order_by(delivery.c.next_try_at, delivery.c.delivery_id)
    )
    return [
        DueDelivery(delivery_of(row), evidence_of(row))
        for row in tx.execute(statement).mappings()
    ]


def _settle(
    tx: Transaction, delivery_id: int, when: tuple[DeliveryState, ...], **values: Any
) -> dict[str, str] | None:
    """End a lease if the row is still in one of the given states; say whose it is."""
    changed = tx.execute(
        _update(when), values | {"key": delivery_id, "lease_until": None}
    )
    about = changed.mappings().one_or_none()
    if about is None:
        get(tx, delivery_id)
        return None
    return {str(name): value for name, value in about.items()}


@functools.cache
def _update(when: tuple[DeliveryState, ...]) -> Executable:
    return (
        delivery.update()
        .where(delivery.c.delivery_id == bindparam("key"), delivery.c.state.in_(when))
        .returning(*_ABOUT)
    )
