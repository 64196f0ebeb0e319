"""What was received, and the one visible state of each image.

The state is derived here and nowhere else: from the Instance, its current Workitem
and that Workitem's deliveries.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    and_,
    case,
    exists,
    func,
    select,
)

from storage.database import Transaction
from storage.errors import DuplicateInstance, UnknownRecord
from storage.events import record
from storage.inputs import complete_workitem
from storage.pages import read_page
from storage.records import (
    Cause,
    DeliveryState,
    EventKind,
    Instance,
    InstanceState,
    InstanceStatus,
    Page,
    ProcedureStepState,
    Stage,
)
from storage.rows import instance_of, values_of_instance
from storage.schema import delivery, evidence, instance, workitem

_DELIVERY_FAILED = exists().where(
    delivery.c.workitem_uid == workitem.c.workitem_uid,
    delivery.c.required,
    delivery.c.state == DeliveryState.FAILED,
)

visible_state: ColumnElement[Any] = case(
    (instance.c.not_eligible_code.is_not(None), InstanceState.NOT_ELIGIBLE),
    (workitem.c.state == ProcedureStepState.COMPLETED, InstanceState.DELIVERED),
    (workitem.c.reason_cause == Cause.IMAGE, InstanceState.NOT_ELIGIBLE),
    (workitem.c.reason_cause == Cause.REQUEST, InstanceState.CANCELED),
    (workitem.c.state == ProcedureStepState.CANCELED, InstanceState.FAILED),
    (
        and_(workitem.c.stage == Stage.DELIVERING, _DELIVERY_FAILED),
        InstanceState.FAILED,
    ),
    (workitem.c.stage == Stage.DELIVERING, InstanceState.DELIVERING),
    (workitem.c.stage == Stage.ANALYZING, InstanceState.ANALYZING),
    else_=InstanceState.QUEUED,
).label("visible_state")
"""The one visible state of an Instance joined with its current Workitem."""

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
        return True
    known = get_instance(tx, new.sop_instance_uid)
    if known.sha256 != new.sha256:
        raise DuplicateInstance(f"{new.sop_instance_uid} is known with other bytes")
    if known.object_removed_at is not None:
        set_removed(tx, new.sop_instance_uid, None)
    return False


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
    statement = _statuses().where(instance.c.sop_instance_uid == sop_instance_uid)
    row = tx.execute(statement).mappings().one_or_none()
    if row is None:
        raise UnknownRecord(f"no instance {sop_instance_uid}")
    return _status_of(tx, row)


def list_instances(
    tx: Transaction,
    *,
    limit: int = 100,
    cursor: str | None = None,
    state: InstanceState | None = None,
    reason: str | None = None,
    since: datetime | None = None,
    **identifiers: str | None,
) -> Page:
    """List received Instances, newest first.

    Parameters
    ----------
    limit, cursor
        How many, and where the page before ended.
    state, reason
        Only those in this visible state, or with this reason code.
    since
        Only those received then or later.
    **identifiers
        Any of ``sop_instance_uid``, ``series_instance_uid``,
        ``study_instance_uid``, ``patient_id``, ``accession_number``,
        ``calling_ae``: only those with this very value.

    Returns
    -------
    Page
        Of :class:`~storage.records.InstanceStatus`.

    Raises
    ------
    CursorInvalid
        The cursor was not given out by a listing.
    """
    statement = _statuses()
    for name, value in identifiers.items():
        if value is not None:
            statement = statement.where(_IDENTIFIERS[name] == value)
    if state is not None:
        statement = statement.where(visible_state == state)
    if reason is not None:
        statement = statement.where(_reason_code == reason)
    if since is not None:
        statement = statement.where(instance.c.received_at >= since)
    order = (instance.c.received_at, instance.c.sop_instance_uid)
    rows, following = read_page(tx, statement, order, limit, cursor)
    return Page(tuple(_status_of(tx, row) for row in rows), following)


def count_instances(tx: Transaction) -> dict[InstanceState, int]:
    """Count the received Instances in each visible state."""
    statement = (
        select(visible_state, func.count()).select_from(CURRENT).group_by(visible_state)
    )
    counts = dict.fromkeys(InstanceState, 0)
    for name, number in tx.execute(statement):
        counts[InstanceState(name)] = number
    return counts


def is_own_result(tx: Transaction, sop_instance_uid: str) -> bool:
    """Tell whether this node made the object itself."""
    statement = select(evidence.c.sop_instance_uid).where(
        evidence.c.sop_instance_uid == sop_instance_uid
    )
    return tx.execute(statement.limit(1)).first() is not None


_reason_code: ColumnElement[Any] = func.coalesce(
    instance.c.not_eligible_code, workitem.c.reason_code
)
_IDENTIFIERS = {
    name: instance.c[name]
    for name in (
        "sop_instance_uid",
        "series_instance_uid",
        "study_instance_uid",
        "patient_id",
        "accession_number",
        "calling_ae",
    )
}


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


def _statuses() -> Select[Any]:
    return select(instance, workitem, visible_state).select_from(CURRENT)


def _status_of(tx: Transaction, row: RowMapping) -> InstanceStatus:
    missing = row[workitem.c.workitem_uid] is None
    known = None if missing else complete_workitem(tx, row)
    return InstanceStatus(instance_of(row), InstanceState(row[visible_state]), known)
