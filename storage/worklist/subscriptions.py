"""Who hears of which Workitem, and the reports that wait for them.

The state of an AE towards a Workitem is that of its own row, else that of the row for
the whole worklist (DICOM PS3.4 Table CC.2.3-2): nobody writes a million rows because
somebody watches the worklist. Reports are an outbox: a row for each, removed when
the subscriber has taken it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import RowMapping, func, select, update

from storage.database import Transaction
from storage.schema import event, event_reader, event_report, subscription
from storage.signals import Topic
from storage.worklist.pushed import FILTERED, GLOBAL

_READER = "subscribers"


class Channel(StrEnum):
    """How a subscriber is told."""

    DIMSE = "dimse"
    WEB_SOCKET = "websocket"


@dataclass(frozen=True, slots=True)
class Subscription:
    """That an AE hears of a Workitem or the worklist, or does not.

    Parameters
    ----------
    scope
        UID of a Workitem, or one of the two for the worklist.
    is_subscribed
        ``False``: not of this Workitem, whatever the worklist's row says.
    matching_keys
        Of a filtered subscription, as a data set (PS3.18 F.2).
    is_by_filter
        Whether a filter made the row, not the AE itself.
    suspended_at
        Workitems that are created later are not heard of.
    """

    ae_title: str
    scope: str
    channel: Channel
    is_subscribed: bool = True
    deletion_lock: bool = False
    matching_keys: Mapping[str, Any] | None = None
    is_by_filter: bool = False
    suspended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventReport:
    """One report for one subscriber."""

    report_id: int
    ae_title: str
    channel: Channel
    workitem_uid: str
    event_type: int
    information: Mapping[str, Any]
    created_at: datetime
    attempts: int


def put(tx: Transaction, new: Subscription) -> None:
    """Write a row, in the place of the one before; the first of all starts the reader.

    Events that happened before anybody subscribed are nobody's.
    """
    values = {name: getattr(new, name) for name in _FIELDS}
    if tx.execute(select(subscription.c.scope).limit(1)).first() is None:
        _start_reading(tx)
    remove(tx, new.ae_title, new.scope)
    tx.execute(tx.insert_new(subscription), values)  # a twin may be first


def remove(tx: Transaction, ae_title: str, scope: str) -> bool:
    """Remove a row, if there is one."""
    gone = tx.execute(
        subscription.delete().where(
            subscription.c.ae_title == ae_title, subscription.c.scope == scope
        )
    )
    return gone.rowcount > 0


def remove_all(tx: Transaction, ae_title: str, *, by_filter: bool = False) -> bool:
    """Remove every row of an AE, or those that its filter made."""
    statement = subscription.delete().where(subscription.c.ae_title == ae_title)
    if by_filter:
        statement = statement.where(subscription.c.is_by_filter)
    return tx.execute(statement).rowcount > 0


def forgive(tx: Transaction, ae_title: str) -> None:
    """Forget which Workitems an AE did not want to hear of."""
    tx.execute(
        subscription.delete().where(
            subscription.c.ae_title == ae_title, ~subscription.c.is_subscribed
        )
    )


def suspend(tx: Transaction, ae_title: str, scope: str, now: datetime) -> bool:
    """Let an AE hear of no Workitem that is created from now on."""
    changed = tx.execute(
        update(subscription)
        .where(
            subscription.c.ae_title == ae_title,
            subscription.c.scope == scope,
            subscription.c.suspended_at.is_(None),
        )
        .values(suspended_at=now)
    )
    return changed.rowcount > 0


def find(tx: Transaction, ae_title: str, scope: str) -> Subscription | None:
    """Look a row up."""
    row = (
        tx.execute(
            select(subscription).where(
                subscription.c.ae_title == ae_title, subscription.c.scope == scope
            )
        )
        .mappings()
        .one_or_none()
    )
    return None if row is None else _subscription_of(row)


def filters(tx: Transaction) -> list[Subscription]:
    """List the filters that future Workitems are held against."""
    statement = select(subscription).where(
        subscription.c.scope == FILTERED, subscription.c.suspended_at.is_(None)
    )
    return [_subscription_of(row) for row in tx.execute(statement).mappings()]


def everybody(tx: Transaction) -> dict[str, Channel]:
    """List who is subscribed to anything at all, and how each is told."""
    statement = select(subscription.c.ae_title, subscription.c.channel).where(
        subscription.c.is_subscribed
    )
    return {title: Channel(channel) for title, channel in tx.execute(statement)}


def subscribers(
    tx: Transaction, workitem_uid: str, created_at: datetime
) -> list[Subscription]:
    """List who hears of a Workitem that was created then."""
    statement = select(subscription).where(
        subscription.c.scope.in_([workitem_uid, GLOBAL])
    )
    rows = [_subscription_of(row) for row in tx.execute(statement).mappings()]
    own = {one.ae_title: one for one in rows if one.scope == workitem_uid}
    for one in rows:
        early = one.suspended_at is None or created_at <= one.suspended_at
        if one.scope == GLOBAL and early:
            own.setdefault(one.ae_title, one)
    return [one for one in own.values() if one.is_subscribed]


def enqueue(
    tx: Transaction,
    to: Iterable[Subscription],
    workitem_uid: str,
    event_type: int,
    information: Mapping[str, Any],
    now: datetime,
) -> None:
    """Put a report into the outbox, once for each subscriber."""
    rows = [
        {
            "ae_title": one.ae_title,
            "channel": one.channel,
            "workitem_uid": workitem_uid,
            "event_type": event_type,
            "information": dict(information),
            "created_at": now,
            "attempts": 0,
            "next_try_at": now,
        }
        for one in to
    ]
    if rows:
        tx.execute(event_report.insert(), rows)
        tx.announce(Topic.REPORT)


def waiting(
    tx: Transaction, channel: Channel, ae_title: str, limit: int
) -> list[EventReport]:
    """Read the reports that wait for a subscriber, oldest first."""
    statement = (
        select(event_report)
        .where(event_report.c.channel == channel, event_report.c.ae_title == ae_title)
        .order_by(event_report.c.report_id)
        .limit(limit)
    )
    return [_report_of(row) for row in tx.execute(statement).mappings()]


def due(tx: Transaction, channel: Channel, now: datetime) -> list[str]:
    """List the AEs for whom reports wait that may be sent."""
    statement = (
        select(event_report.c.ae_title)
        .where(event_report.c.channel == channel)
        .group_by(event_report.c.ae_title)
        .having(func.min(event_report.c.next_try_at) <= now)
    )
    return sorted(tx.execute(statement).scalars())


def taken(tx: Transaction, report_ids: Iterable[int]) -> None:
    """Remove reports that their subscriber has."""
    tx.execute(
        event_report.delete().where(event_report.c.report_id.in_(list(report_ids)))
    )


def put_off(tx: Transaction, channel: Channel, ae_title: str, until: datetime) -> None:
    """Try the reports of a subscriber again later."""
    tx.execute(
        update(event_report)
        .where(event_report.c.channel == channel, event_report.c.ae_title == ae_title)
        .values(next_try_at=until, attempts=event_report.c.attempts + 1)
    )


def drop(tx: Transaction, before: datetime, most: int) -> int:
    """Remove reports that are too old, or too many for one subscriber.

    Returns
    -------
    int
        How many were given up.
    """
    gone = tx.execute(
        event_report.delete().where(event_report.c.created_at < before)
    ).rowcount
    crowded = (
        select(event_report.c.ae_title)
        .group_by(event_report.c.ae_title)
        .having(func.count() > most)
    )
    for title in list(tx.execute(crowded).scalars()):
        newest = (
            select(event_report.c.report_id)
            .where(event_report.c.ae_title == title)
            .order_by(event_report.c.report_id.desc())
            .offset(most)
            .limit(1)
        )
        last = tx.execute(newest).scalar_one()
        gone += tx.execute(
            event_report.delete().where(
                event_report.c.ae_title == title, event_report.c.report_id <= last
            )
        ).rowcount
    return gone


def read_until(tx: Transaction, *, lock: bool = True) -> int | None:
    """Tell up to which event subscribers were told; ``None`` when nobody subscribed.

    With ``lock`` nobody else reads on meanwhile.
    """
    if tx.execute(select(subscription.c.scope).limit(1)).first() is None:
        return None
    statement = select(event_reader.c.event_id).where(event_reader.c.name == _READER)
    if lock:
        statement = statement.with_for_update()
    reached: int | None = tx.execute(statement).scalar_one_or_none()
    return reached


def reached(tx: Transaction, event_id: int) -> None:
    """Remember up to which event subscribers were told."""
    tx.execute(
        update(event_reader)
        .where(event_reader.c.name == _READER)
        .values(event_id=event_id)
    )


def _start_reading(tx: Transaction) -> None:
    last = tx.execute(select(func.coalesce(func.max(event.c.event_id), 0))).scalar_one()
    tx.execute(tx.insert_new(event_reader), {"name": _READER, "event_id": last})
    reached(tx, last)


_FIELDS = tuple(subscription.c.keys())


def _subscription_of(row: RowMapping) -> Subscription:
    values = {name: row[subscription.c[name]] for name in _FIELDS}
    values["channel"] = Channel(values["channel"])
    return Subscription(**values)


def _report_of(row: RowMapping) -> EventReport:
    return EventReport(
        row[event_report.c.report_id],
        row[event_report.c.ae_title],
        Channel(row[event_report.c.channel]),
        row[event_report.c.workitem_uid],
        row[event_report.c.event_type],
        row[event_report.c.information],
        row[event_report.c.created_at],
        row[event_report.c.attempts],
    )
