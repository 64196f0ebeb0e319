"""What was received, and the one visible state of each image.

The state is derived here and nowhere else: from the Instance, its current Workitem
and that Workitem's deliveries.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select

from storage.database import Transaction
from storage.errors import DuplicateInstance, UnknownRecord
from storage.objects.protocol import StoredObject
from storage.pages import read_page
from storage.records import (
    Cause,
    DeliveryState,
    Evidence,
    Instance,
    InstanceState,
    InstanceStatus,
    Page,
    ProcedureStepState,
    Quarantined,
    Stage,
)
from storage.schema import (
    delivery,
    evidence,
    evidence_of,
    instance,
    instance_of,
    quarantined_of,
    values_of_instance,
    workitem,
    workitem_of,
)
from storage.schema import quarantine as quarantine_table

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

_FINAL = (InstanceState.DELIVERED, InstanceState.NOT_ELIGIBLE, InstanceState.CANCELED)


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
        return True
    known = get_instance(tx, new.sop_instance_uid)
    if known.sha256 != new.sha256:
        raise DuplicateInstance(f"{new.sop_instance_uid} is known with other bytes")
    if known.object_removed_at is not None:
        _set_removed(tx, new.sop_instance_uid, None)
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
    return _status_of(row)


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
    return Page(tuple(map(_status_of, rows)), following)


def count_instances(tx: Transaction) -> dict[InstanceState, int]:
    """Count the received Instances in each visible state."""
    statement = (
        select(visible_state, func.count())
        .select_from(_CURRENT)
        .group_by(visible_state)
    )
    counts = dict.fromkeys(InstanceState, 0)
    for name, number in tx.execute(statement):
        counts[InstanceState(name)] = number
    return counts


def quarantine(
    tx: Transaction,
    sop_instance_uid: str,
    stored: StoredObject,
    calling_ae: str,
    at: datetime,
) -> None:
    """Keep other bytes under a known SOP Instance UID apart, once."""
    tx.execute(
        tx.insert_new(quarantine_table),
        {
            "sop_instance_uid": sop_instance_uid,
            "object_key": stored.key,
            "size_bytes": stored.size_bytes,
            "sha256": stored.sha256,
            "calling_ae": calling_ae,
            "received_at": at,
        },
    )


def list_quarantined(tx: Transaction, *, limit: int = 100) -> list[Quarantined]:
    """List what was kept apart, newest first."""
    statement = (
        select(quarantine_table)
        .order_by(quarantine_table.c.quarantine_id.desc())
        .limit(limit)
    )
    return list(map(quarantined_of, tx.execute(statement).mappings()))


def is_own_result(tx: Transaction, sop_instance_uid: str) -> bool:
    """Tell whether this node made the object itself."""
    statement = select(evidence.c.sop_instance_uid).where(
        evidence.c.sop_instance_uid == sop_instance_uid
    )
    return tx.execute(statement.limit(1)).first() is not None


def expired_sources(
    tx: Transaction, older_than: datetime, *, limit: int = 100
) -> list[Instance]:
    """Find received objects that retention may delete, oldest first.

    Only what is settled for good: delivered, not eligible or canceled before the
    given instant. What failed is kept, for an administrator's retry.
    """
    settled_at = func.coalesce(workitem.c.ended_at, instance.c.received_at)
    statement = (
        select(instance)
        .select_from(_CURRENT)
        .where(
            instance.c.object_removed_at.is_(None),
            instance.c.received_at < older_than,
            visible_state.in_(_FINAL),
            settled_at < older_than,
        )
        .order_by(instance.c.received_at)
        .limit(limit)
    )
    return list(map(instance_of, tx.execute(statement).mappings()))


def expired_evidence(
    tx: Transaction, older_than: datetime, *, limit: int = 100
) -> list[Evidence]:
    """Find result objects that retention may delete, oldest first.

    Only those whose Workitems all ended before the given instant, and that wait for
    no destination, required or not.
    """
    # An analysis that ran again shares the bytes of the one before.
    holder = evidence.alias()
    waiting = exists().where(
        holder.c.sop_instance_uid == evidence.c.sop_instance_uid,
        delivery.c.workitem_uid == holder.c.workitem_uid,
        delivery.c.sop_instance_uid == holder.c.sop_instance_uid,
        delivery.c.state == DeliveryState.PENDING,
    )
    held = exists().where(
        holder.c.sop_instance_uid == evidence.c.sop_instance_uid,
        workitem.c.workitem_uid == holder.c.workitem_uid,
        or_(workitem.c.ended_at.is_(None), workitem.c.ended_at >= older_than),
    )
    statement = (
        select(evidence)
        .where(
            evidence.c.object_removed_at.is_(None),
            evidence.c.created_at < older_than,
            ~waiting,
            ~held,
        )
        .order_by(evidence.c.created_at)
        .limit(limit)
    )
    return list(map(evidence_of, tx.execute(statement).mappings()))


def forget_object(tx: Transaction, sop_instance_uid: str, now: datetime) -> str | None:
    """Note that the bytes of an Instance or an Evidence are being deleted.

    Returns
    -------
    str or None
        The key to delete from the object store, or ``None`` when the bytes are
        gone already or something else still needs them.

    Raises
    ------
    UnknownRecord
        Neither an Instance nor an Evidence has that UID.
    """
    keys = _set_removed(tx, sop_instance_uid, now)
    if not keys:
        if not is_own_result(tx, sop_instance_uid):
            get_instance(tx, sop_instance_uid)
        return None
    return next(iter(unreferenced(tx, keys)), None)


def unreferenced(tx: Transaction, keys: Sequence[str]) -> set[str]:
    """Pick the object keys that no row needs any more."""
    left = set(keys)
    for table in (instance, evidence, quarantine_table):
        statement = select(table.c.object_key).where(table.c.object_key.in_(left))
        if table is not quarantine_table:
            statement = statement.where(table.c.object_removed_at.is_(None))
        left.difference_update(tx.execute(statement).scalars())
    return left


_CURRENT = instance.outerjoin(
    workitem,
    and_(
        workitem.c.sop_instance_uid == instance.c.sop_instance_uid,
        workitem.c.replaced_by.is_(None),
    ),
)
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


def _statuses() -> Select[Any]:
    return select(instance, workitem, visible_state).select_from(_CURRENT)


def _status_of(row: Any) -> InstanceStatus:
    known = None if row[workitem.c.workitem_uid] is None else workitem_of(row)
    return InstanceStatus(instance_of(row), InstanceState(row[visible_state]), known)


def _set_removed(
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
