"""Who works on a Workitem, and for how long: claims, leases and Attempts.

A claim sets a Workitem IN PROGRESS under a new Transaction UID (DICOM PS3.4 CC.2.1);
its lease ends unless a heartbeat prolongs it, and then somebody else may try.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, case, func, or_, select

from storage.database import Transaction
from storage.events import record_workitem
from storage.inputs import complete_workitem
from storage.records import (
    AttemptOutcome,
    EventKind,
    ProcedureStepState,
    Stage,
    Workitem,
)
from storage.rows import workitem_of
from storage.schema import attempt, workitem
from storage.signals import Topic
from storage.worklist.transitions import (
    CANCEL_REQUESTED,
    IS_ANALYZING,
    IS_QUEUED,
    UPDATE,
    end_attempts,
    end_without_results,
    lost,
    own,
    update,
)

_BEGIN = attempt.insert()
_HEARTBEAT = UPDATE.where(
    workitem.c.transaction_uid == bindparam("owner"), IS_ANALYZING
).returning(workitem.c.cancel_requested)
_BY_URGENCY = (workitem.c.priority.desc(), workitem.c.scheduled_at)
_BY_WAITING = (workitem.c.scheduled_at,)
_QUEUED_AGAIN = {
    "stage": Stage.QUEUED,
    "transaction_uid": None,
    "worker": None,
    "lease_until": None,
}


def claim(  # noqa: PLR0913  one claim is one call
    tx: Transaction,
    *,
    worker: str,
    limit: int,
    lease_s: float,
    now: datetime,
    new_uid: Callable[[], str],
    longest_waiting: bool = False,
) -> list[Workitem]:
    """Claim Workitems that may be worked on, the most urgent first.

    What makes a claim exclusive is the one UPDATE that compares and sets; skipping
    locked rows only keeps claimers on PostgreSQL from waiting for each other.

    Parameters
    ----------
    worker
        Who claims, for people to read.
    limit
        How many at most.
    lease_s
        How long the claim holds without a heartbeat.
    new_uid
        Makes the Transaction UIDs.
    longest_waiting
        Whether one place goes to who waits longest, however urgent the others are.
    """
    uids = _ready(tx, _BY_WAITING, 1, now) if longest_waiting else []
    urgent = _ready(tx, _BY_URGENCY, limit, now)
    uids = [*uids, *(uid for uid in urgent if uid not in uids)][:limit]
    if not uids:
        return []
    transaction_uids = {uid: new_uid() for uid in uids}
    claimed = tx.execute(
        workitem.update()
        .where(workitem.c.workitem_uid.in_(uids), IS_QUEUED)
        .values(
            state=ProcedureStepState.IN_PROGRESS,
            stage=Stage.ANALYZING,
            transaction_uid=case(transaction_uids, value=workitem.c.workitem_uid),
            worker=worker,
            lease_until=now + timedelta(seconds=lease_s),
            not_before=None,
            attempts=workitem.c.attempts + 1,
            started_at=func.coalesce(workitem.c.started_at, now),
        )
        .returning(workitem)
    )
    found = [complete_workitem(tx, row) for row in claimed.mappings().all()]
    _begin_attempts(tx, found, worker, now)
    return sorted(found, key=lambda item: uids.index(item.workitem_uid))


def _ready(
    tx: Transaction, order: Sequence[Any], limit: int, now: datetime
) -> list[str]:
    """Name Workitems that may be claimed, the first of an order."""
    ready = (
        select(workitem.c.workitem_uid)
        .where(
            IS_QUEUED,
            ~workitem.c.cancel_requested,
            or_(workitem.c.not_before.is_(None), workitem.c.not_before <= now),
        )
        .order_by(*order)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(tx.execute(ready).scalars())


def heartbeat(
    tx: Transaction, workitem_uid: str, transaction_uid: str, lease_until: datetime
) -> bool:
    """Prolong a lease.

    Returns
    -------
    bool
        Whether somebody asked to cancel the Workitem.

    Raises
    ------
    LeaseLost
        It is no longer this worker's.
    """
    beat = tx.execute(
        _HEARTBEAT,
        {
            "key": workitem_uid,
            "owner": transaction_uid,
            "lease_until": lease_until,
        },
    ).scalar_one_or_none()
    if beat is None:
        raise lost(workitem_uid)
    return bool(beat)


def retry_later(  # noqa: PLR0913  one retry is one call
    tx: Transaction,
    workitem_uid: str,
    transaction_uid: str,
    *,
    not_before: datetime,
    error: str,
    now: datetime,
    outcome: AttemptOutcome = AttemptOutcome.RETRY,
) -> None:
    """End this Attempt and queue the Workitem for another; it stays IN PROGRESS.

    Parameters
    ----------
    outcome
        How this Attempt ended, for whoever decides about the next.

    Raises
    ------
    LeaseLost
        It is no longer this worker's.
    """
    item = own(tx, workitem_uid, transaction_uid)
    if item.cancel_requested:
        end_without_results(tx, item, CANCEL_REQUESTED, now)
        return
    update(tx, workitem_uid, **_QUEUED_AGAIN, not_before=not_before)
    end_attempts(tx, [workitem_uid], now, outcome, error)
    record_workitem(tx, EventKind.RETRIED_LATER, now, item, attempt=item.attempts)
    if not_before <= now:
        tx.announce(Topic.WORK)


def reap(tx: Transaction, now: datetime) -> int:
    """Queue again what silent workers had claimed.

    Returns
    -------
    int
        How many leases had expired.
    """
    rows = tx.execute(
        workitem.update()
        .where(IS_ANALYZING, workitem.c.lease_until < now)
        .values(_QUEUED_AGAIN)
        .returning(workitem)
    ).mappings()
    expired = [workitem_of(row) for row in rows]
    uids = [item.workitem_uid for item in expired]
    end_attempts(tx, uids, now, AttemptOutcome.LEASE_EXPIRED)
    for item in expired:
        record_workitem(tx, EventKind.LEASE_EXPIRED, now, item, attempt=item.attempts)
        if item.cancel_requested:
            end_without_results(tx, item, CANCEL_REQUESTED, now)
    if expired:
        tx.announce(Topic.WORK)
    return len(expired)


def bring_near(
    tx: Transaction,
    now: datetime,
    *,
    pause: timedelta,
    lease: timedelta,
    slack: timedelta,
) -> int:
    """Bring back what a clock that was ahead put too far into the future.

    Parameters
    ----------
    pause, lease
        The longest that any Workitem waits to be tried again, or is leased.
    slack
        What clocks may differ by: others read theirs at another moment.

    Returns
    -------
    int
        How many would have waited longer.
    """
    waiting = workitem.update().where(
        IS_QUEUED, workitem.c.not_before > now + pause + slack
    )
    claimed = workitem.update().where(
        IS_ANALYZING, workitem.c.lease_until > now + lease + slack
    )
    changed: int = tx.execute(waiting.values(not_before=now)).rowcount
    changed += tx.execute(claimed.values(lease_until=now + lease)).rowcount
    if changed:
        tx.announce(Topic.WORK)
    return changed


def next_claim_at(tx: Transaction) -> datetime | None:
    """Tell when the next queued Workitem may be claimed (it may be past)."""
    ready_at = func.coalesce(workitem.c.not_before, workitem.c.scheduled_at)
    statement = select(func.min(ready_at, type_=workitem.c.not_before.type))
    found: datetime | None = tx.execute(
        statement.where(IS_QUEUED, ~workitem.c.cancel_requested)
    ).scalar_one()
    return found


def _begin_attempts(
    tx: Transaction, items: Sequence[Workitem], worker: str, now: datetime
) -> None:
    rows = [
        {
            "workitem_uid": item.workitem_uid,
            "number": item.attempts,
            "worker": worker,
            "started_at": now,
        }
        for item in items
    ]
    if rows:
        tx.execute(_BEGIN, rows)
    for item in items:
        record_workitem(
            tx, EventKind.CLAIMED, now, item, worker=worker, attempt=item.attempts
        )
