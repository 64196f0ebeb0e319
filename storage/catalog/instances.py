"""What was received, and the one visible state of each image.

The state is derived in ``storage.states`` and nowhere else: from the Instance and its
current Workitem.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, and_, bindparam, func, select

from storage.database import Transaction
from storage.errors import DuplicateInstance, UnknownRecord
from storage.events import record
from storage.holdings import hold, let_go, move
from storage.inputs import complete_workitem
from storage.objects.protocol import StoredObject
from storage.records import (
    EventKind,
    Instance,
    InstanceState,
    InstanceStatus,
)
from storage.rows import instance_of, values_of_instance
from storage.schema import evidence, instance, quarantine, workitem
from storage.states import visible_state

CURRENT = instance.outerjoin(
    workitem,
    and_(
        workitem.c.sop_instance_uid == instance.c.sop_instance_uid,
        workitem.c.replaced_by.is_(None),
    ),
)
"""Every Instance with its current Workitem, if it has one."""


def add_instance(tx: Transaction, new: Instance) -> bool:
    """Remember a received Instance.

    Returns
    -------
    bool
        ``False`` when the same bytes were received before; nothing changes then.

    Raises
    ------
    DuplicateInstance
        The SOP Instance UID is known with other bytes.
    """
    added = tx.execute(
        tx.insert_new(instance).returning(instance.c.sop_instance_uid),
        values_of_instance(new),
    )
    if added.first() is not None:
        _record_arrival(tx, new)
        hold(tx, new)
        return True
    known = get_instance(tx, new.sop_instance_uid)
    if known.sha256 != new.sha256:
        raise DuplicateInstance(f"{new.sop_instance_uid} is known with other bytes")
    if known.object_removed_at is not None:
        set_removed(tx, new.sop_instance_uid, None)
        hold(tx, new)
    count_duplicate(tx, new.sop_instance_uid, new.received_at)
    return False


def count_duplicate(tx: Transaction, sop_instance_uid: str, at: datetime) -> None:
    """Remember that the same image came again."""
    tx.execute(
        instance.update()
        .where(instance.c.sop_instance_uid == sop_instance_uid)
        .values(duplicates=instance.c.duplicates + 1, duplicate_at=at)
    )


def get_instance(tx: Transaction, sop_instance_uid: str) -> Instance:
    """Look one Instance up.

    Raises
    ------
    UnknownRecord
        It was never received.
    """
    row = (
        tx.execute(
            select(instance).where(instance.c.sop_instance_uid == sop_instance_uid)
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise UnknownRecord(f"no instance {sop_instance_uid}")
    return instance_of(row)


def get_status(tx: Transaction, sop_instance_uid: str) -> InstanceStatus:
    """Look up an Instance, its visible state, and its current Workitem.

    Raises
    ------
    UnknownRecord
        It was never received.
    """
    statement = statuses().where(instance.c.sop_instance_uid == sop_instance_uid)
    row = tx.execute(statement).mappings().one_or_none()
    if row is None:
        raise UnknownRecord(f"no instance {sop_instance_uid}")
    return status_of(tx, row)


def count_instances(tx: Transaction) -> dict[InstanceState, int]:
    """Count the received Instances in each visible state."""
    statement = (
        select(visible_state, func.count()).select_from(CURRENT).group_by(visible_state)
    )
    counts = dict.fromkeys(InstanceState, 0)
    for name, number in tx.execute(statement):
        counts[InstanceState(name)] = number
    apart = select(func.count()).select_from(quarantine)
    counts[InstanceState.QUARANTINED] = tx.execute(apart).scalar_one()
    return counts


_OWN_RESULT = (
    select(evidence.c.object_key, evidence.c.size_bytes, evidence.c.sha256)
    .where(evidence.c.sop_instance_uid == bindparam("uid"))
    .limit(1)
)


def is_own_result(tx: Transaction, sop_instance_uid: str) -> bool:
    """Tell whether this node made the object itself."""
    return tx.execute(_OWN_RESULT, {"uid": sop_instance_uid}).first() is not None


def find_own_result(tx: Transaction, sop_instance_uid: str) -> StoredObject | None:
    """Find the stored bytes of an object that this node made itself."""
    held = _OWN_RESULT.where(evidence.c.object_removed_at.is_(None))
    row = tx.execute(held, {"uid": sop_instance_uid}).first()
    return None if row is None else StoredObject(*row)


def keep_anew(tx: Transaction, again: Instance, stored: StoredObject) -> None:
    """Take other bytes for an Instance whose own were deleted."""
    tx.execute(
        instance.update()
        .where(instance.c.sop_instance_uid == again.sop_instance_uid)
        .values(
            object_key=stored.key,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            object_removed_at=None,
        )
    )
    hold(tx, again)
    move(tx, again.sop_instance_uid, stored)


def set_removed(
    tx: Transaction, sop_instance_uid: str, at: datetime | None
) -> list[str]:
    """Mark the bytes as deleted (or as back again), and give their keys."""
    keys: set[str] = set()
    for table in (instance, evidence):
        statement = (
            table.update()
            .where(
                table.c.sop_instance_uid == sop_instance_uid,
                table.c.object_removed_at.is_(None)
                if at is not None
                else table.c.object_removed_at.is_not(None),
            )
            .values(object_removed_at=at)
            .returning(table.c.object_key)
        )
        keys.update(tx.execute(statement).scalars())
    if at is not None:
        let_go(tx, sop_instance_uid)
    return sorted(keys)


def _record_arrival(tx: Transaction, new: Instance) -> None:
    uid = new.sop_instance_uid
    record(tx, EventKind.RECEIVED, new.received_at, sop_instance_uid=uid)
    if new.not_eligible is not None:
        record(
            tx,
            EventKind.NOT_ELIGIBLE,
            new.received_at,
            sop_instance_uid=uid,
            code=new.not_eligible.code,
        )


def statuses() -> Select[Any]:
    """Select every Instance with its Workitem and state."""
    return select(instance, workitem, visible_state).select_from(CURRENT)


def status_of(tx: Transaction, row: RowMapping) -> InstanceStatus:
    """Turn a row of :func:`statuses` into what it says."""
    missing = row[workitem.c.workitem_uid] is None
    known = None if missing else complete_workitem(tx, row)
    return InstanceStatus(instance_of(row), InstanceState(row[visible_state]), known)
