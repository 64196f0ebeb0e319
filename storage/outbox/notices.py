"""Notices of results that can be retrieved, on their way to peers.

They are made of events: whoever adds them moves its place in the events in the same
transaction, so that nothing is told twice or left out.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

from sqlalchemy import Update, func, literal_column, select

from storage.database import Transaction
from storage.events import since
from storage.records import AvailabilityNotice, EventKind, NoticeState
from storage.schema import availability_notice, event, event_reader

_T = availability_notice
_READER = "availability"
_IS_PENDING = _T.c.state == literal_column("'PENDING'")
_NOTICE = (
    _T.c.workitem_uid,
    _T.c.peer,
    _T.c.sop_instance_uid,
    _T.c.created_at,
    _T.c.attempts,
)


def collect(
    tx: Transaction,
    peers: Iterable[str],
    *,
    limit: int,
    now: datetime,
    new_uid: Callable[[], str],
) -> int:
    """Add a notice for each peer and each Workitem completed since the last call.

    The first call of all begins with what happens from then on.

    Returns
    -------
    int
        How many events were read.
    """
    mine = event_reader.c.name == _READER
    seen = tx.execute(
        select(event_reader.c.event_id).where(mine).with_for_update()
    ).scalar_one_or_none()
    if seen is None:
        last = tx.execute(select(func.coalesce(func.max(event.c.event_id), 0)))
        row = {"name": _READER, "event_id": last.scalar_one()}
        tx.execute(tx.insert_new(event_reader), row)
        return 0
    found = since(tx, seen, limit)
    rows = [
        {
            "workitem_uid": one.workitem_uid,
            "peer": peer,
            "sop_instance_uid": new_uid(),
            "state": NoticeState.PENDING,
            "created_at": now,
            "next_try_at": now,
            "attempts": 0,
        }
        for one in found
        if one.kind is EventKind.COMPLETED
        for peer in peers
    ]
    if rows:
        tx.execute(tx.insert_new(_T), rows)
    if found:
        last_id = found[-1].event_id
        tx.execute(event_reader.update().where(mine).values(event_id=last_id))
    return len(found)


def take(
    tx: Transaction, *, limit: int, now: datetime, until: datetime
) -> list[AvailabilityNotice]:
    """Take notices that are due; nobody else takes them until the given instant."""
    due = (
        select(_T.c.workitem_uid, _T.c.peer)
        .where(_IS_PENDING, _T.c.next_try_at <= now)
        .order_by(_T.c.next_try_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = []
    for workitem_uid, peer in tx.execute(due).all():
        row = tx.execute(
            _T.update()
            .where(
                _T.c.workitem_uid == workitem_uid,
                _T.c.peer == peer,
                _IS_PENDING,
                _T.c.next_try_at <= now,
            )
            .values(next_try_at=until, attempts=_T.c.attempts + 1)
            .returning(*_NOTICE)
        ).first()
        if row is not None:
            taken.append(AvailabilityNotice(*row))
    return taken


def sent(tx: Transaction, notice: AvailabilityNotice, now: datetime) -> None:
    """Note that a peer has been told, or need not be."""
    tx.execute(_of(notice).values(state=NoticeState.SENT, sent_at=now, error=None))


def try_again(
    tx: Transaction, notice: AvailabilityNotice, at: datetime, error: str
) -> None:
    """Say when to tell a peer next."""
    tx.execute(_of(notice).values(next_try_at=at, error=error))


def give_up(tx: Transaction, notice: AvailabilityNotice, error: str) -> None:
    """Tell a peer no more."""
    tx.execute(_of(notice).values(state=NoticeState.GIVEN_UP, error=error))


def _of(notice: AvailabilityNotice) -> Update:
    return _T.update().where(
        _T.c.workitem_uid == notice.workitem_uid, _T.c.peer == notice.peer
    )
