"""Which objects need not be kept any longer, and which nothing refers to."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, exists, func, or_, select

from storage.catalog.instances import (
    CURRENT,
    get_instance,
    is_own_result,
    set_removed,
)
from storage.database import Transaction
from storage.records import (
    GIVEN_UP,
    DeliveryState,
    Evidence,
    Instance,
    InstanceState,
)
from storage.rows import evidence_of, instance_of
from storage.schema import (
    delivery,
    evidence,
    instance,
    quarantine,
    workitem,
    workitem_input,
)
from storage.states import is_uncommitted, visible_state

_FINAL = (
    InstanceState.DELIVERED,
    InstanceState.COMMITTED,
    InstanceState.NOT_ELIGIBLE,
    InstanceState.CANCELED,
)
_user = workitem.alias()
_awaited = exists().where(
    workitem_input.c.sop_instance_uid == instance.c.sop_instance_uid,
    _user.c.workitem_uid == workitem_input.c.workitem_uid,
    _user.c.ended_at.is_(None),
)
"""That a Workitem which has not ended looks at an image beside its own."""
_uncommitted = exists().where(
    delivery.c.workitem_uid == workitem.c.workitem_uid,
    workitem.c.recalled_at.is_(None),
    is_uncommitted,
)
"""That a destination has still to commit itself to keep a result of an image."""
_result = evidence.alias()
_is_result_here = exists().where(
    _result.c.object_key == instance.c.object_key,
    _result.c.object_removed_at.is_(None),
)
"""That the bytes are a result of this node: they stay as long as results do."""


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
        .select_from(CURRENT)
        .where(
            instance.c.object_removed_at.is_(None),
            instance.c.received_at < older_than,
            visible_state.in_(_FINAL),
            settled_at < older_than,
            ~_awaited,
            ~_uncommitted,
            ~_is_result_here,
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
        or_(delivery.c.state == DeliveryState.PENDING, is_uncommitted),
    )
    held = exists().where(
        holder.c.sop_instance_uid == evidence.c.sop_instance_uid,
        workitem.c.workitem_uid == holder.c.workitem_uid,
        or_(
            workitem.c.ended_at.is_(None),
            workitem.c.ended_at >= older_than,
            # An administrator's retry sends these very bytes.
            and_(
                workitem.c.reason_code == GIVEN_UP,
                workitem.c.replaced_by.is_(None),
                workitem.c.recalled_at.is_(None),
            ),
        ),
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
    keys = set_removed(tx, sop_instance_uid, now)
    if not keys:
        if not is_own_result(tx, sop_instance_uid):
            get_instance(tx, sop_instance_uid)
        return None
    return next(iter(unreferenced(tx, keys)), None)


def unreferenced(tx: Transaction, keys: Sequence[str]) -> set[str]:
    """Pick the object keys that no row needs any more."""
    left = set(keys)
    for table in (instance, evidence, quarantine):
        statement = select(table.c.object_key).where(table.c.object_key.in_(left))
        if table is not quarantine:
            statement = statement.where(table.c.object_removed_at.is_(None))
        left.difference_update(tx.execute(statement).scalars())
    return left
