"""Storage Commitment that peers ask of this node, and reports to them on their way.

A request is remembered before it is answered (DICOM PS3.4 J.3.2); its report is due
until the peer has taken it, for days and over restarts.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, literal_column, select

from storage.database import Transaction
from storage.errors import DuplicateInstance
from storage.records import CommitmentRequest, RequestState
from storage.rows import commitment_request_of
from storage.schema import commitment_request

_T = commitment_request
_IS_PENDING = _T.c.state == literal_column("'PENDING'")


def add(  # noqa: PLR0913  one request is one call
    tx: Transaction,
    *,
    transaction_uid: str,
    peer: str,
    called_ae: str,
    address: str,
    objects: Sequence[tuple[str, str]],
    now: datetime,
    report_at: datetime,
) -> CommitmentRequest:
    """Remember a request; the same one again is answered again.

    Parameters
    ----------
    report_at
        When to report to the peer if it has no report by then.

    Raises
    ------
    DuplicateInstance
        The peer used this Transaction UID for something else.
    """
    tx.execute(
        tx.insert_new(_T),
        {
            "transaction_uid": transaction_uid,
            "peer": peer,
            "called_ae": called_ae,
            "address": address,
            "objects": [list(one) for one in objects],
            "state": RequestState.PENDING,
            "received_at": now,
            "next_try_at": report_at,
            "attempts": 0,
        },
    )
    mine = (_T.c.peer == peer, _T.c.transaction_uid == transaction_uid)
    row = tx.execute(select(_T).where(*mine)).mappings().one()
    found = commitment_request_of(row)
    if found.objects != tuple(objects):
        raise DuplicateInstance(f"Transaction UID {transaction_uid} was used before")
    again = {
        "state": RequestState.PENDING,
        "next_try_at": report_at,
        "address": address,
    }
    tx.execute(_T.update().where(*mine).values(again))
    return found


def reported(tx: Transaction, request_id: int, now: datetime) -> None:
    """Note that the peer has the report."""
    tx.execute(
        _T.update()
        .where(_T.c.request_id == request_id)
        .values(state=RequestState.REPORTED, reported_at=now, error=None)
    )


def hasten(tx: Transaction, request_id: int, now: datetime) -> None:
    """Let a report be due now: the peer did not take it where it asked."""
    tx.execute(
        _T.update()
        .where(_T.c.request_id == request_id, _IS_PENDING)
        .values(next_try_at=now)
    )


def take(
    tx: Transaction, *, limit: int, now: datetime, until: datetime
) -> list[CommitmentRequest]:
    """Take requests whose report is due, the longest waiting first.

    Parameters
    ----------
    until
        How long nobody else takes them.
    """
    due = (
        select(_T.c.request_id)
        .where(_IS_PENDING, _T.c.next_try_at <= now)
        .order_by(_T.c.next_try_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list(tx.execute(due).scalars())
    if not ids:
        return []
    taken = tx.execute(
        _T.update()
        .where(_T.c.request_id.in_(ids), _IS_PENDING, _T.c.next_try_at <= now)
        .values(next_try_at=until, attempts=_T.c.attempts + 1)
        .returning(_T)
    )
    return [commitment_request_of(row) for row in taken.mappings()]


def try_again(tx: Transaction, request_id: int, at: datetime, error: str) -> None:
    """Say when to report next."""
    tx.execute(
        _T.update()
        .where(_T.c.request_id == request_id, _IS_PENDING)
        .values(next_try_at=at, error=error)
    )


def give_up(tx: Transaction, request_id: int, error: str) -> None:
    """Report no more."""
    tx.execute(
        _T.update()
        .where(_T.c.request_id == request_id, _IS_PENDING)
        .values(state=RequestState.GIVEN_UP, error=error)
    )


def waiting(tx: Transaction) -> int:
    """Count the requests whose peers have no report yet."""
    statement = select(func.count()).select_from(_T).where(_IS_PENDING)
    return int(tx.execute(statement).scalar_one())
