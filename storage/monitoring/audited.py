"""What Events say that the audit trail has to know: which instances went where."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, select

from storage.database import Transaction
from storage.records import Event, EventKind
from storage.schema import delivery, evidence, instance, workitem

_About = tuple[EventKind, str, str, str]
AUDITED = (EventKind.RECEIVED, EventKind.DELIVERY_SENT, EventKind.RECALLED)


@dataclass(frozen=True, slots=True)
class Movement:
    """Instances of one study that came, went, or were called back.

    Parameters
    ----------
    kind
        Of the Events that say so.
    peer
        Who sent, or got them; empty where nobody did.
    sop_classes
        SOP Class UID -> how many instances.
    """

    kind: EventKind
    peer: str
    study_instance_uid: str
    patient_id: str
    sop_classes: tuple[tuple[str, int], ...]


def movements(tx: Transaction, found: Sequence[Event]) -> list[Movement]:
    """Sum up Events, one value for each study and peer."""
    sums: dict[_About, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in (*_received(tx, found), *_sent(tx, found), *_recalled(tx, found)):
        kind, peer, study, patient, sop_class = row
        sums[kind, peer, study, patient][sop_class] += 1
    return [
        Movement(kind, peer, study, patient, tuple(sorted(classes.items())))
        for (kind, peer, study, patient), classes in sums.items()
    ]


def _received(tx: Transaction, found: Sequence[Event]) -> Iterable[tuple[Any, ...]]:
    columns = instance.c
    uids = [one.sop_instance_uid for one in found if one.kind is EventKind.RECEIVED]
    statement = select(
        columns.calling_ae,
        columns.study_instance_uid,
        columns.patient_id,
        columns.sop_class_uid,
    ).where(columns.sop_instance_uid.in_(uids))
    return [(EventKind.RECEIVED, *row) for row in tx.execute(statement)]


def _sent(tx: Transaction, found: Sequence[Event]) -> Iterable[tuple[Any, ...]]:
    sent = {
        (one.workitem_uid, one.sop_instance_uid, one.destination)
        for one in found
        if one.kind is EventKind.DELIVERY_SENT
    }
    same = and_(
        evidence.c.workitem_uid == delivery.c.workitem_uid,
        evidence.c.sop_instance_uid == delivery.c.sop_instance_uid,
    )
    statement = (
        select(
            evidence.c.workitem_uid,
            evidence.c.sop_instance_uid,
            delivery.c.destination,
            evidence.c.study_instance_uid,
            instance.c.patient_id,
            evidence.c.sop_class_uid,
        )
        .join_from(delivery, evidence, same)
        .join(workitem, workitem.c.workitem_uid == evidence.c.workitem_uid)
        .join(instance, instance.c.sop_instance_uid == workitem.c.sop_instance_uid)
        .where(delivery.c.workitem_uid.in_({one[0] for one in sent}))
    )
    return [
        (EventKind.DELIVERY_SENT, *row[2:])
        for row in tx.execute(statement)
        if tuple(row[:3]) in sent
    ]


def _recalled(tx: Transaction, found: Sequence[Event]) -> Iterable[tuple[Any, ...]]:
    uids = [one.workitem_uid for one in found if one.kind is EventKind.RECALLED]
    statement = (
        select(
            evidence.c.study_instance_uid,
            instance.c.patient_id,
            evidence.c.sop_class_uid,
        )
        .join_from(
            evidence, workitem, workitem.c.workitem_uid == evidence.c.workitem_uid
        )
        .join(instance, instance.c.sop_instance_uid == workitem.c.sop_instance_uid)
        .where(evidence.c.workitem_uid.in_(uids))
    )
    return [(EventKind.RECALLED, "", *row) for row in tx.execute(statement)]


def patient_of(tx: Transaction, study_instance_uid: str) -> str:
    """Name whose study it is; empty when it is not known."""
    statement = (
        select(instance.c.patient_id)
        .where(instance.c.study_instance_uid == study_instance_uid)
        .limit(1)
    )
    return str(tx.execute(statement).scalar_one_or_none() or "")
