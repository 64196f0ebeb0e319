"""Doing a job again: what failed, or what was done by another model.

A Unified Procedure Step never leaves its final state (DICOM PS3.4 CC.1.1), so a new
Workitem takes the place of the old one.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select

from storage.database import Transaction
from storage.errors import ObjectMissing, TransitionRefused
from storage.events import record_workitem
from storage.records import (
    GIVEN_UP,
    EventKind,
    ProcedureStepState,
    Stage,
    Workitem,
)
from storage.schema import instance, is_by_model, workitem
from storage.worklist.transitions import read, update
from storage.worklist.workitems import insert, schedule

_FINAL = (ProcedureStepState.COMPLETED, ProcedureStepState.CANCELED)


def resume(
    tx: Transaction, workitem_uid: str, now: datetime, new_uid: Callable[[], str]
) -> str | None:
    """Make a new Workitem that delivers what a failed one could not.

    It is IN PROGRESS from its first moment, with the results that are stored: nobody
    analyses again. What is to be sent is handed over to it next, in the same
    transaction.

    Returns
    -------
    str or None
        UID of the new Workitem, or ``None`` where the old one did not fail for a
        delivery, was called back, or has been replaced.

    Raises
    ------
    UnknownRecord
        There is no such Workitem.
    """
    item = read(tx, workitem_uid, lock=True)
    given_up = item.reason is not None and item.reason.code == GIVEN_UP
    if not given_up or item.recalled_at is not None or item.replaced_by is not None:
        return None
    uid = new_uid()
    update(tx, item.workitem_uid, replaced_by=uid)
    record_workitem(tx, EventKind.REPLACED, now, item, by=uid)
    resumed = replace(
        item,
        workitem_uid=uid,
        state=ProcedureStepState.IN_PROGRESS,
        stage=Stage.DELIVERING,
        scheduled_at=now,
        transaction_uid=new_uid(),
        attempts=0,
        ended_at=None,
        reason=None,
    )
    insert(tx, resumed)
    record_workitem(tx, EventKind.SETTLED, now, resumed)
    return uid


def renew(
    tx: Transaction, workitem_uid: str, now: datetime, new_uid: Callable[[], str]
) -> str | None:
    """Make a new Workitem for a canceled one, which can never leave that state.

    Returns
    -------
    str or None
        UID of the new Workitem, or ``None`` where the old one was not canceled or
        has been replaced.

    Raises
    ------
    UnknownRecord
        There is no such Workitem.
    ObjectMissing
        Retention deleted the image.
    """
    item = read(tx, workitem_uid, lock=True)
    if item.state is not ProcedureStepState.CANCELED or item.replaced_by is not None:
        return None
    return _replace(tx, item, now, new_uid(), item.priority)


def reprocess(
    tx: Transaction,
    workitem_uid: str,
    now: datetime,
    new_uid: Callable[[], str],
    *,
    priority: int | None = None,
) -> str:
    """Analyse an image again that has been analysed, or was canceled.

    Parameters
    ----------
    priority
        Of the new Workitem; the old one's by default.

    Returns
    -------
    str
        UID of the new Workitem.

    Raises
    ------
    TransitionRefused
        It has not ended yet, or another Workitem took its place already.
    ObjectMissing
        Retention deleted the image.
    """
    item = read(tx, workitem_uid, lock=True)
    if item.replaced_by is not None:
        raise TransitionRefused(
            f"workitem {workitem_uid} was replaced by {item.replaced_by}"
        )
    if item.state not in _FINAL:
        raise TransitionRefused(f"workitem {workitem_uid} is {item.state}, not ended")
    chosen = item.priority if priority is None else priority
    return _replace(tx, item, now, new_uid(), chosen)


def reprocessable(
    tx: Transaction,
    *,
    since: datetime | None = None,
    model: tuple[str, str] | None = None,
) -> list[str]:
    """List current Workitems with results whose image is still here, oldest first.

    Parameters
    ----------
    since
        Only of images received then or later.
    model
        Only by the model of this name and version.
    """
    statement = (
        select(workitem.c.workitem_uid)
        .join_from(workitem, instance)
        .where(
            workitem.c.stage == Stage.DONE,
            workitem.c.replaced_by.is_(None),
            instance.c.object_removed_at.is_(None),
        )
        .order_by(instance.c.received_at, workitem.c.workitem_uid)
    )
    if since is not None:
        statement = statement.where(instance.c.received_at >= since)
    if model is not None:
        statement = statement.where(is_by_model(*model))
    return list(tx.execute(statement).scalars())


def _replace(
    tx: Transaction, item: Workitem, now: datetime, new_workitem_uid: str, priority: int
) -> str:
    removed = tx.execute(
        select(instance.c.object_removed_at).where(
            instance.c.sop_instance_uid == item.sop_instance_uid
        )
    ).scalar_one()
    if removed is not None:
        raise ObjectMissing(f"instance {item.sop_instance_uid} is deleted by now")
    update(tx, item.workitem_uid, replaced_by=new_workitem_uid)
    record_workitem(tx, EventKind.REPLACED, now, item, by=new_workitem_uid)
    schedule(
        tx,
        Workitem(
            workitem_uid=new_workitem_uid,
            sop_instance_uid=item.sop_instance_uid,
            state=ProcedureStepState.SCHEDULED,
            stage=Stage.QUEUED,
            scheduled_at=now,
            priority=priority,
            inputs=item.inputs,
        ),
    )
    return new_workitem_uid
