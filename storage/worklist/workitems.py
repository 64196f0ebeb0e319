"""The queue: Unified Procedure Steps from their schedule to their end.

A Workitem goes from SCHEDULED through IN PROGRESS to COMPLETED or CANCELED (DICOM
PS3.4 CC.1.1). What it leaves to be sent is the outbox's; who changes both does so in
one transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, exists, select

from storage.database import Transaction
from storage.errors import UnknownRecord
from storage.events import record, record_workitem
from storage.inputs import add_inputs, complete_workitem
from storage.records import (
    GIVEN_UP,
    AttemptOutcome,
    Cause,
    DeliveryState,
    EventKind,
    ModelName,
    ProcedureStepState,
    Reason,
    Stage,
    Workitem,
)
from storage.rows import values_of_model, values_of_workitem
from storage.schema import delivery, workitem
from storage.signals import Topic
from storage.worklist.transitions import (
    CANCEL_REQUESTED,
    IS_DELIVERING,
    IS_KEY,
    IS_QUEUED,
    end_attempts,
    end_without_results,
    own,
    read,
    update,
)

RECALLED = Reason("RECALLED", "The model's results were called back.", Cause.REQUEST)

_INSERT = workitem.insert()
_LOCK = select(workitem.c.workitem_uid).where(IS_KEY).with_for_update()
_DELIVERED = (
    DeliveryState.SENT,
    DeliveryState.COMMITTED,
    DeliveryState.COMMITMENT_FAILED,
    DeliveryState.SUPERSEDED,
)
_COMPLETE = workitem.update().where(
    IS_DELIVERING,
    ~exists().where(
        delivery.c.workitem_uid == workitem.c.workitem_uid,
        delivery.c.required,
        delivery.c.state.not_in(_DELIVERED),
    ),
)
_COMPLETED = (workitem.c.workitem_uid, workitem.c.sop_instance_uid)
_COMPLETE_ALL = _COMPLETE.returning(*_COMPLETED)
_COMPLETE_ONE = _COMPLETE.where(IS_KEY).returning(*_COMPLETED)
_GIVEN_UP = (
    select(workitem.c.workitem_uid, delivery.c.destination)
    .join(delivery, delivery.c.workitem_uid == workitem.c.workitem_uid)
    .where(
        IS_DELIVERING,
        delivery.c.required,
        delivery.c.state == DeliveryState.FAILED,
    )
)
_ENDING = {"state": ProcedureStepState.COMPLETED, "stage": Stage.DONE}


def insert(tx: Transaction, new: Workitem) -> None:
    """Remember a new Workitem, in whatever state."""
    tx.execute(_INSERT, values_of_workitem(new))
    add_inputs(tx, new)
    record_workitem(tx, EventKind.SCHEDULED, new.scheduled_at, new)


def schedule(tx: Transaction, new: Workitem) -> None:
    """Put a Workitem into the queue."""
    insert(tx, new)
    tx.announce(Topic.WORK)


def get(tx: Transaction, workitem_uid: str) -> Workitem:
    """Look a Workitem up.

    Raises
    ------
    UnknownRecord
        There is no such Workitem.
    """
    return read(tx, workitem_uid, lock=False)


def find(tx: Transaction, sop_instance_uid: str) -> Workitem | None:
    """Find the current Workitem of an Instance."""
    statement = select(workitem).where(
        workitem.c.sop_instance_uid == sop_instance_uid,
        workitem.c.replaced_by.is_(None),
    )
    row = tx.execute(statement).mappings().one_or_none()
    return None if row is None else complete_workitem(tx, row)


def settle(  # noqa: PLR0913  one settlement is one call
    tx: Transaction,
    workitem_uid: str,
    transaction_uid: str,
    *,
    result: Mapping[str, Any],
    model: ModelName | None,
    maker: str | None,
    now: datetime,
) -> bool:
    """Record what was found and who found it; harmless when done before.

    What shall be sent goes into the outbox next, in the same transaction; then
    :func:`complete_if_delivered` looks whether anything is waited for. When somebody
    asked to cancel meanwhile, the Workitem is canceled instead.

    Parameters
    ----------
    model, maker
        Whose results they are; see :class:`~storage.records.Workitem`.

    Returns
    -------
    bool
        Whether this call settled it; else nothing shall be sent.

    Raises
    ------
    LeaseLost
        It is no longer this worker's.
    """
    item = read(tx, workitem_uid, lock=True)
    if item.transaction_uid == transaction_uid and item.analyzed_at is not None:
        return False
    item = own(tx, workitem_uid, transaction_uid)
    if item.cancel_requested:
        end_without_results(tx, item, CANCEL_REQUESTED, now)
        return False
    update(
        tx,
        workitem_uid,
        stage=Stage.DELIVERING,
        lease_until=None,
        analyzed_at=now,
        result=dict(result),
        maker=maker,
        **values_of_model(model),
    )
    end_attempts(tx, [workitem_uid], now, AttemptOutcome.SETTLED)
    record_workitem(tx, EventKind.SETTLED, now, item)
    return True


def cancel(
    tx: Transaction,
    workitem_uid: str,
    reason: Reason,
    now: datetime,
    transaction_uid: str | None = None,
) -> bool:
    """End a Workitem without results; harmless when its worker did so before.

    What is still to be sent of it is taken out of the outbox next, in the same
    transaction.

    Parameters
    ----------
    transaction_uid
        Of the worker that cancels; an administrator has none and always may.

    Returns
    -------
    bool
        Whether this call ended it.

    Raises
    ------
    LeaseLost
        It is no longer this worker's.
    TransitionRefused
        It ended already.
    """
    item = read(tx, workitem_uid, lock=True)
    if transaction_uid is not None:
        if (item.state, item.transaction_uid) == (
            ProcedureStepState.CANCELED,
            transaction_uid,
        ):
            return False
        own(tx, workitem_uid, transaction_uid)
    end_without_results(tx, item, reason, now)
    return True


def request_cancel(tx: Transaction, workitem_uid: str, now: datetime) -> Workitem:
    """Ask for cancellation (PS3.4 CC.2.2).

    It happens at once unless a worker is at it; then when the worker next reports.
    What is still to be sent is taken out of the outbox as by :func:`cancel`.

    Raises
    ------
    TransitionRefused
        It ended already.
    """
    item = read(tx, workitem_uid, lock=True)
    if item.stage is not Stage.ANALYZING:
        return end_without_results(tx, item, CANCEL_REQUESTED, now)
    update(tx, workitem_uid, cancel_requested=True)
    return get(tx, workitem_uid)


def recall(
    tx: Transaction,
    workitem_uid: str,
    *,
    note_uid: str | None,
    reason: str,
    now: datetime,
) -> None:
    """Mark a Workitem's results as called back, and end what is being delivered.

    Parameters
    ----------
    note_uid
        The rejection note, if somebody has anything.
    reason
        ``quality`` or ``safety``.
    """
    item = read(tx, workitem_uid, lock=True)
    if item.stage is Stage.DELIVERING:
        end_without_results(tx, item, RECALLED, now)
    update(
        tx,
        workitem_uid,
        recalled_at=now,
        recall_reason=reason,
        rejection_note_uid=note_uid,
    )
    record_workitem(tx, EventKind.RECALLED, now, item, reason=reason)


def hasten(tx: Transaction, workitem_uid: str, priority: int) -> None:
    """Put a queued Workitem at least so far ahead in the queue."""
    tx.execute(
        workitem.update()
        .where(
            workitem.c.workitem_uid == workitem_uid,
            IS_QUEUED,
            workitem.c.priority < priority,
        )
        .values(priority=priority)
    )


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
    return _record_completed(tx, tx.execute(_COMPLETE_ONE, ending).mappings(), now) == 1


def complete_delivered(tx: Transaction, now: datetime) -> int:
    """Complete every Workitem whose required deliveries have all arrived."""
    ended = tx.execute(_COMPLETE_ALL, _ENDING | {"ended_at": now})
    return _record_completed(tx, ended.mappings(), now)


def end_given_up(
    tx: Transaction, now: datetime, workitem_uid: str | None = None
) -> list[Workitem]:
    """End as failed what waits for a required delivery that was given up.

    What is still on its way to others goes on; see
    :func:`storage.worklist.repeats.resume` for the way back.

    Parameters
    ----------
    workitem_uid
        Only this one; all without it.

    Returns
    -------
    list
        The Workitems that this call ended.
    """
    statement = _GIVEN_UP
    if workitem_uid is not None:
        statement = statement.where(workitem.c.workitem_uid == workitem_uid)
    lost: dict[str, set[str]] = {}
    for uid, destination in tx.execute(statement).all():
        lost.setdefault(uid, set()).add(destination)
    ended = []
    for uid, destinations in sorted(lost.items()):
        item = read(tx, uid, lock=True)
        if item.stage is Stage.DELIVERING:
            reason = _given_up(sorted(destinations))
            ended.append(end_without_results(tx, item, reason, now))
    return ended


def _given_up(destinations: Sequence[str]) -> Reason:
    names = ", ".join(destinations)
    return Reason(
        GIVEN_UP,
        f"A required result was not delivered to {names} and is given up;"
        " a retry sends what is stored, without the model.",
        Cause.FAILURE,
    )


def _record_completed(
    tx: Transaction, rows: Iterable[RowMapping], now: datetime
) -> int:
    uids = [dict(row) for row in rows]
    for about in uids:
        record(tx, EventKind.COMPLETED, now, **about)
    return len(uids)
