"""The audit trail: rows that are only ever added, each of which seals the one before.

A row's seal is SHA-256 over its number, instant, message and the seal before it.
Whoever changes, removes or inserts a row breaks the chain from there on; whoever cuts
off its end is found out by what was sent to another machine.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text

from storage.database import Transaction
from storage.schema import audit_record

_T = audit_record
_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_CHAIN_LOCK = 0x435841  # any number that nobody else locks; "CXA"
FIRST = "0" * 64
"""What the first row seals."""
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One row: who did what, as a message of PS3.15 A.5."""

    record_id: int
    at: datetime
    event: str
    message: str
    previous: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """How a chain is found.

    Parameters
    ----------
    records
        How many rows it has.
    last
        Seal of the last one, to compare with a note kept elsewhere.
    broken_at
        Number of the first row that does not fit; ``None`` when all do.
    """

    records: int
    last: str
    broken_at: int | None = None


def append(tx: Transaction, event: str, message: str, at: datetime) -> int:
    """Add a row; writers take turns, so that each seals the one before."""
    if tx.dialect == "postgresql":
        tx.execute(_LOCK, {"key": _CHAIN_LOCK})
    statement = select(_T.c.record_id, _T.c.sha256).order_by(_T.c.record_id.desc())
    last = tx.execute(statement.limit(1)).first()
    number, previous = (last[0] + 1, last[1]) if last else (1, FIRST)
    row = {
        "record_id": number,
        "at": at,
        "event": event,
        "message": message,
        "previous": previous,
        "sha256": _seal(number, at, event, message, previous),
    }
    tx.execute(_T.insert(), row)
    return int(number)


def verify(tx: Transaction) -> ChainVerdict:
    """Go through the whole chain."""
    count, seal = 0, FIRST
    for one in _all(tx):
        expected = _seal(one.record_id, one.at, one.event, one.message, seal)
        fits = (one.record_id, one.previous, one.sha256) == (count + 1, seal, expected)
        if not fits:
            return ChainVerdict(count, seal, broken_at=count + 1)
        count, seal = count + 1, one.sha256
    return ChainVerdict(count, seal)


def after(tx: Transaction, record_id: int, limit: int) -> list[AuditRecord]:
    """Give the rows behind a number, in order."""
    statement = (
        select(_T)
        .where(_T.c.record_id > record_id)
        .order_by(_T.c.record_id)
        .limit(limit)
    )
    return [AuditRecord(*row) for row in tx.execute(statement)]


def latest(tx: Transaction, limit: int) -> list[AuditRecord]:
    """Give the newest rows, the newest first."""
    statement = select(_T).order_by(_T.c.record_id.desc()).limit(limit)
    return [AuditRecord(*row) for row in tx.execute(statement)]


def _all(tx: Transaction) -> Iterator[AuditRecord]:
    seen = 0
    while rows := after(tx, seen, _AT_ONCE):
        yield from rows
        seen = rows[-1].record_id


def _seal(number: int, at: datetime, event: str, message: str, previous: str) -> str:
    # Lengths keep one part from passing for the end of another.
    parts = (str(number), at.isoformat(), event, message, previous)
    sealed = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(sealed.encode("utf-8", "replace")).hexdigest()
