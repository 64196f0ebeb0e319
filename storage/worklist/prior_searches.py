"""Workitems that wait a moment for the patient's earlier film from elsewhere."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, exists, select

from storage.database import Transaction
from storage.records import Workitem
from storage.schema import instance, prior_search, workitem
from storage.signals import Topic
from storage.worklist.transitions import IS_ANALYZING, IS_QUEUED

_T = prior_search.c


class SearchOutcome(StrEnum):
    """What came of a search for an earlier film."""

    FOUND = "FOUND"
    NONE = "NONE"
    LATE = "LATE"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class PriorSearch:
    """A Workitem that waits.

    Parameters
    ----------
    until
        When it waits no longer.
    priority
        Of the Workitem.
    """

    workitem_uid: str
    sop_instance_uid: str
    until: datetime
    priority: int


def add(tx: Transaction, item: Workitem, until: datetime) -> None:
    """Let a new Workitem wait."""
    row = {
        "workitem_uid": item.workitem_uid,
        "sop_instance_uid": item.sop_instance_uid,
        "until": until,
    }
    tx.execute(prior_search.insert(), row)
    tx.execute(
        workitem.update()
        .where(workitem.c.workitem_uid == item.workitem_uid)
        .values(not_before=until)
    )


def first(tx: Transaction) -> PriorSearch | None:
    """Find the one that waits longest."""
    row = tx.execute(
        select(_T.workitem_uid, _T.sop_instance_uid, _T.until, workitem.c.priority)
        .join(workitem, workitem.c.workitem_uid == _T.workitem_uid)
        .where(_T.outcome.is_(None))
        .order_by(_T.until, _T.workitem_uid)
        .limit(1)
    ).first()
    return None if row is None else PriorSearch(*row)


def end(tx: Transaction, one: PriorSearch, outcome: SearchOutcome) -> None:
    """Let it wait no longer."""
    tx.execute(
        prior_search.update()
        .where(_T.workitem_uid == one.workitem_uid)
        .values(outcome=outcome)
    )
    tx.execute(
        workitem.update()
        .where(workitem.c.workitem_uid == one.workitem_uid, IS_QUEUED)
        .where(workitem.c.not_before == one.until)
        .values(not_before=None)
    )
    tx.announce(Topic.WORK)


def hasten_study(tx: Transaction, study_instance_uid: str, priority: int) -> None:
    """Let what is queued of a study be as urgent as the film that waits for it."""
    tx.execute(
        workitem.update()
        .where(IS_QUEUED, workitem.c.priority < priority, _is_of(study_instance_uid))
        .values(priority=priority)
    )
    tx.announce(Topic.WORK)


def is_being_analysed(tx: Transaction, study_instance_uid: str) -> bool:
    """Tell whether anything of a study still waits for its analysis, or has it."""
    is_open = IS_QUEUED | IS_ANALYZING
    asked = select(exists().where(is_open, _is_of(study_instance_uid)))
    return bool(tx.execute(asked).scalar())


def _is_of(study_instance_uid: str) -> ColumnElement[bool]:
    images = select(instance.c.sop_instance_uid).where(
        instance.c.study_instance_uid == study_instance_uid
    )
    return workitem.c.sop_instance_uid.in_(images)
