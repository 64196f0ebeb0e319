"""The queue: Unified Procedure Steps and how their state changes.

A Workitem goes from SCHEDULED through IN PROGRESS to COMPLETED or CANCELED (DICOM
PS3.4 CC.1.1); its Transaction UID is the key of whoever works on it. Inside IN
PROGRESS it may be queued again, for another Attempt.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    bindparam,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
)

from storage.database import Transaction
from storage.errors import (
    LeaseLost,
    ObjectMissing,
    TransitionRefused,
    UnknownRecord,
)
from storage.jobs import counts, get_job, list_jobs
from storage.outbox import add_deliveries, add_evidence
from storage.records import (
    TRANSITIONS,
    Cause,
    DeliveryState,
    Evidence,
    NewDelivery,
    ProcedureStepState,
    Reason,
    Stage,
    Workitem,
)
from storage.schema import (
    attempt,
    delivery,
    instance,
    values_of_reason,
    values_of_workitem,
    workitem,
    workitem_of,
)
from storage.schema import evidence as evidence_table
from storage.signals import Topic

__all__ = [
    "cancel",
    "claim",
    "complete_delivered",
    "complete_if_delivered",
    "counts",
    "find",
    "get",
    "get_job",
    "heartbeat",
    "list_jobs",
    "next_claim_at",
    "reap",
    "request_cancel",
    "retry",
    "retry_later",
    "schedule",
    "settle",
]

CANCEL_REQUESTED = Reason(
    "CANCEL_REQUESTED", "An administrator canceled it.", Cause.REQUEST
)
ATTEMPTS_EXHAUSTED = Reason(
    "ATTEMPTS_EXHAUSTED", "Every attempt ended without an answer from its worker."
)

# Written out, not bound, so that the partial indexes of these stages are used.
_IS_QUEUED = workitem.c.stage == literal_column("'queued'")
_IS_ANALYZING = workitem.c.stage == literal_column("'analyzing'")
_IS_DELIVERING = workitem.c.stage == literal_column("'delivering'")
_DELIVERED = (DeliveryState.SENT, DeliveryState.COMMITTED, DeliveryState.SUPERSEDED)

_IS_KEY = workitem.c.workitem_uid == bindparam("key")
_INSERT = workitem.insert()
_SELECT = select(workitem).where(_IS_KEY)
_SELECT_LOCKED = _SELECT.with_for_update()
_LOCK = select(workitem.c.workitem_uid).where(_IS_KEY).with_for_update()
_UPDATE = workitem.update().where(_IS_KEY)
_HEARTBEAT = _UPDATE.where(
    workitem.c.transaction_uid == bindparam("owner"), _IS_ANALYZING
).returning(workitem.c.cancel_requested)
_COMPLETE = workitem.update().where(
    _IS_DELIVERING,
    ~exists().where(
        delivery.c.workitem_uid == workitem.c.workitem_uid,
        delivery.c.required,
        delivery.c.state.not_in(_DELIVERED),
    ),
)
_ENDING = {"state": ProcedureStepState.COMPLETED, "stage": Stage.DONE}


def schedule(tx: Transaction, new: Workitem) -> None:
    """Put a Workitem into the queue."""
    tx.execute(_INSERT, values_of_workitem(new))
    tx.announce(Topic.WORK)


def get(tx: Transaction, workitem_uid: str) -> Workitem:
    """Look a Workitem up.

    Raises
    ------
    UnknownRecord
        There is no such Workitem.
    """
    return _one(tx, workitem_uid, lock=False)


def find(tx: Transaction, sop_instance_uid: str) -> Workitem | None:
    """Find the current Workitem of an Instance."""
    statement = select(workitem).where(
        workitem.c.sop_instance_uid == sop_instance_uid,
        workitem.c.replaced_by.is_(None),
    )
    row = tx.execute(statement).mappings().one_or_none()
    return None if row is None else workitem_of(row)


def claim(
    tx: Transaction,
    *,
    worker: str,
    limit: int,
    lease_s: float,
    now: datetime,
    new_uid: Callable[[], str],
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
    """
    ready = (
        select(workitem.c.workitem_uid)
        .where(
            _IS_QUEUED,
            ~workitem.c.cancel_requested,
            or_(workitem.c.not_before.is_(None), workitem.c.not_before <= now),
        )
        .order_by(workitem.c.priority.desc(), workitem.c.scheduled_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    uids = list(tx.execute(ready).scalars())
    if not uids:
        return []
    transaction_uids = {uid: new_uid() for uid in uids}
    claimed = tx.execute(
        workitem.update()
        .where(workitem.c.workitem_uid.in_(uids), _IS_QUEUED)
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
    found = [workitem_of(row) for row in claimed.mappings()]
    _begin_attempts(tx, found, worker, now)
    return sorted(found, key=lambda item: uids.index(item.workitem_uid))


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
        raise _lost(workitem_uid)
    return bool(beat)


def retry_later(
    tx: Transaction,
    workitem_uid: str,
    transaction_uid: str,
    *,
    not_before: datetime,
    error: str,
    now: datetime,
) -> None:
    """End this Attempt and queue the Workitem for another; it stays IN PROGRESS.

    Raises
    ------
    LeaseLost
        It is no longer this worker's.
    """
    item = _own(tx, workitem_uid, transaction_uid)
    if item.cancel_requested:
        _cancel(tx, item, CANCEL_REQUESTED, now)
        return
    _update(tx, workitem_uid, **_QUEUED_AGAIN, not_before=not_before)
    _end_attempts(tx, [workitem_uid], now, "retry", error)
    if not_before <= now:
        tx.announce(Topic.WORK)


def settle(  # noqa: PLR0913 - one settlement is one call
    tx: Transaction,
    workitem_uid: str,
    transaction_uid: str,
    *,
    evidence: Sequence[Evidence],
    deliveries: Sequence[NewDelivery],
    result: Mapping[str, Any],
    now: datetime,
) -> Workitem:
    """Record the results and what is to be sent; harmless when done before.

    An Evidence whose SOP Instance UID was stored before keeps the bytes of then:
    one UID never stands for two contents. When somebody asked to cancel meanwhile,
    the Workitem is canceled instead.

    Returns
    -------
    Workitem
        As it is now; COMPLETED when no delivery is required.

    Raises
    ------
    LeaseLost
        It is no longer this worker's.
    """
    item = _one(tx, workitem_uid, lock=True)
    if item.transaction_uid == transaction_uid and item.analyzed_at is not None:
        return item
    item = _own(tx, workitem_uid, transaction_uid)
    if item.cancel_requested:
        return _cancel(tx, item, CANCEL_REQUESTED, now)
    add_evidence(tx, workitem_uid, evidence)
    add_deliveries(tx, workitem_uid, deliveries, now)
    _update(
        tx,
        workitem_uid,
        stage=Stage.DELIVERING,
        lease_until=None,
        analyzed_at=now,
        result=dict(result),
    )
    _end_attempts(tx, [workitem_uid], now, "settled")
    complete_if_delivered(tx, workitem_uid, now)
    tx.announce(Topic.DELIVERY)
    return get(tx, workitem_uid)


def cancel(
    tx: Transaction,
    workitem_uid: str,
    reason: Reason,
    now: datetime,
    transaction_uid: str | None = None,
) -> Workitem:
    """End a Workitem without results; what is still to be sent of it is not sent.

    Parameters
    ----------
    transaction_uid
        Of the worker that cancels; an administrator has none and always may.

    Raises
    ------
    LeaseLost
        It is no longer this worker's.
    TransitionRefused
        It ended already.
    """
    item = _one(tx, workitem_uid, lock=True)
    if transaction_uid is not None:
        if (item.state, item.transaction_uid) == (
            ProcedureStepState.CANCELED,
            transaction_uid,
        ):
            return item
        _own(tx, workitem_uid, transaction_uid)
    return _cancel(tx, item, reason, now)


def request_cancel(tx: Transaction, workitem_uid: str, now: datetime) -> Workitem:
    """Ask for cancellation (PS3.4 CC.2.2).

    It happens at once unless a worker is at it; then when the worker next reports.

    Raises
    ------
    TransitionRefused
        It ended already.
    """
    item = _one(tx, workitem_uid, lock=True)
    if item.stage is not Stage.ANALYZING:
        return _cancel(tx, item, CANCEL_REQUESTED, now)
    _update(tx, workitem_uid, cancel_requested=True)
    return get(tx, workitem_uid)


def reap(tx: Transaction, now: datetime, *, max_attempts: int | None = None) -> int:
    """Queue again what silent workers had claimed.

    Parameters
    ----------
    max_attempts
        A Workitem that had as many is canceled: it may be what kills its workers.

    Returns
    -------
    int
        How many leases had expired.
    """
    rows = tx.execute(
        workitem.update()
        .where(_IS_ANALYZING, workitem.c.lease_until < now)
        .values(_QUEUED_AGAIN)
        .returning(workitem)
    ).mappings()
    expired = [workitem_of(row) for row in rows]
    _end_attempts(tx, [item.workitem_uid for item in expired], now, "lease expired")
    for item in expired:
        if item.cancel_requested:
            _cancel(tx, item, CANCEL_REQUESTED, now)
        elif max_attempts is not None and item.attempts >= max_attempts:
            _cancel(tx, item, ATTEMPTS_EXHAUSTED, now)
    if expired:
        tx.announce(Topic.WORK)
    return len(expired)


def next_claim_at(tx: Transaction) -> datetime | None:
    """Tell when the next queued Workitem may be claimed (it may be past)."""
    ready_at = func.coalesce(workitem.c.not_before, workitem.c.scheduled_at)
    statement = select(func.min(ready_at, type_=workitem.c.not_before.type))
    found: datetime | None = tx.execute(
        statement.where(_IS_QUEUED, ~workitem.c.cancel_requested)
    ).scalar_one()
    return found


def complete_if_delivered(tx: Transaction, workitem_uid: str, now: datetime) -> bool:
    """Complete a Workitem whose required deliveries have all arrived.

    Returns
    -------
    bool
        Whether this call completed it.
    """
    # The lock comes first: of two deliveries that end at the same time, the later
    # transaction then sees what the earlier one did.
    if tx.execute(_LOCK, {"key": workitem_uid}).first() is None:
        raise UnknownRecord(f"no workitem {workitem_uid}")
    ending = _ENDING | {"key": workitem_uid, "ended_at": now}
    return tx.execute(_COMPLETE.where(_IS_KEY), ending).rowcount == 1


def complete_delivered(tx: Transaction, now: datetime) -> int:
    """Complete every Workitem whose required deliveries have all arrived."""
    return tx.execute(_COMPLETE, _ENDING | {"ended_at": now}).rowcount


def retry(
    tx: Transaction, workitem_uid: str, now: datetime, new_uid: Callable[[], str]
) -> str:
    """Try again what failed, because an administrator says so.

    Failed deliveries are sent again, and inference is not repeated for them. For a
    canceled Workitem a new one is made, since it can never leave that state.

    Returns
    -------
    str
        UID of the Workitem that now stands for the job.

    Raises
    ------
    TransitionRefused
        Nothing of it has failed that could still be sent.
    ObjectMissing
        Retention deleted the image.
    """
    item = _one(tx, workitem_uid, lock=True)
    if item.state is ProcedureStepState.CANCELED and item.replaced_by is None:
        return _replace(tx, item, now, new_uid())
    again = tx.execute(
        delivery.update()
        .where(
            delivery.c.workitem_uid == workitem_uid,
            delivery.c.state == DeliveryState.FAILED,
            ~exists().where(
                evidence_table.c.workitem_uid == delivery.c.workitem_uid,
                evidence_table.c.sop_instance_uid == delivery.c.sop_instance_uid,
                evidence_table.c.object_removed_at.is_not(None),
            ),
        )
        .values(
            state=DeliveryState.PENDING, attempts=0, created_at=now, next_try_at=now
        )
    )
    if not again.rowcount:
        raise TransitionRefused(f"nothing of workitem {workitem_uid} has failed")
    tx.announce(Topic.DELIVERY)
    return workitem_uid


_QUEUED_AGAIN = {
    "stage": Stage.QUEUED,
    "transaction_uid": None,
    "worker": None,
    "lease_until": None,
}


def _one(tx: Transaction, workitem_uid: str, *, lock: bool) -> Workitem:
    statement = _SELECT_LOCKED if lock else _SELECT
    row = tx.execute(statement, {"key": workitem_uid}).mappings().one_or_none()
    if row is None:
        raise UnknownRecord(f"no workitem {workitem_uid}")
    return workitem_of(row)


def _own(tx: Transaction, workitem_uid: str, transaction_uid: str) -> Workitem:
    """Lock a Workitem that is being analysed under this Transaction UID."""
    item = _one(tx, workitem_uid, lock=True)
    if (item.stage, item.transaction_uid) != (Stage.ANALYZING, transaction_uid):
        raise _lost(workitem_uid)
    return item


def _lost(workitem_uid: str) -> LeaseLost:
    return LeaseLost(f"workitem {workitem_uid} is not this worker's any more")


def _update(tx: Transaction, workitem_uid: str, **values: Any) -> None:
    tx.execute(_UPDATE, values | {"key": workitem_uid})


def _cancel(tx: Transaction, item: Workitem, reason: Reason, now: datetime) -> Workitem:
    if ProcedureStepState.CANCELED not in TRANSITIONS[item.state]:
        raise TransitionRefused(
            f"workitem {item.workitem_uid} is {item.state} and cannot be canceled"
        )
    _update(
        tx,
        item.workitem_uid,
        state=ProcedureStepState.CANCELED,
        stage=Stage.CANCELED,
        lease_until=None,
        ended_at=now,
        **values_of_reason(reason),
    )
    tx.execute(
        delivery.update()
        .where(
            delivery.c.workitem_uid == item.workitem_uid,
            delivery.c.state == DeliveryState.PENDING,
        )
        .values(state=DeliveryState.CANCELED, lease_until=None)
    )
    _end_attempts(tx, [item.workitem_uid], now, "canceled", reason.text)
    return get(tx, item.workitem_uid)


def _replace(
    tx: Transaction, item: Workitem, now: datetime, new_workitem_uid: str
) -> str:
    removed = tx.execute(
        select(instance.c.object_removed_at).where(
            instance.c.sop_instance_uid == item.sop_instance_uid
        )
    ).scalar_one()
    if removed is not None:
        raise ObjectMissing(f"instance {item.sop_instance_uid} is deleted by now")
    _update(tx, item.workitem_uid, replaced_by=new_workitem_uid)
    schedule(
        tx,
        Workitem(
            workitem_uid=new_workitem_uid,
            sop_instance_uid=item.sop_instance_uid,
            state=ProcedureStepState.SCHEDULED,
            stage=Stage.QUEUED,
            scheduled_at=now,
            priority=item.priority,
        ),
    )
    return new_workitem_uid


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
        tx.execute(attempt.insert(), rows)


def _end_attempts(
    tx: Transaction,
    workitem_uids: Sequence[str],
    now: datetime,
    outcome: str,
    error: str | None = None,
) -> None:
    if not workitem_uids:
        return
    tx.execute(
        attempt.update()
        .where(attempt.c.workitem_uid.in_(workitem_uids), attempt.c.ended_at.is_(None))
        .values(ended_at=now, outcome=outcome, error=error)
    )
