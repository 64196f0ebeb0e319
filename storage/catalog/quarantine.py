"""Other bytes that came under a known SOP Instance UID, kept for an administrator."""

from datetime import datetime

from sqlalchemy import select

from storage.database import Transaction
from storage.events import record
from storage.objects.protocol import StoredObject
from storage.records import EventKind, Quarantined
from storage.rows import quarantined_of
from storage.schema import quarantine


def keep_apart(
    tx: Transaction,
    sop_instance_uid: str,
    stored: StoredObject,
    calling_ae: str,
    at: datetime,
) -> None:
    """Keep other bytes under a known SOP Instance UID apart, once."""
    added = tx.execute(
        tx.insert_new(quarantine).returning(quarantine.c.quarantine_id),
        {
            "sop_instance_uid": sop_instance_uid,
            "object_key": stored.key,
            "size_bytes": stored.size_bytes,
            "sha256": stored.sha256,
            "calling_ae": calling_ae,
            "received_at": at,
        },
    )
    if added.first() is not None:
        record(tx, EventKind.QUARANTINED, at, sop_instance_uid=sop_instance_uid)


def list_quarantined(tx: Transaction, *, limit: int = 100) -> list[Quarantined]:
    """List what was kept apart, newest first."""
    statement = (
        select(quarantine).order_by(quarantine.c.quarantine_id.desc()).limit(limit)
    )
    return list(map(quarantined_of, tx.execute(statement).mappings()))
