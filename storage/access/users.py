"""Local users: a name, the hash of a password, and a role.

A role is a word here; what it allows is known to whoever asks.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from storage.access import sessions
from storage.database import Transaction
from storage.errors import RecordExists, UnknownRecord
from storage.schema import user_account

_T = user_account


@dataclass(frozen=True, slots=True)
class UserAccount:
    """A local user."""

    name: str
    password_hash: str
    role: str
    created_at: datetime
    password_set_at: datetime


def add(tx: Transaction, user: UserAccount) -> None:
    """Add a user.

    Raises
    ------
    RecordExists
        There is one of that name.
    """
    row = {name: getattr(user, name) for name in UserAccount.__slots__}
    if not tx.execute(tx.insert_new(_T), row).rowcount:
        raise RecordExists(f"there is a user {user.name} already")


def find(tx: Transaction, name: str) -> UserAccount | None:
    """Find a user, if there is one of that name."""
    row = tx.execute(select(_T).where(_T.c.name == name)).first()
    return None if row is None else UserAccount(*row)


def list_users(tx: Transaction) -> list[UserAccount]:
    """List all users by name."""
    rows = tx.execute(select(_T).order_by(_T.c.name))
    return [UserAccount(*row) for row in rows]


def count(tx: Transaction) -> int:
    """Count the users."""
    counted: int = tx.execute(select(func.count()).select_from(_T)).scalar_one()
    return counted


def remove(tx: Transaction, name: str) -> None:
    """Remove a user, and end the sessions of that name.

    Raises
    ------
    UnknownRecord
        There is none.
    """
    if not tx.execute(_T.delete().where(_T.c.name == name)).rowcount:
        raise UnknownRecord(f"no user {name}")
    sessions.end_all_of(tx, name)


def set_role(tx: Transaction, name: str, role: str) -> None:
    """Give a user another role; it holds from the next request on.

    Raises
    ------
    UnknownRecord
        There is none.
    """
    changed = tx.execute(_T.update().where(_T.c.name == name).values(role=role))
    if not changed.rowcount:
        raise UnknownRecord(f"no user {name}")


def set_password(tx: Transaction, name: str, password_hash: str, now: datetime) -> None:
    """Give a user another password, and end the sessions of that name.

    Raises
    ------
    UnknownRecord
        There is none.
    """
    changed = tx.execute(
        _T.update()
        .where(_T.c.name == name)
        .values(password_hash=password_hash, password_set_at=now)
    )
    if not changed.rowcount:
        raise UnknownRecord(f"no user {name}")
    sessions.end_all_of(tx, name)


def rehash(tx: Transaction, name: str, before: str, after: str) -> None:
    """Store the same password under newer parameters, unless it changed meanwhile."""
    mine = (_T.c.name == name) & (_T.c.password_hash == before)
    tx.execute(_T.update().where(mine).values(password_hash=after))
