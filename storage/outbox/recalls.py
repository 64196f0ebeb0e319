"""Results called back: which they are, who has them, and the note that says so.

A recall is of a model, by name and version. What was sent is rejected by a note to
everyone who has it; what was not is not sent any more.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from storage.database import Transaction
from storage.outbox.evidence import add_deliveries, add_evidence
from storage.records import (
    Cause,
    Delivery,
    DeliveryState,
    Evidence,
    Job,
    NewDelivery,
    Reason,
    Stage,
)
from storage.schema import delivery, instance, workitem
from storage.signals import Topic
from storage.worklist.jobs import is_by_model, read_jobs
from storage.worklist.steps import end_without_results, read, update

RECALLED = Reason("RECALLED", "The model's results were called back.", Cause.REQUEST)
_HELD = (DeliveryState.SENT, DeliveryState.COMMITTED)
_UNSENT = (DeliveryState.PENDING, DeliveryState.FAILED)


def studies(tx: Transaction, name: str, version: str) -> list[str]:
    """List the studies that have results of a model, recalled or not."""
    statement = (
        select(instance.c.study_instance_uid)
        .join_from(workitem, instance)
        .where(is_by_model(name, version))
        .distinct()
        .order_by(instance.c.study_instance_uid)
    )
    return list(tx.execute(statement).scalars())


def jobs(tx: Transaction, name: str, version: str, study: str) -> tuple[Job, ...]:
    """Read the jobs of a study whose results are of a model, recalled or not."""
    in_study = instance.c.study_instance_uid == study
    return read_jobs(tx, is_by_model(name, version), in_study)


def lock(tx: Transaction, name: str, version: str, study: str) -> None:
    """Let nobody begin to send a study's results of a model meanwhile."""
    concerned = (
        select(workitem.c.workitem_uid)
        .join_from(workitem, instance)
        .where(is_by_model(name, version), instance.c.study_instance_uid == study)
    )
    statement = (
        select(delivery.c.delivery_id)
        .where(delivery.c.workitem_uid.in_(concerned))
        .order_by(delivery.c.delivery_id)
        .with_for_update()
    )
    tx.execute(statement).all()


def may_be_held(one: Delivery) -> bool:
    """Tell whether the destination has the object, or may have it.

    A try without an answer may have arrived: the link broke, or is at work now.
    """
    tried = one.attempts > 0 and one.last_status is None
    return one.state in _HELD or (tried and one.state is not DeliveryState.SUPERSEDED)


def record(
    tx: Transaction,
    recalled: Sequence[Job],
    note: Evidence | None,
    destinations: Sequence[str],
    reason: str,
    now: datetime,
) -> None:
    """Mark jobs as recalled, send nothing more of them, and queue the note.

    Parameters
    ----------
    recalled
        Jobs of one study.
    note
        The rejection note, kept with the first job; ``None`` when nobody has
        anything.
    destinations
        Who gets the note.
    reason
        ``quality`` or ``safety``.
    """
    for job in recalled:
        uid = job.workitem.workitem_uid
        item = read(tx, uid, lock=True)
        if item.stage is Stage.DELIVERING:
            end_without_results(tx, item, RECALLED, now)
        tx.execute(
            delivery.update()
            .where(delivery.c.workitem_uid == uid, delivery.c.state.in_(_UNSENT))
            .values(state=DeliveryState.CANCELED, lease_until=None)
        )
        update(
            tx,
            uid,
            recalled_at=now,
            recall_reason=reason,
            rejection_note_uid=note.sop_instance_uid if note else None,
        )
    if note is not None:
        keeper = recalled[0].workitem.workitem_uid
        add_evidence(tx, keeper, [note])
        wanted = [
            NewDelivery(name, note.sop_instance_uid, required=False)
            for name in destinations
        ]
        add_deliveries(tx, keeper, wanted, now)
        tx.announce(Topic.DELIVERY)


def send_again(tx: Transaction, note_uid: str, now: datetime) -> int:
    """Put the deliveries of a note that failed back in line, and count them."""
    again = tx.execute(
        delivery.update()
        .where(
            delivery.c.sop_instance_uid == note_uid,
            delivery.c.state == DeliveryState.FAILED,
        )
        .values(
            state=DeliveryState.PENDING, attempts=0, created_at=now, next_try_at=now
        )
    ).rowcount
    if again:
        tx.announce(Topic.DELIVERY)
    return again
