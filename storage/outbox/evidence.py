"""What a Workitem puts into the outbox, takes out of it, and sends again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import and_, bindparam, exists, select

from storage.database import Transaction
from storage.errors import ObjectMissing
from storage.holdings import hold
from storage.records import DeliveryState, Evidence, NewDelivery
from storage.rows import values_of_evidence
from storage.schema import delivery, evidence, instance
from storage.signals import Topic

_CONTENT = ("object_key", "size_bytes", "sha256", "created_at")
_SELECT_STORED = select(
    evidence.c.sop_instance_uid, *(evidence.c[name] for name in _CONTENT)
).where(
    evidence.c.sop_instance_uid.in_(bindparam("uids", expanding=True)),
    evidence.c.object_removed_at.is_(None),
)
_SELECT_ADOPTED = select(
    instance.c.sop_instance_uid,
    instance.c.object_key,
    instance.c.size_bytes,
    instance.c.sha256,
    instance.c.received_at.label("created_at"),
).where(
    instance.c.sop_instance_uid.in_(bindparam("uids", expanding=True)),
    instance.c.object_removed_at.is_(None),
    instance.c.calling_ae == "",
    instance.c.not_eligible_code.is_not(None),
)
"""Results that were found in the store and not in the database: nobody sent them."""
_CANCEL_PENDING = (
    delivery.update()
    .where(
        delivery.c.workitem_uid == bindparam("workitem"),
        delivery.c.state == DeliveryState.PENDING,
    )
    .values(state=DeliveryState.CANCELED, lease_until=None)
)


def add_evidence(tx: Transaction, workitem_uid: str, new: Sequence[Evidence]) -> None:
    """Remember result objects; bytes stored under their UIDs before are kept.

    One SOP Instance UID never stands for two contents (DICOM PS3.5 9), so an
    analysis that ran again sends what the first run stored.
    """
    if not new:
        return
    uids = [one.sop_instance_uid for one in new]
    # What an evidence row says comes last, and wins.
    stored = {
        row["sop_instance_uid"]: dict(row)
        for statement in (_SELECT_ADOPTED, _SELECT_STORED)
        for row in tx.execute(statement, {"uids": uids}).mappings()
    }
    kept = [
        replace(one, workitem_uid=workitem_uid, **stored.get(one.sop_instance_uid, {}))
        for one in new
    ]
    tx.execute(tx.insert_new(evidence), list(map(values_of_evidence, kept)))
    for one in kept:
        hold(tx, one)


def add_deliveries(
    tx: Transaction, workitem_uid: str, wanted: Sequence[NewDelivery], now: datetime
) -> None:
    """Put rows into the outbox, due at once; those that are there stay as they are."""
    rows = [
        {
            "workitem_uid": workitem_uid,
            "sop_instance_uid": one.sop_instance_uid,
            "destination": one.destination,
            "required": one.required,
            "commitment": one.commitment,
            "state": DeliveryState.PENDING,
            "attempts": 0,
            "created_at": now,
            "next_try_at": now,
        }
        for one in wanted
    ]
    if rows:
        tx.execute(tx.insert_new(delivery), rows)
        tx.announce(Topic.DELIVERY)


def cancel_pending(tx: Transaction, workitem_uid: str) -> None:
    """Take what is still to be sent of a Workitem out of the outbox."""
    tx.execute(_CANCEL_PENDING, {"workitem": workitem_uid})


def hand_over(
    tx: Transaction, old_workitem_uid: str, new_workitem_uid: str, now: datetime
) -> None:
    """Let a new Workitem deliver what an old one could not, from the stored bytes.

    All deliveries become the new one's: what was sent stays sent, what failed is due
    again at once.

    Raises
    ------
    ObjectMissing
        Something that failed was deleted meanwhile.
    """
    mine = evidence.c.workitem_uid == old_workitem_uid
    gone = (
        select(evidence.c.sop_instance_uid)
        .join(
            delivery,
            and_(
                delivery.c.workitem_uid == evidence.c.workitem_uid,
                delivery.c.sop_instance_uid == evidence.c.sop_instance_uid,
            ),
        )
        .where(
            mine,
            delivery.c.state == DeliveryState.FAILED,
            evidence.c.object_removed_at.is_not(None),
        )
    )
    if tx.execute(gone.limit(1)).first() is not None:
        raise ObjectMissing(
            f"results of workitem {old_workitem_uid} are deleted by now;"
            " reprocess analyses the image again"
        )
    rows = [
        dict(row) | {"workitem_uid": new_workitem_uid}
        for row in tx.execute(select(evidence).where(mine)).mappings()
    ]
    if rows:
        tx.execute(tx.insert_new(evidence), rows)
    tx.execute(
        delivery.update()
        .where(delivery.c.workitem_uid == old_workitem_uid)
        .values(workitem_uid=new_workitem_uid)
    )
    send_failed_again(tx, new_workitem_uid, now)


def send_failed_again(tx: Transaction, workitem_uid: str, now: datetime) -> int:
    """Put what failed of a Workitem back in line, and count it.

    Only what has not been deleted meanwhile.
    """
    again = tx.execute(
        delivery.update()
        .where(
            delivery.c.workitem_uid == workitem_uid,
            delivery.c.state == DeliveryState.FAILED,
            ~exists().where(
                evidence.c.workitem_uid == delivery.c.workitem_uid,
                evidence.c.sop_instance_uid == delivery.c.sop_instance_uid,
                evidence.c.object_removed_at.is_not(None),
            ),
        )
        .values(
            state=DeliveryState.PENDING, attempts=0, created_at=now, next_try_at=now
        )
    ).rowcount
    if again:
        tx.announce(Topic.DELIVERY)
    return again
