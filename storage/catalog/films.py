"""Every image that came and how it stands, as people search for it.

An image that is no job is found too. Whatever narrows the listing has an index, or is
looked for among the images of a stretch of time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, or_, select

from storage.catalog.instances import CURRENT
from storage.database import Transaction
from storage.held import held_study
from storage.records import (
    Cause,
    Instance,
    InstanceState,
    ProcedureStepState,
    Reason,
    Stage,
)
from storage.rows import instance_of
from storage.schema import instance, workitem
from storage.states import visible_state

UNNAMED = ""


class FilmOrder(StrEnum):
    """What comes first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    SEVEREST = "severity"


@dataclass(frozen=True, slots=True)
class FilmSearch:
    """What is searched for; nothing that is empty narrows it.

    Parameters
    ----------
    uid
        Of the study, the series, the image or the Workitem.
    name
        How the patient's name begins; looked for only where it is given.
    since, until
        When the image was received.
    least, most
        Of the percentage of both lungs that is covered.
    """

    patient_id: str = ""
    accession_number: str = ""
    uid: str = ""
    name: str = ""
    calling_ae: str = ""
    state: InstanceState | None = None
    reason: str = ""
    since: datetime | None = None
    until: datetime | None = None
    least: float | None = None
    most: float | None = None
    order: FilmOrder = FilmOrder.NEWEST


@dataclass(frozen=True, slots=True)
class ArrivedFilm:
    """One image that came, and its current Workitem in a few words.

    Parameters
    ----------
    workitem_uid
        ``None`` where it is no job.
    result
        What was found, as those who analyse put it.
    patient_name
        Empty unless it was asked for.
    """

    instance: Instance
    state: InstanceState
    workitem_uid: str | None
    ended_at: datetime | None
    reason: Reason | None
    result: Mapping[str, Any] | None
    patient_name: str = UNNAMED


def search_films(
    tx: Transaction,
    wanted: FilmSearch,
    *,
    limit: int,
    offset: int = 0,
    with_names: bool = False,
) -> list[ArrivedFilm]:
    """Read images that meet a search, from ``offset`` on."""
    columns = [*instance.c, *_OF_WORKITEM, visible_state]
    statement = select(*columns).select_from(CURRENT)
    if with_names:
        study = held_study.c.study_instance_uid == instance.c.study_instance_uid
        named = CURRENT.outerjoin(held_study, study)
        statement = select(*columns, held_study.c.patient_name).select_from(named)
    for condition in _conditions(wanted, with_names=with_names):
        statement = statement.where(condition)
    rows = tx.execute(_ordered(statement, wanted.order).limit(limit).offset(offset))
    return [_film(row, with_names=with_names) for row in rows.mappings()]


def film_of(tx: Transaction, sop_instance_uid: str) -> ArrivedFilm | None:
    """Look one image up."""
    columns = [*instance.c, *_OF_WORKITEM, visible_state]
    statement = select(*columns).select_from(CURRENT)
    found = tx.execute(statement.where(instance.c.sop_instance_uid == sop_instance_uid))
    row = found.mappings().one_or_none()
    return None if row is None else _film(row, with_names=False)


def patient_name(tx: Transaction, study_instance_uid: str) -> str:
    """Tell the name that a study has, in its alphabetic form."""
    asked = select(held_study.c.patient_name)
    where = held_study.c.study_instance_uid == study_instance_uid
    return tx.execute(asked.where(where)).scalar_one_or_none() or UNNAMED


severity_total: ColumnElement[Any] = workitem.c.result[("severity", "total")].as_float()
"""Percent of both lungs that is covered, where a film was analysed."""

_OF_WORKITEM = (
    workitem.c.workitem_uid,
    workitem.c.ended_at,
    workitem.c.reason_code,
    workitem.c.reason_text,
    workitem.c.reason_cause,
    workitem.c.result,
)
_IN_QUEUE: Mapping[InstanceState, Stage] = {
    InstanceState.QUEUED: Stage.QUEUED,
    InstanceState.ANALYZING: Stage.ANALYZING,
    InstanceState.DELIVERING: Stage.DELIVERING,
}
"""Few Workitems are in a queue: they lead to their images, not the other way round."""
_ENDED: Mapping[InstanceState, Cause] = {
    InstanceState.FAILED: Cause.FAILURE,
    InstanceState.CANCELED: Cause.REQUEST,
}


def _conditions(wanted: FilmSearch, *, with_names: bool) -> list[ColumnElement[bool]]:
    found = [
        instance.c[name] == value
        for name in ("patient_id", "accession_number", "calling_ae")
        if (value := getattr(wanted, name))
    ]
    if wanted.uid:
        found.append(instance.c.sop_instance_uid.in_(_with_uid(wanted.uid)))
    if wanted.name and with_names:
        found.append(held_study.c.patient_name.startswith(wanted.name, autoescape=True))
    return [*found, *_standing(wanted), *_ranges(wanted)]


def _standing(wanted: FilmSearch) -> Iterator[ColumnElement[bool]]:
    if wanted.state is not None:
        yield visible_state == wanted.state
        if stage := _IN_QUEUE.get(wanted.state):
            queued = select(workitem.c.sop_instance_uid)
            of_stage = queued.where(workitem.c.stage == stage)
            yield instance.c.sop_instance_uid.in_(of_stage)
        if cause := _ENDED.get(wanted.state):
            yield workitem.c.state == ProcedureStepState.CANCELED
            yield workitem.c.reason_cause == cause
    if wanted.reason:
        not_eligible = instance.c.not_eligible_code == wanted.reason
        yield or_(not_eligible, workitem.c.reason_code == wanted.reason)


def _ranges(wanted: FilmSearch) -> Iterator[ColumnElement[bool]]:
    if wanted.since is not None:
        yield instance.c.received_at >= wanted.since
    if wanted.until is not None:
        yield instance.c.received_at < wanted.until
    if wanted.least is not None:
        yield severity_total >= wanted.least
    if wanted.most is not None:
        yield severity_total <= wanted.most


def _with_uid(uid: str) -> Any:
    """Select the images that have this UID, or are of what has it; each by an index."""
    image = select(instance.c.sop_instance_uid)
    in_study = image.where(instance.c.study_instance_uid == uid)
    in_series = image.where(instance.c.series_instance_uid == uid)
    of_job = select(workitem.c.sop_instance_uid).where(workitem.c.workitem_uid == uid)
    itself = image.where(instance.c.sop_instance_uid == uid)
    return itself.union_all(in_study, in_series, of_job)


def _ordered(statement: Select[Any], order: FilmOrder) -> Select[Any]:
    received, uid = instance.c.received_at, instance.c.sop_instance_uid
    if order is FilmOrder.OLDEST:
        return statement.order_by(received, uid)
    if order is FilmOrder.SEVEREST:
        known = statement.where(severity_total.is_not(None))
        return known.order_by(severity_total.desc(), received.desc())
    return statement.order_by(received.desc(), uid.desc())


def _film(row: RowMapping, *, with_names: bool) -> ArrivedFilm:
    received = instance_of(row)
    reason = received.not_eligible
    code = row[workitem.c.reason_code]
    if reason is None and code is not None:
        cause = Cause(row[workitem.c.reason_cause])
        reason = Reason(code, row[workitem.c.reason_text], cause)
    named = row[held_study.c.patient_name] if with_names else None
    return ArrivedFilm(
        instance=received,
        state=InstanceState(row[visible_state]),
        workitem_uid=row[workitem.c.workitem_uid],
        ended_at=row[workitem.c.ended_at],
        reason=reason,
        result=row[workitem.c.result],
        patient_name=named or UNNAMED,
    )
