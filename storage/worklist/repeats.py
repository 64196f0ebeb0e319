"""Doing a job again: what failed, or what was done by another model.

A Unified Procedure Step never leaves its final state (DICOM PS3.4 CC.1.1), so a new
Workitem takes the place of the old one.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import exists, select

from storage.database import Transaction
from storage.errors import ObjectMissing, TransitionRefused
from storage.records import DeliveryState, ProcedureStepState, Stage, Workitem
from storage.schema import delivery, instance, workitem
from storage.schema import evidence as evidence_table
from storage.signals import Topic
from storage.worklist.jobs import is_by_model
from storage.worklist.steps import read, schedule, update

_FINAL = (ProcedureStepState.COMPLETED, ProcedureStepState.CANCELED)


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
    item = read(tx, workitem_uid, lock=True)
    if item.state is ProcedureStepState.CANCELED and item.replaced_by is None:
        return _replace(tx, item, now, new_uid(), item.priority)
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
    schedule(
        tx,
        Workitem(
            workitem_uid=new_workitem_uid,
            sop_instance_uid=item.sop_instance_uid,
            state=ProcedureStepState.SCHEDULED,
            stage=Stage.QUEUED,
            scheduled_at=now,
            priority=priority,
        ),
    )
    return new_workitem_uid
