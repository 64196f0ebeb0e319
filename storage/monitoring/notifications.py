"""What people and systems are told, on its way: an outbox with one row for each.

A row is unique by receiver, rule and subject, so that nobody is told the same twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import literal_column, select

from storage.database import Transaction
from storage.records import NoticeState
from storage.schema import notification, workitem

_T = notification
# Written out, not bound, so that the partial index is used.
_IS_PENDING = _T.c.state == literal_column("'PENDING'")
_ROW = (
    _T.c.notification_id,
    _T.c.receiver,
    _T.c.rule,
    _T.c.subject,
    _T.c.workitem_uid,
    _T.c.content,
    _T.c.created_at,
    _T.c.attempts,
)
_UNDONE = ("queued", "analyzing", "delivering")


@dataclass(frozen=True, slots=True)
class Notification:
    """One thing that one receiver is to be told.

    Parameters
    ----------
    rule, subject
        Which rule it is by, and of what it speaks.
    content
        A few plain values without patient attributes.
    """

    notification_id: int
    receiver: str
    rule: str
    subject: str
    workitem_uid: str | None
    content: Mapping[str, Any]
    created_at: datetime
    attempts: int


def add(  # noqa: PLR0913  one row is one call
    tx: Transaction,
    receiver: str,
    *,
    rule: str,
    subject: str,
    workitem_uid: str | None,
    content: Mapping[str, Any],
    now: datetime,
) -> bool:
    """Let a receiver be told; ``False`` when it was, or will be."""
    row = {
        "receiver": receiver,
        "rule": rule,
        "subject": subject,
        "workitem_uid": workitem_uid,
        "content": dict(content),
        "state": NoticeState.PENDING,
        "created_at": now,
        "next_try_at": now,
        "attempts": 0,
    }
    return bool(tx.execute(tx.insert_new(_T), row).rowcount > 0)


def take(
    tx: Transaction, receiver: str, *, now: datetime, until: datetime
) -> Notification | None:
    """Take what is due first; nobody else takes it until the given instant."""
    due = (
        select(_T.c.notification_id)
        .where(_IS_PENDING, _T.c.receiver == receiver, _T.c.next_try_at <= now)
        .order_by(_T.c.next_try_at, _T.c.notification_id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    found = tx.execute(due).scalar_one_or_none()
    if found is None:
        return None
    row = tx.execute(
        _T.update()
        .where(_T.c.notification_id == found)
        .values(next_try_at=until, attempts=_T.c.attempts + 1)
        .returning(*_ROW)
    ).one()
    return Notification(*row)


def sent(tx: Transaction, notification_id: int, now: datetime) -> None:
    """Note that the receiver has been told."""
    _settle(tx, notification_id, state=NoticeState.SENT, sent_at=now, error=None)


def try_again(
    tx: Transaction, notification_id: int, *, at: datetime, error: str
) -> None:
    """Say when to tell the receiver next."""
    _settle(tx, notification_id, next_try_at=at, error=error)


def give_up(tx: Transaction, notification_id: int, error: str) -> None:
    """Tell the receiver no more."""
    _settle(tx, notification_id, state=NoticeState.GIVEN_UP, error=error)


def late(tx: Transaction, before: datetime, limit: int) -> list[tuple[str, str]]:
    """Name jobs, and their stage, that were scheduled before and are not done."""
    found: list[tuple[str, str]] = []
    for stage in _UNDONE:
        statement = (
            select(workitem.c.workitem_uid)
            .where(
                workitem.c.stage == literal_column(f"'{stage}'"),
                workitem.c.scheduled_at < before,
            )
            .order_by(workitem.c.scheduled_at)
            .limit(limit)
        )
        found += [(uid, stage) for uid in tx.execute(statement).scalars()]
    return found


def _settle(tx: Transaction, notification_id: int, **values: Any) -> None:
    tx.execute(
        _T.update()
        .where(_T.c.notification_id == notification_id, _IS_PENDING)
        .values(**values)
    )
