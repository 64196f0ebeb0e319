"""Studies that others are asked to send here, each a row until it came or cannot.

One at a time is under way; a row that a crash left under way is taken up again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, func, literal_column, select

from storage.database import Transaction
from storage.records import Priority
from storage.schema import fetch_request, workitem
from storage.signals import Topic
from storage.worklist.transitions import IS_QUEUED

BEHIND_ALL = Priority.LOW - 1
"""Priority of what was fetched: whatever anybody sends goes first."""

_T = fetch_request.c
_IS_OPEN: ColumnElement[bool] = literal_column("state IN ('WAITING', 'MOVING')")


class FetchState(StrEnum):
    """Life of a study that is fetched."""

    WAITING = "WAITING"
    MOVING = "MOVING"
    FETCHED = "FETCHED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Fetch:
    """A study that is fetched.

    Parameters
    ----------
    peer
        AE title of who has it.
    deliver
        Whether its results are sent like those of new images.
    attempts
        How often it was tried in vain.
    """

    fetch_id: int
    peer: str
    study_instance_uid: str
    state: FetchState
    deliver: bool
    requested_at: datetime
    attempts: int


_COLUMNS = [_T[name] for name in Fetch.__dataclass_fields__]


def add(
    tx: Transaction, peer: str, uids: Iterable[str], *, deliver: bool, now: datetime
) -> int:
    """Queue studies; one that has ended begins again, one that waits stays.

    Returns
    -------
    int
        How many wait now that did not.
    """
    count = 0
    for uid in dict.fromkeys(uids):
        row = {
            "peer": peer,
            "study_instance_uid": uid,
            "state": FetchState.WAITING,
            "deliver": deliver,
            "requested_at": now,
            "next_try_at": now,
            "attempts": 0,
            "error": None,
        }
        if tx.execute(tx.insert_new(fetch_request), row).rowcount:
            count += 1
            continue
        again = tx.execute(
            fetch_request.update()
            .where(_T.peer == peer, _T.study_instance_uid == uid, ~_IS_OPEN)
            .values(row)
        )
        count += again.rowcount
    tx.announce(Topic.STEP)
    return count


def take(tx: Transaction, now: datetime, until: datetime) -> Fetch | None:
    """Begin with the next that is due; what a crash left goes first.

    Parameters
    ----------
    until
        When another may take it up, unless :func:`renew` is called.
    """
    row = tx.execute(
        select(*_COLUMNS)
        .where(_IS_OPEN, _T.next_try_at <= now)
        .order_by(_T.state == FetchState.WAITING, _T.attempts, _T.fetch_id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if row is None:
        return None
    _change(tx, row.fetch_id, state=FetchState.MOVING, next_try_at=until)
    return replace(Fetch(*row), state=FetchState.MOVING)


def begin(
    tx: Transaction, peer: str, study_instance_uid: str, until: datetime
) -> Fetch:
    """Begin with one that is queued, before all others."""
    row = tx.execute(
        select(*_COLUMNS).where(
            _T.peer == peer, _T.study_instance_uid == study_instance_uid
        )
    ).one()
    _change(tx, row.fetch_id, state=FetchState.MOVING, next_try_at=until)
    return replace(Fetch(*row), state=FetchState.MOVING)


def renew(tx: Transaction, one: Fetch, until: datetime) -> None:
    """Say that it goes on."""
    _change(tx, one.fetch_id, next_try_at=until)


def end(tx: Transaction, one: Fetch, error: str | None = None) -> None:
    """Say that it came, or why it never will."""
    state = FetchState.FETCHED if error is None else FetchState.FAILED
    _change(tx, one.fetch_id, state=state, error=error)


def try_again(tx: Transaction, one: Fetch, at: datetime, error: str) -> None:
    """Put it off."""
    _change(
        tx,
        one.fetch_id,
        state=FetchState.WAITING,
        attempts=one.attempts + 1,
        next_try_at=at,
        error=error,
    )


def under_way(tx: Transaction, study_instance_uid: str, peer: str) -> Fetch | None:
    """Find the fetch by which an object of a study comes from a peer."""
    row = tx.execute(
        select(*_COLUMNS).where(
            _T.study_instance_uid == study_instance_uid,
            _T.peer == peer,
            _T.state == FetchState.MOVING,
        )
    ).first()
    return None if row is None else Fetch(*row)


def counts(tx: Transaction, peer: str, uids: Iterable[str]) -> Mapping[FetchState, int]:
    """Count how some studies of a peer stand."""
    found = dict.fromkeys(FetchState, 0)
    wanted = set(uids)
    asked = select(_T.study_instance_uid, _T.state).where(_T.peer == peer)
    for uid, state in tx.execute(asked):
        if uid in wanted:
            found[FetchState(state)] += 1
    return found


def is_busy(tx: Transaction, most_waiting: int) -> bool:
    """Tell whether anything else waits for analysis, or much that was fetched does."""
    waiting = (
        select(workitem.c.priority, func.count())
        .where(IS_QUEUED)
        .group_by(workitem.c.priority)
    )
    found = {int(priority): number for priority, number in tx.execute(waiting)}
    new = sum(number for priority, number in found.items() if priority > BEHIND_ALL)
    return bool(new or sum(found.values()) >= most_waiting)


def _change(tx: Transaction, fetch_id: int, **values: object) -> None:
    tx.execute(fetch_request.update().where(_T.fetch_id == fetch_id).values(**values))
