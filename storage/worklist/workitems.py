"""The queue: Unified Procedure Steps from their schedule to their end.

A Workitem goes from SCHEDULED through IN PROGRESS to COMPLETED or CANCELED (DICOM
PS3.4 CC.1.1). This is the module to import: the life of Attempts inside IN PROGRESS
and the listings have files of their own, and are found here too.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, select

from storage.database import Transaction
from storage.errors import UnknownRecord
from storage.outbox.evidence import add_deliveries, add_evidence
from storage.records import (
    DeliveryState,
    Evidence,
    NewDelivery,
    ProcedureStepState,
    Reason,
    Stage,
    Workitem,
)
from storage.schema import delivery, workitem, workitem_of
from storage.signals import Topic
from storage.worklist.attempts import (
    ATTEMPTS_EXHAUSTED,
    claim,
    heartbeat,
    next_claim_at,
    reap,
    retry_later,
)
from storage.worklist.jobs import counts, get_job, list_jobs
from storage.worklist.repeats import reprocess, reprocessable, retry
from storage.worklist.steps import (
    CANCEL_REQUESTED,
    IS_DELIVERING,
    IS_KEY,
    end_attempts,
    end_without_results,
    own,
    read,
    schedule,
    update,
)

__all__ = [
    "ATTEMPTS_EXHAUSTED",
    "CANCEL_REQUESTED",
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
    "reprocess",
    "reprocessable",
    "request_cancel",
    "retry",
    "retry_later",
    "schedule",
    "settle",
]

_LOCK = select(workitem.c.workitem_uid).where(IS_KEY).with_for_update()
_DELIVERED = (DeliveryState.SENT, DeliveryState.COMMITTED, DeliveryState.SUPERSEDED)
_COMPLETE = workitem.update().where(
    IS_DELIVERING,
    ~exists().where(
        delivery.c.workitem_uid == workitem.c.workitem_uid,
        delivery.c.required,
        delivery.c.state.not_in(_DELIVERED),
    ),
)
_ENDING = {"state": ProcedureStepState.COMPLETED, "stage": Stage.DONE}


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
    return None if row is None else workitem_of(row)


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
    item = read(tx, workitem_uid, lock=True)
    if item.transaction_uid == transaction_uid and item.analyzed_at is not None:
        return item
    item = own(tx, workitem_uid, transaction_uid)
    if item.cancel_requested:
        return end_without_results(tx, item, CANCEL_REQUESTED, now)
    add_evidence(tx, workitem_uid, evidence)
    add_deliveries(tx, workitem_uid, deliveries, now)
    update(
        tx,
        workitem_uid,
        stage=Stage.DELIVERING,
        lease_until=None,
        analyzed_at=now,
        result=dict(result),
    )
    end_attempts(tx, [workitem_uid], now, "settled")
    complete_if_delivered(tx, workitem_uid, now)
    tx.announce(Topic.DELIVERY)
    return get(tx, workitem_uid)


def cancel(  # noqa: PLR0913  one end is one call
    tx: Transaction,
    workitem_uid: str,
    reason: Reason,
    now: datetime,
    transaction_uid: str | None = None,
    *,
    evidence: Sequence[Evidence] = (),
    deliveries: Sequence[NewDelivery] = (),
) -> Workitem:
    """End a Workitem without results; what is still to be sent of it is not sent.

    Parameters
    ----------
    transaction_uid
        Of the worker that cancels; an administrator has none and always may.
    evidence, deliveries
        Objects that say why, and who gets them.

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
            return item
        own(tx, workitem_uid, transaction_uid)
    ended = end_without_results(tx, item, reason, now)
    add_evidence(tx, workitem_uid, evidence)
    if deliveries:
        add_deliveries(tx, workitem_uid, deliveries, now)
        tx.announce(Topic.DELIVERY)
    return ended


def request_cancel(tx: Transaction, workitem_uid: str, now: datetime) -> Workitem:
    """Ask for cancellation (PS3.4 CC.2.2).

    It happens at once unless a worker is at it; then when the worker next reports.

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
    return tx.execute(_COMPLETE.where(IS_KEY), ending).rowcount == 1


def complete_delivered(tx: Transaction, now: datetime) -> int:
    """Complete every Workitem whose required deliveries have all arrived."""
    return tx.execute(_COMPLETE, _ENDING | {"ended_at": now}).rowcount
