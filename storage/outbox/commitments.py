"""Storage Commitment that destinations are asked for (DICOM PS3.4 Annex J).

One row of ``commitment`` is one transaction: its UID is written down before it is
used, and never used again. What it is about stands in the outbox: a Delivery that is
SENT and wants commitment is due to be asked, is being asked, or has an end.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, literal_column, select

from storage.database import Transaction
from storage.events import record
from storage.records import CommitmentState, DeliveryState, EventKind
from storage.schema import commitment, delivery, evidence
from storage.signals import Topic

_IS_ASKED = commitment.c.state == literal_column("'ASKED'")
_ABOUT = (
    delivery.c.workitem_uid,
    delivery.c.sop_instance_uid,
    delivery.c.destination,
)


@dataclass(frozen=True, slots=True)
class Persistence:
    """How often, and from when on, a destination is asked again.

    Parameters
    ----------
    tries
        Transactions without its commitment after which it has failed.
    again_at
        When to ask again about what is not to be sent again.
    """

    tries: int
    again_at: datetime


@dataclass(frozen=True, slots=True)
class Reported:
    """What a report changed.

    Parameters
    ----------
    is_open
        Whether its transaction was waited for.
    """

    is_open: bool
    committed: int = 0
    sent_again: int = 0
    failed: int = 0


def want(tx: Transaction, delivery_id: int, now: datetime) -> None:
    """Let a destination be asked about an object that it has just got."""
    tx.execute(
        delivery.update()
        .where(
            delivery.c.delivery_id == delivery_id,
            delivery.c.state == DeliveryState.SENT,
            delivery.c.commitment,
        )
        .values(commitment_due_at=now, commitment_uid=None)
    )
    tx.announce(Topic.DELIVERY)


def begin(
    tx: Transaction,
    *,
    destination: str,
    transaction_uid: str,
    limit: int,
    now: datetime,
    deadline: datetime,
) -> list[tuple[str, str]]:
    """Begin a transaction about what a destination is to be asked now.

    Parameters
    ----------
    limit
        How many objects at most.
    deadline
        Until when its report is waited for.

    Returns
    -------
    list
        (SOP Class UID, SOP Instance UID) of each object, each once; empty when there
        is nothing to ask, and then nothing has begun.
    """
    due = (
        select(delivery.c.delivery_id)
        .where(
            delivery.c.destination == destination,
            delivery.c.commitment_due_at <= now,
        )
        .order_by(delivery.c.commitment_due_at, delivery.c.delivery_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list(tx.execute(due).scalars())
    taken = tx.execute(
        delivery.update()
        .where(
            delivery.c.delivery_id.in_(ids), delivery.c.commitment_due_at.is_not(None)
        )
        .values(commitment_uid=transaction_uid, commitment_due_at=None)
        .returning(delivery.c.delivery_id)
    )
    if not list(taken):
        return []
    tx.execute(
        commitment.insert(),
        {
            "transaction_uid": transaction_uid,
            "destination": destination,
            "state": CommitmentState.ASKED,
            "asked_at": now,
            "deadline": deadline,
        },
    )
    return _objects(tx, transaction_uid)


def refused(
    tx: Transaction,
    transaction_uid: str,
    *,
    error: str,
    again_at: datetime | None,
    now: datetime,
) -> int:
    """End a transaction that its destination did not take on.

    Parameters
    ----------
    again_at
        When to ask anew; ``None`` to give up.

    Returns
    -------
    int
        How many objects were given up.
    """
    if not _end(tx, transaction_uid, CommitmentState.REFUSED, now, error):
        return 0
    mine = delivery.c.commitment_uid == transaction_uid
    if again_at is None:
        return _fail(tx, mine, error, now)
    tx.execute(
        delivery.update()
        .where(mine)
        .values(commitment_uid=None, commitment_due_at=again_at, last_error=error)
    )
    return 0


def report(
    tx: Transaction,
    transaction_uid: str,
    *,
    committed: Collection[str],
    failed: Mapping[str, str],
    persistence: Persistence,
    now: datetime,
) -> Reported:
    """Take a destination's report (PS3.4 J.3.3); a second one changes nothing.

    Parameters
    ----------
    committed
        SOP Instance UIDs that it keeps from now on.
    failed
        SOP Instance UID -> why it does not keep it; sent again.
    """
    if not _end(tx, transaction_uid, CommitmentState.REPORTED, now):
        return Reported(is_open=False)
    mine = delivery.c.commitment_uid == transaction_uid
    kept = _commit(tx, and_(mine, delivery.c.sop_instance_uid.in_(committed)), now)
    again = lost = 0
    for uid, tries in _left(tx, transaction_uid):
        this = and_(mine, delivery.c.sop_instance_uid == uid)
        why = failed.get(uid, "it was not mentioned in the report")
        if tries + 1 >= persistence.tries:
            lost += _fail(tx, this, why, now)
        elif uid in failed:
            again += _send_again(tx, this, why, now)
        else:
            _ask_again(tx, this, why, persistence.again_at)
    return Reported(is_open=True, committed=kept, sent_again=again, failed=lost)


def expire(tx: Transaction, persistence: Persistence, now: datetime) -> Reported:
    """End transactions whose report did not come in time; they are asked anew."""
    late = select(commitment.c.transaction_uid).where(
        _IS_ASKED, commitment.c.deadline <= now
    )
    lost = 0
    uids = list(tx.execute(late).scalars())
    why = "no report came in time"
    for transaction_uid in uids:
        if not _end(tx, transaction_uid, CommitmentState.EXPIRED, now, why):
            continue
        mine = delivery.c.commitment_uid == transaction_uid
        hopeless = delivery.c.commitment_tries + 1 >= persistence.tries
        lost += _fail(tx, and_(mine, hopeless), why, now)
        _ask_again(tx, mine, why, persistence.again_at)
    return Reported(is_open=bool(uids), failed=lost)


def destination_of(tx: Transaction, transaction_uid: str) -> str | None:
    """Name whom a transaction of ours is with; ``None`` when it is none of ours."""
    statement = select(commitment.c.destination).where(
        commitment.c.transaction_uid == transaction_uid
    )
    found: str | None = tx.execute(statement).scalar_one_or_none()
    return found


def retry(tx: Transaction, workitem_uid: str, now: datetime) -> int:
    """Send and ask again, from the beginning, what was not committed; count it."""
    again = tx.execute(
        delivery.update()
        .where(
            delivery.c.workitem_uid == workitem_uid,
            delivery.c.commitment,
            delivery.c.state.in_(
                (DeliveryState.COMMITMENT_FAILED, DeliveryState.FAILED)
            ),
        )
        .values(_PENDING_AGAIN | _now(now) | {"commitment_tries": 0})
    ).rowcount
    if again:
        tx.announce(Topic.DELIVERY)
    return again


_PENDING_AGAIN: dict[str, Any] = {
    "state": DeliveryState.PENDING,
    "attempts": 0,
    "lease_until": None,
    "commitment_uid": None,
    "commitment_due_at": None,
}


def _now(now: datetime) -> dict[str, datetime]:
    return {"created_at": now, "next_try_at": now}


def _objects(tx: Transaction, transaction_uid: str) -> list[tuple[str, str]]:
    same = and_(
        evidence.c.workitem_uid == delivery.c.workitem_uid,
        evidence.c.sop_instance_uid == delivery.c.sop_instance_uid,
    )
    statement = (
        select(evidence.c.sop_class_uid, evidence.c.sop_instance_uid)
        .join_from(delivery, evidence, same)
        .where(delivery.c.commitment_uid == transaction_uid)
        .order_by(evidence.c.sop_instance_uid)
        .distinct()
    )
    return [(row[0], row[1]) for row in tx.execute(statement)]


def _end(
    tx: Transaction,
    transaction_uid: str,
    state: CommitmentState,
    now: datetime,
    error: str | None = None,
) -> bool:
    """End a transaction that is open; tell whether this call did."""
    statement = (
        commitment.update()
        .where(commitment.c.transaction_uid == transaction_uid, _IS_ASKED)
        .values(state=state, ended_at=now, error=error)
    )
    return bool(tx.execute(statement).rowcount)


def _left(tx: Transaction, transaction_uid: str) -> list[tuple[str, int]]:
    statement = (
        select(delivery.c.sop_instance_uid, delivery.c.commitment_tries)
        .where(delivery.c.commitment_uid == transaction_uid)
        .order_by(delivery.c.delivery_id)
    )
    return [(row[0], row[1]) for row in tx.execute(statement)]


def _commit(tx: Transaction, these: Any, now: datetime) -> int:
    rows = tx.execute(
        delivery.update()
        .where(these, delivery.c.state == DeliveryState.SENT)
        .values(
            state=DeliveryState.COMMITTED,
            committed_at=now,
            commitment_uid=None,
            last_error=None,
        )
        .returning(*_ABOUT)
    ).mappings()
    about = [dict(row) for row in rows]
    for one in about:
        record(tx, EventKind.DELIVERY_COMMITTED, now, **one)
    return len(about)


def _fail(tx: Transaction, these: Any, why: str, now: datetime) -> int:
    rows = tx.execute(
        delivery.update()
        .where(these, delivery.c.state == DeliveryState.SENT)
        .values(
            state=DeliveryState.COMMITMENT_FAILED,
            commitment_uid=None,
            commitment_tries=delivery.c.commitment_tries + 1,
            last_error=why,
        )
        .returning(*_ABOUT)
    ).mappings()
    about = [dict(row) for row in rows]
    for one in about:
        record(tx, EventKind.COMMITMENT_FAILED, now, **one)
    return len(about)


def _send_again(tx: Transaction, these: Any, why: str, now: datetime) -> int:
    changed = tx.execute(
        delivery.update()
        .where(these, delivery.c.state == DeliveryState.SENT)
        .values(
            _PENDING_AGAIN
            | _now(now)
            | {
                "commitment_tries": delivery.c.commitment_tries + 1,
                "last_error": why,
            }
        )
    ).rowcount
    if changed:
        tx.announce(Topic.DELIVERY)
    return changed


def _ask_again(tx: Transaction, these: Any, why: str, again_at: datetime) -> None:
    tx.execute(
        delivery.update()
        .where(these, delivery.c.state == DeliveryState.SENT)
        .values(
            commitment_uid=None,
            commitment_due_at=again_at,
            commitment_tries=delivery.c.commitment_tries + 1,
            last_error=why,
        )
    )
