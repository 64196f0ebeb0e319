"""Workitems with everything known about them, for people who ask how a job stands."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, RowMapping, Select, Table, func, select

from storage.database import Transaction
from storage.errors import UnknownRecord
from storage.inputs import complete_workitem
from storage.pages import read_page
from storage.records import InstanceState, Job, Page, ProcedureStepState
from storage.rows import attempt_of, delivery_of, evidence_of, instance_of
from storage.schema import (
    attempt,
    delivery,
    evidence,
    instance,
    is_by_model,
    workitem,
)
from storage.states import visible_state

_Record = TypeVar("_Record")


def list_jobs(
    tx: Transaction,
    *,
    limit: int = 100,
    cursor: str | None = None,
    state: ProcedureStepState | None = None,
    stage: InstanceState | None = None,
    since: datetime | None = None,
    **identifiers: str | None,
) -> Page:
    """List Workitems, newest first.

    Parameters
    ----------
    limit, cursor
        How many, and where the page before ended.
    state, stage
        Only those in this Procedure Step State, or in this visible state.
    since
        Only those scheduled then or later.
    **identifiers
        Any of ``patient_id``, ``accession_number``, ``study_instance_uid``,
        ``series_instance_uid``, ``sop_instance_uid``: only those with this value.

    Returns
    -------
    Page
        Of :class:`~storage.records.Job`.

    Raises
    ------
    CursorInvalid
        The cursor was not given out by a listing.
    """
    statement = _select()
    for name, value in identifiers.items():
        if value is not None:
            statement = statement.where(_IDENTIFIERS[name] == value)
    if state is not None:
        statement = statement.where(workitem.c.state == state)
    if stage is not None:
        statement = statement.where(visible_state == stage)
    if since is not None:
        statement = statement.where(workitem.c.scheduled_at >= since)
    order = (workitem.c.scheduled_at, workitem.c.workitem_uid)
    rows, following = read_page(tx, statement, order, limit, cursor)
    return Page(_complete(tx, rows), following)


def get_job(tx: Transaction, workitem_uid: str) -> Job:
    """Look one job up.

    Raises
    ------
    UnknownRecord
        There is no such Workitem.
    """
    statement = _select().where(workitem.c.workitem_uid == workitem_uid)
    jobs = _complete(tx, list(tx.execute(statement).mappings()))
    if not jobs:
        raise UnknownRecord(f"no workitem {workitem_uid}")
    return jobs[0]


def read_jobs(tx: Transaction, *conditions: ColumnElement[bool]) -> tuple[Job, ...]:
    """Read the jobs that meet conditions on Workitem and Instance, newest first."""
    newest = (workitem.c.scheduled_at.desc(), workitem.c.workitem_uid.desc())
    statement = _select().where(*conditions).order_by(*newest)
    return _complete(tx, list(tx.execute(statement).mappings()))


def studies_by_model(tx: Transaction, name: str, version: str) -> list[str]:
    """List the studies that have results of a model, recalled or not."""
    statement = (
        select(instance.c.study_instance_uid)
        .join_from(workitem, instance)
        .where(is_by_model(name, version))
        .distinct()
        .order_by(instance.c.study_instance_uid)
    )
    return list(tx.execute(statement).scalars())


def jobs_by_model(
    tx: Transaction, name: str, version: str, study: str
) -> tuple[Job, ...]:
    """Read the jobs of a study whose results are of a model, recalled or not."""
    in_study = instance.c.study_instance_uid == study
    return read_jobs(tx, is_by_model(name, version), in_study)


def counts(tx: Transaction) -> dict[ProcedureStepState, int]:
    """Count the Workitems in each state, without those that a retry replaced."""
    statement = (
        select(workitem.c.state, func.count())
        .where(workitem.c.replaced_by.is_(None))
        .group_by(workitem.c.state)
    )
    found = dict.fromkeys(ProcedureStepState, 0)
    for name, number in tx.execute(statement):
        found[ProcedureStepState(name)] = number
    return found


_IDENTIFIERS: dict[str, ColumnElement[str]] = {
    name: instance.c[name]
    for name in (
        "patient_id",
        "accession_number",
        "study_instance_uid",
        "series_instance_uid",
        "sop_instance_uid",
    )
}


def _select() -> Select[Any]:
    return select(workitem, instance, visible_state).join_from(workitem, instance)


def _complete(tx: Transaction, rows: list[RowMapping]) -> tuple[Job, ...]:
    """Read what belongs to the Workitems, in one query for each kind."""
    uids = [row[workitem.c.workitem_uid] for row in rows]
    attempts = _children(tx, attempt, attempt.c.number, uids, attempt_of)
    results = _children(tx, evidence, evidence.c.kind, uids, evidence_of)
    outbox = _children(tx, delivery, delivery.c.delivery_id, uids, delivery_of)
    return tuple(
        Job(
            workitem=complete_workitem(tx, row),
            instance=instance_of(row),
            attempts=tuple(attempts.get(uid, ())),
            evidence=tuple(results.get(uid, ())),
            deliveries=tuple(outbox.get(uid, ())),
            visible_state=InstanceState(row[visible_state]),
        )
        for uid, row in zip(uids, rows, strict=True)
    )


def _children(
    tx: Transaction,
    table: Table,
    order: ColumnElement[Any],
    workitem_uids: Iterable[str],
    make: Callable[[RowMapping], _Record],
) -> dict[str, list[_Record]]:
    parent = table.c.workitem_uid
    statement = select(table).where(parent.in_(workitem_uids)).order_by(order)
    found: dict[str, list[_Record]] = {}
    for row in tx.execute(statement).mappings():
        found.setdefault(row[parent], []).append(make(row))
    return found
