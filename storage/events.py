"""What happened, for those who care: metrics, audit, notices, subscribers.

An Event is written by the function that changes a state, in the very transaction
that changes it, so that neither is ever seen without the other. No patient
attribute stands in it. Readers come back with the last number they saw.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Integer, bindparam, func, select

from storage.database import Transaction
from storage.records import Event, EventKind, Workitem
from storage.rows import event_of
from storage.schema import event

_INSERT = event.insert()
_SELECT = (
    select(event)
    .where(event.c.event_id > bindparam("after_id"))
    .order_by(event.c.event_id)
    .limit(bindparam("limit", type_=Integer))
)
_NEWEST = select(func.max(event.c.event_id))


def record(
    tx: Transaction,
    kind: EventKind,
    at: datetime,
    *,
    workitem_uid: str | None = None,
    sop_instance_uid: str | None = None,
    destination: str | None = None,
    **details: Any,
) -> None:
    """Write down that something happened, when this transaction is committed.

    Parameters
    ----------
    **details
        A few plain values; nothing that came from a data set or a peer.
    """
    tx.execute_last(
        _INSERT,
        {
            "at": at,
            "kind": kind,
            "workitem_uid": workitem_uid,
            "sop_instance_uid": sop_instance_uid,
            "destination": destination,
            "details": details or None,
        },
    )


def record_workitem(
    tx: Transaction, kind: EventKind, at: datetime, item: Workitem, **details: Any
) -> None:
    """Write down what happened to a Workitem; see :func:`record`."""
    record(
        tx,
        kind,
        at,
        workitem_uid=item.workitem_uid,
        sop_instance_uid=item.sop_instance_uid,
        **details,
    )


def since(tx: Transaction, after_id: int, limit: int) -> list[Event]:
    """Read what happened after an event, in order; after 0, from the beginning.

    Nothing appears later under a smaller number: numbers are given in the order in
    which transactions are committed.
    """
    rows = tx.execute(_SELECT, {"after_id": after_id, "limit": limit})
    return list(map(event_of, rows.mappings()))


def newest_id(tx: Transaction) -> int:
    """Tell the number of the newest event; 0 before there is one."""
    return tx.execute(_NEWEST).scalar_one() or 0
