"""What every change of a Workitem is made of: read it, own it, end it.

One row is one Unified Procedure Step; who holds its Transaction UID may change it
(DICOM PS3.4 CC.1.1).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, literal_column, select

from storage.database import Transaction
from storage.errors import LeaseLost, TransitionRefused, UnknownRecord
from storage.events import record_workitem
from storage.inputs import complete_workitem
from storage.records import (
    TRANSITIONS,
    AttemptOutcome,
    Cause,
    EventKind,
    ProcedureStepState,
    Reason,
    Stage,
    Workitem,
)
from storage.rows import values_of_reason
from storage.schema import attempt, workitem

CANCEL_REQUESTED = Reason(
    "CANCEL_REQUESTED", "An administrator canceled it.", Cause.REQUEST
)

# Written out, not bound, so that the partial indexes of these stages are used.
IS_QUEUED = workitem.c.stage == literal_column("'queued'")
IS_ANALYZING = workitem.c.stage == literal_column("'analyzing'")
IS_DELIVERING = workitem.c.stage == literal_column("'delivering'")
IS_KEY = workitem.c.workitem_uid == bindparam("key")
UPDATE = workitem.update().where(IS_KEY)
_SELECT = select(workitem).where(IS_KEY)
_SELECT_LOCKED = _SELECT.with_for_update()


def read(tx: Transaction, workitem_uid: str, *, lock: bool) -> Workitem:
    """Look a Workitem up; with ``lock`` nobody else changes it meanwhile."""
    statement = _SELECT_LOCKED if lock else _SELECT
    row = tx.execute(statement, {"key": workitem_uid}).mappings().one_or_none()
    if row is None:
        raise UnknownRecord(f"no workitem {workitem_uid}")
    return complete_workitem(tx, row)


def own(tx: Transaction, workitem_uid: str, transaction_uid: str) -> Workitem:
    """Lock a Workitem that is being analysed under this Transaction UID."""
    item = read(tx, workitem_uid, lock=True)
    if (item.stage, item.transaction_uid) != (Stage.ANALYZING, transaction_uid):
        raise lost(workitem_uid)
    return item


def lost(workitem_uid: str) -> LeaseLost:
    """Make the error that tells a worker to drop what it did."""
    return LeaseLost(f"workitem {workitem_uid} is not this worker's any more")


def update(tx: Transaction, workitem_uid: str, **values: Any) -> None:
    """Set columns of a Workitem."""
    tx.execute(UPDATE, values | {"key": workitem_uid})


def end_without_results(
    tx: Transaction, item: Workitem, reason: Reason, now: datetime
) -> Workitem:
    """Cancel a Workitem and its Attempt."""
    if ProcedureStepState.CANCELED not in TRANSITIONS[item.state]:
        raise TransitionRefused(
            f"workitem {item.workitem_uid} is {item.state} and cannot be canceled"
        )
    update(
        tx,
        item.workitem_uid,
        state=ProcedureStepState.CANCELED,
        stage=Stage.CANCELED,
        lease_until=None,
        ended_at=now,
        **values_of_reason(reason),
    )
    end_attempts(tx, [item.workitem_uid], now, AttemptOutcome.CANCELED, reason.text)
    record_workitem(
        tx, EventKind.CANCELED, now, item, code=reason.code, cause=reason.cause
    )
    return read(tx, item.workitem_uid, lock=False)


def end_attempts(
    tx: Transaction,
    workitem_uids: Sequence[str],
    now: datetime,
    outcome: AttemptOutcome,
    error: str | None = None,
) -> None:
    """Write down how the Attempts in progress ended."""
    if not workitem_uids:
        return
    tx.execute(
        attempt.update()
        .where(attempt.c.workitem_uid.in_(workitem_uids), attempt.c.ended_at.is_(None))
        .values(ended_at=now, outcome=outcome, error=error)
    )
