"""What the images of a stretch of time came to, for people who watch.

Each question reads the images since a moment, by the index of their arrival, and no
more of them than a busy hospital has in that time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func, or_, select

from storage.catalog.films import severity_total
from storage.catalog.instances import CURRENT
from storage.database import Transaction
from storage.records import Cause, InstanceState, Stage
from storage.schema import evidence, instance, workitem
from storage.states import visible_state

MOST = 20_000
"""The newest so many are looked at."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One image on its way.

    Parameters
    ----------
    reason
        Code of why it was not analysed, where it was not.
    """

    received_at: datetime
    state: InstanceState
    ended_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits.

    Parameters
    ----------
    waiting, analyzing, delivering
        How many Workitems.
    waits_since
        When the oldest of those that wait was scheduled.
    """

    waiting: int
    analyzing: int
    delivering: int
    waits_since: datetime | None


@dataclass(frozen=True, slots=True)
class RefusedByReason:
    """Images of one sender that were not analysed for one reason."""

    code: str
    text: str
    calling_ae: str
    number: int
    newest_at: datetime


@dataclass(frozen=True, slots=True)
class Sender:
    """What one AE sent.

    Parameters
    ----------
    days
        Date in UTC -> how many images.
    refused
        How many of them were not analysed for what they are.
    """

    calling_ae: str
    number: int
    refused: int
    newest_at: datetime
    days: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Scored:
    """What a model said of one film."""

    model: str
    score: float
    severity: float


def passages(tx: Transaction, since: datetime) -> list[Passage]:
    """Read how each image since then stands, newest first."""
    statement = (
        select(
            instance.c.received_at,
            visible_state,
            workitem.c.ended_at,
            func.coalesce(instance.c.not_eligible_code, workitem.c.reason_code),
        )
        .select_from(CURRENT)
        .where(instance.c.received_at >= since)
        .order_by(instance.c.received_at.desc())
        .limit(MOST)
    )
    return [
        Passage(received, InstanceState(state), ended, reason)
        for received, state, ended, reason in tx.execute(statement)
    ]


def queue(tx: Transaction) -> Queue:
    """Count what waits; each stage has its own index."""
    waiting, analyzing, delivering = (
        int(
            tx.execute(
                select(func.count())
                .select_from(workitem)
                .where(workitem.c.stage == stage)
            ).scalar_one()
        )
        for stage in (Stage.QUEUED, Stage.ANALYZING, Stage.DELIVERING)
    )
    oldest = select(func.min(workitem.c.scheduled_at)).where(
        workitem.c.stage == Stage.QUEUED
    )
    return Queue(waiting, analyzing, delivering, tx.execute(oldest).scalar_one())


def bytes_since(tx: Transaction, since: datetime) -> int:
    """Add up what was stored since then."""
    arrived = select(func.sum(instance.c.size_bytes)).where(
        instance.c.received_at >= since
    )
    made = select(func.sum(evidence.c.size_bytes)).where(
        evidence.c.object_removed_at.is_(None), evidence.c.created_at >= since
    )
    return sum(int(tx.execute(one).scalar_one() or 0) for one in (arrived, made))


def refusals(tx: Transaction, since: datetime) -> list[RefusedByReason]:
    """Group what was not analysed since then by reason and sender, most first."""
    code = func.coalesce(instance.c.not_eligible_code, workitem.c.reason_code)
    words = func.coalesce(instance.c.not_eligible_text, workitem.c.reason_text)
    number = func.count()
    statement = (
        select(
            code,
            func.max(words),
            instance.c.calling_ae,
            number,
            func.max(instance.c.received_at, type_=instance.c.received_at.type),
        )
        .select_from(CURRENT)
        .where(instance.c.received_at >= since, _is_refused)
        .group_by(code, instance.c.calling_ae)
        .order_by(number.desc(), code)
    )
    return [RefusedByReason(*row) for row in tx.execute(statement)]


def senders(tx: Transaction, since: datetime) -> list[Sender]:
    """Tell what each AE sent since then, by day."""
    day = _day(tx.dialect)
    statement = (
        select(
            instance.c.calling_ae,
            day,
            func.count(),
            func.sum(case((_is_refused, 1), else_=0)),
            func.max(instance.c.received_at, type_=instance.c.received_at.type),
        )
        .select_from(CURRENT)
        .where(instance.c.received_at >= since)
        .group_by(instance.c.calling_ae, day)
    )
    rows: dict[str, list[Any]] = {}
    for row in tx.execute(statement):
        rows.setdefault(row[0], []).append(row)
    found = [
        Sender(
            calling_ae=title,
            number=sum(row[2] for row in of_it),
            refused=sum(row[3] for row in of_it),
            newest_at=max(row[4] for row in of_it),
            days={str(row[1]): row[2] for row in of_it},
        )
        for title, of_it in rows.items()
    ]
    return sorted(found, key=lambda one: (-one.number, one.calling_ae))


def scores(tx: Transaction, since: datetime, limit: int) -> list[Scored]:
    """Read what was said of the newest films since then."""
    score = workitem.c.result["opacity_score"].as_float()
    statement = (
        select(workitem.c.model_name, workitem.c.model_version, score, severity_total)
        .where(workitem.c.scheduled_at >= since, workitem.c.model_name.is_not(None))
        .order_by(workitem.c.scheduled_at.desc())
        .limit(limit)
    )
    return [
        Scored(f"{name} {version}", score, severity)
        for name, version, score, severity in tx.execute(statement)
        if score is not None and severity is not None
    ]


_is_refused: ColumnElement[bool] = or_(
    instance.c.not_eligible_code.is_not(None), workitem.c.reason_cause == Cause.IMAGE
)


def _day(dialect: str) -> ColumnElement[str]:
    received = instance.c.received_at
    if dialect == "sqlite":
        return func.strftime("%Y-%m-%d", received)
    return func.to_char(func.timezone("UTC", received), "YYYY-MM-DD")
