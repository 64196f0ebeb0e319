"""API keys: named, of a role, with an end; only the digest of a key is kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from storage.database import Transaction
from storage.errors import RecordExists, UnknownRecord
from storage.schema import api_key

_T = api_key
_REMEMBER = timedelta(minutes=1)
"""How exactly it is known when a key was used last: no write for each request."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of a program."""

    name: str
    digest: str
    role: str
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None = None


def add(tx: Transaction, key: ApiKey) -> None:
    """Add a key.

    Raises
    ------
    RecordExists
        There is one of that name.
    """
    row = {name: getattr(key, name) for name in ApiKey.__slots__}
    if not tx.execute(tx.insert_new(_T), row).rowcount:
        raise RecordExists(f"there is a key {key.name} already")


def find(tx: Transaction, digest: str, now: datetime) -> ApiKey | None:
    """Find the key of a digest, unless its time is over."""
    row = tx.execute(select(_T).where(_T.c.digest == digest)).first()
    if row is None:
        return None
    key = ApiKey(*row)
    return None if key.expires_at is not None and key.expires_at <= now else key


def is_use_news(key: ApiKey, now: datetime) -> bool:
    """Tell whether it is worth a write that a key is used."""
    return key.used_at is None or now - key.used_at > _REMEMBER


def used(tx: Transaction, key: ApiKey, now: datetime) -> None:
    """Note that a key is used."""
    tx.execute(_T.update().where(_T.c.name == key.name).values(used_at=now))


def list_keys(tx: Transaction) -> list[ApiKey]:
    """List all keys by name, those whose time is over too."""
    return [ApiKey(*row) for row in tx.execute(select(_T).order_by(_T.c.name))]


def count(tx: Transaction) -> int:
    """Count the keys."""
    counted: int = tx.execute(select(func.count()).select_from(_T)).scalar_one()
    return counted


def revoke(tx: Transaction, name: str) -> None:
    """Remove a key; the next request with it is refused.

    Raises
    ------
    UnknownRecord
        There is none.
    """
    if not tx.execute(_T.delete().where(_T.c.name == name)).rowcount:
        raise UnknownRecord(f"no key {name}")
