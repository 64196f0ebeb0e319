"""Everything that is remembered of one patient, and its end."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, or_, select

from storage import holdings
from storage.catalog.retention import unreferenced
from storage.database import Transaction
from storage.records import DeliveryState
from storage.schema import (
    attempt,
    availability_notice,
    delivery,
    event,
    event_report,
    evidence,
    instance,
    pushed_input,
    pushed_workitem,
    quarantine,
    subscription,
    workitem,
    workitem_input,
)

_MAY_BE_HELD = (
    DeliveryState.SENT,
    DeliveryState.COMMITTED,
    DeliveryState.COMMITMENT_FAILED,
)


@dataclass(frozen=True, slots=True)
class SentObject:
    """A result that a destination has got."""

    destination: str
    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class PatientFound:
    """What is here of a patient.

    Parameters
    ----------
    images, results
        SOP Instance UIDs.
    jobs, open_jobs
        Workitems, and those that have not ended.
    pushed
        Workitems of others.
    sent
        What destinations hold.
    """

    images: tuple[str, ...]
    results: tuple[str, ...]
    jobs: tuple[str, ...]
    open_jobs: tuple[str, ...]
    pushed: tuple[str, ...]
    sent: tuple[SentObject, ...]


def find(tx: Transaction, patient_id: str) -> PatientFound:
    """Find everything that is here of a patient."""
    images, jobs, pushed = _images(patient_id), _jobs(patient_id), _pushed(patient_id)
    is_open = workitem.c.workitem_uid.in_(jobs) & workitem.c.ended_at.is_(None)
    is_pushed_open = pushed_workitem.c.workitem_uid.in_(
        pushed
    ) & pushed_workitem.c.ended_at.is_(None)
    open_jobs = (
        *_uids(tx, select(workitem.c.workitem_uid).where(is_open)),
        *_uids(tx, select(pushed_workitem.c.workitem_uid).where(is_pushed_open)),
    )
    results = select(evidence.c.sop_instance_uid).where(
        evidence.c.workitem_uid.in_(jobs)
    )
    return PatientFound(
        images=_uids(tx, images),
        results=_uids(tx, results.distinct()),
        jobs=_uids(tx, jobs),
        open_jobs=open_jobs,
        pushed=_uids(tx, pushed),
        sent=_sent(tx, jobs),
    )


def erase(tx: Transaction, patient_id: str) -> set[str]:
    """Remove every row about a patient.

    Returns
    -------
        Keys of the objects that nothing needs any more: delete them before this
        transaction ends, or the store would give them back to the database.
    """
    images, jobs, pushed = _images(patient_id), _jobs(patient_id), _pushed(patient_id)
    of_jobs = evidence.c.workitem_uid.in_(jobs)
    of_images = quarantine.c.sop_instance_uid.in_(images)
    keys = {
        *_uids(tx, images.with_only_columns(instance.c.object_key)),
        *_uids(tx, select(evidence.c.object_key).where(of_jobs)),
        *_uids(tx, select(quarantine.c.object_key).where(of_images)),
    }
    results = _uids(tx, select(evidence.c.sop_instance_uid).where(of_jobs))
    for uid in (*_uids(tx, images), *results):
        holdings.let_go(tx, uid)
    for table, condition in _rows(images, jobs, pushed):
        tx.execute(delete(table).where(condition))
    return {key for key in keys if unreferenced(tx, [key])}


def _rows(
    images: Select[Any], jobs: Select[Any], pushed: Select[Any]
) -> list[tuple[Any, ColumnElement[bool]]]:
    """Name all rows, those first that point to others."""
    return [
        (event_report, _either(event_report.c.workitem_uid, jobs, pushed)),
        (subscription, _either(subscription.c.scope, jobs, pushed)),
        (pushed_input, pushed_input.c.workitem_uid.in_(pushed)),
        (pushed_workitem, pushed_workitem.c.workitem_uid.in_(pushed)),
        (availability_notice, availability_notice.c.workitem_uid.in_(jobs)),
        (
            event,
            or_(
                event.c.workitem_uid.in_(jobs),
                event.c.sop_instance_uid.in_(images),
            ),
        ),
        (delivery, delivery.c.workitem_uid.in_(jobs)),
        (evidence, evidence.c.workitem_uid.in_(jobs)),
        (attempt, attempt.c.workitem_uid.in_(jobs)),
        (
            workitem_input,
            or_(
                workitem_input.c.workitem_uid.in_(jobs),
                workitem_input.c.sop_instance_uid.in_(images),
            ),
        ),
        (workitem, workitem.c.sop_instance_uid.in_(images)),
        (quarantine, quarantine.c.sop_instance_uid.in_(images)),
        # The images last: all the others are found by them.
        (instance, instance.c.sop_instance_uid.in_(images)),
    ]


def _either(column: Any, one: Select[Any], other: Select[Any]) -> ColumnElement[bool]:
    return or_(column.in_(one), column.in_(other))


def _images(patient_id: str) -> Select[Any]:
    return select(instance.c.sop_instance_uid).where(
        instance.c.patient_id == patient_id
    )


def _jobs(patient_id: str) -> Select[Any]:
    return select(workitem.c.workitem_uid).where(
        workitem.c.sop_instance_uid.in_(_images(patient_id))
    )


def _pushed(patient_id: str) -> Select[Any]:
    return select(pushed_workitem.c.workitem_uid).where(
        pushed_workitem.c.patient_id == patient_id
    )


def _sent(tx: Transaction, jobs: Select[Any]) -> tuple[SentObject, ...]:
    statement = (
        select(
            delivery.c.destination,
            delivery.c.sop_instance_uid,
            evidence.c.sop_class_uid,
            evidence.c.study_instance_uid,
            delivery.c.sent_at,
        )
        .join_from(delivery, evidence)
        .where(delivery.c.workitem_uid.in_(jobs), delivery.c.state.in_(_MAY_BE_HELD))
        .order_by(delivery.c.destination, delivery.c.sop_instance_uid)
    )
    return tuple(SentObject(*row) for row in tx.execute(statement))


def _uids(tx: Transaction, statement: Select[Any]) -> tuple[str, ...]:
    return tuple(tx.execute(statement).scalars())
