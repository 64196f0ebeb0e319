"""Putting result objects and their deliveries into the outbox."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import select

from storage.database import Transaction
from storage.records import DeliveryState, Evidence, NewDelivery
from storage.schema import delivery, evidence

_CONTENT = ("object_key", "size_bytes", "sha256", "created_at")


def add_evidence(tx: Transaction, workitem_uid: str, new: Evidence) -> None:
    """Remember a result object; bytes stored under its UID before are kept.

    One SOP Instance UID never stands for two contents (DICOM PS3.5 9), so an
    analysis that ran again sends what the first run stored.
    """
    columns = asdict(new) | {"workitem_uid": workitem_uid}
    statement = select(*(evidence.c[name] for name in _CONTENT)).where(
        evidence.c.sop_instance_uid == new.sop_instance_uid,
        evidence.c.object_removed_at.is_(None),
    )
    before = tx.execute(statement.limit(1)).mappings().one_or_none()
    if before is not None:
        columns |= {name: before[name] for name in _CONTENT}
    tx.execute(tx.insert(evidence).values(columns).on_conflict_do_nothing())


def add_delivery(
    tx: Transaction, workitem_uid: str, wanted: NewDelivery, now: datetime
) -> None:
    """Put a row into the outbox, due at once; one that is there stays as it is."""
    tx.execute(
        tx.insert(delivery)
        .values(
            workitem_uid=workitem_uid,
            sop_instance_uid=wanted.sop_instance_uid,
            destination=wanted.destination,
            required=wanted.required,
            state=DeliveryState.PENDING,
            attempts=0,
            created_at=now,
            next_try_at=now,
        )
        .on_conflict_do_nothing()
    )
