"""Workitems that others push: kept as the data set they are, with their state beside.

Who performs one changes it under the Transaction UID that claimed it (DICOM PS3.4
CC.1.1); what that means is decided above, with the row locked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, exists, select

from storage.database import Transaction
from storage.errors import UnknownRecord
from storage.pages import read_page
from storage.records import Page, ProcedureStepState
from storage.schema import pushed_input, pushed_workitem, subscription
from storage.signals import Topic

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PushedWorkitem:
    """A Workitem that somebody else scheduled.

    Parameters
    ----------
    content
        Its data set (PS3.18 F.2), without state and Transaction UID.
    patient_id
        Of that data set, to be found by.
    requested_by
        Who pushed it.
    is_ours
        Whether this node performs it.
    performer
        Who claimed it.
    """

    workitem_uid: str
    state: ProcedureStepState
    content: Json
    created_at: datetime
    modified_at: datetime
    patient_id: str = ""
    requested_by: str = ""
    is_ours: bool = False
    performer: str | None = None
    transaction_uid: str | None = None
    cancel_requested: bool = False
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PushedInput:
    """One image that a pushed Workitem names.

    Parameters
    ----------
    retrieve_url, retrieve_ae
        Where it can be had by WADO-RS, or by C-MOVE, if that was said.
    is_fetched
        Whether it came because of this Workitem: its job may be canceled with it.
    job_uid
        The Workitem of this node that analyses it.
    attempts, error
        How often it could not be fetched, and why.
    """

    workitem_uid: str
    position: int
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    retrieve_url: str | None = None
    retrieve_ae: str | None = None
    is_fetched: bool = False
    job_uid: str | None = None
    attempts: int = 0
    error: str | None = None


def add(tx: Transaction, new: PushedWorkitem, inputs: Sequence[PushedInput]) -> bool:
    """Remember a new one.

    Returns
    -------
    bool
        ``False`` when its UID is taken.
    """
    values = {name: getattr(new, name) for name in _FIELDS}
    inserted = tx.execute(
        tx.insert_new(pushed_workitem).returning(pushed_workitem.c.workitem_uid),
        values,
    ).first()
    if inserted is None:
        return False
    rows = [{name: getattr(one, name) for name in _INPUT_FIELDS} for one in inputs]
    if rows:
        tx.execute(pushed_input.insert(), rows)
    tx.announce(Topic.STEP)
    return True


def find(tx: Transaction, workitem_uid: str, *, lock: bool) -> PushedWorkitem | None:
    """Look one up; with ``lock`` nobody else changes it meanwhile."""
    statement = select(pushed_workitem).where(
        pushed_workitem.c.workitem_uid == workitem_uid
    )
    if lock:
        statement = statement.with_for_update()
    row = tx.execute(statement).mappings().one_or_none()
    return None if row is None else _pushed_of(row)


def get(tx: Transaction, workitem_uid: str, *, lock: bool = False) -> PushedWorkitem:
    """Look one up.

    Raises
    ------
    UnknownRecord
        Nobody pushed it.
    """
    found = find(tx, workitem_uid, lock=lock)
    if found is None:
        raise UnknownRecord(f"no pushed workitem {workitem_uid}")
    return found


def update(tx: Transaction, workitem_uid: str, **values: Any) -> None:
    """Set columns."""
    tx.execute(
        pushed_workitem.update()
        .where(pushed_workitem.c.workitem_uid == workitem_uid)
        .values(**values)
    )
    tx.announce(Topic.STEP)


def listed(
    tx: Transaction,
    *,
    limit: int,
    cursor: str | None = None,
    state: ProcedureStepState | None = None,
    patient_id: str | None = None,
    workitem_uids: Sequence[str] | None = None,
) -> Page:
    """List pushed Workitems, newest first.

    Raises
    ------
    CursorInvalid
        The cursor was not given out by a listing.
    """
    table = pushed_workitem.c
    statement = select(pushed_workitem)
    if state is not None:
        statement = statement.where(table.state == state)
    if patient_id is not None:
        statement = statement.where(table.patient_id == patient_id)
    if workitem_uids is not None:
        statement = statement.where(table.workitem_uid.in_(workitem_uids))
    order = (table.created_at, table.workitem_uid)
    rows, following = read_page(tx, statement, order, limit, cursor)
    return Page(tuple(map(_pushed_of, rows)), following)


def unfinished(tx: Transaction) -> list[PushedWorkitem]:
    """List what this node is to perform and has not ended, oldest first."""
    statement = (
        select(pushed_workitem)
        .where(pushed_workitem.c.ended_at.is_(None), pushed_workitem.c.is_ours)
        .order_by(pushed_workitem.c.created_at)
    )
    return list(map(_pushed_of, tx.execute(statement).mappings()))


def inputs_of(tx: Transaction, workitem_uid: str) -> list[PushedInput]:
    """List the images that one names."""
    statement = (
        select(pushed_input)
        .where(pushed_input.c.workitem_uid == workitem_uid)
        .order_by(pushed_input.c.position)
    )
    rows = tx.execute(statement).mappings()
    return [
        PushedInput(**{name: row[pushed_input.c[name]] for name in _INPUT_FIELDS})
        for row in rows
    ]


def update_input(tx: Transaction, image: PushedInput, **values: Any) -> None:
    """Set columns of one image."""
    tx.execute(
        pushed_input.update()
        .where(
            pushed_input.c.workitem_uid == image.workitem_uid,
            pushed_input.c.position == image.position,
        )
        .values(**values)
    )


def replace_inputs(
    tx: Transaction, workitem_uid: str, inputs: Sequence[PushedInput]
) -> None:
    """Name other images."""
    tx.execute(pushed_input.delete().where(pushed_input.c.workitem_uid == workitem_uid))
    rows = [{name: getattr(one, name) for name in _INPUT_FIELDS} for one in inputs]
    if rows:
        tx.execute(pushed_input.insert(), rows)


def forget(tx: Transaction, ended_before: datetime) -> int:
    """Remove what ended before, unless a subscriber holds a deletion lock.

    Returns
    -------
    int
        How many were removed.
    """
    old = pushed_workitem.c.ended_at < ended_before
    locked = exists().where(
        subscription.c.is_subscribed,
        subscription.c.deletion_lock,
        subscription.c.scope.in_([pushed_workitem.c.workitem_uid, GLOBAL]),
    )
    gone = list(
        tx.execute(
            select(pushed_workitem.c.workitem_uid).where(old, ~locked).limit(_AT_ONCE)
        ).scalars()
    )
    if gone:
        for table in (pushed_input, pushed_workitem):
            tx.execute(table.delete().where(table.c.workitem_uid.in_(gone)))
        tx.execute(subscription.delete().where(subscription.c.scope.in_(gone)))
    return len(gone)


GLOBAL = "1.2.840.10008.5.1.4.34.5"
"""UPS Global Subscription SOP Instance (PS3.4 CC.2.3.2)."""
FILTERED = "1.2.840.10008.5.1.4.34.5.1"
"""UPS Filtered Global Subscription SOP Instance."""

_AT_ONCE = 500
_FIELDS = tuple(pushed_workitem.c.keys())
_INPUT_FIELDS = tuple(pushed_input.c.keys())


def _pushed_of(row: RowMapping) -> PushedWorkitem:
    values = {name: row[pushed_workitem.c[name]] for name in _FIELDS}
    values["state"] = ProcedureStepState(values["state"])
    return PushedWorkitem(**values)
