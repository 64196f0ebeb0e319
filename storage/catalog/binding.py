"""Which store a database belongs to, and whether it knows what lies there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table, select

from storage.database import Transaction
from storage.schema import evidence, instance, quarantine, store_binding

_ONLY = 1
_SAMPLE = 100


@dataclass(frozen=True, slots=True)
class Binding:
    """The store that a database belongs to, and the last mark it remembers."""

    identity: str
    generation: int


def binding(tx: Transaction) -> Binding | None:
    """Tell which store the database belongs to, if to any."""
    columns = store_binding.c
    row = tx.execute(select(columns.identity, columns.generation)).one_or_none()
    return None if row is None else Binding(row.identity, row.generation)


def bind(tx: Transaction, identity: str, generation: int) -> None:
    """Make the database belong to a store, or remember the store's new mark."""
    values = {"identity": identity, "generation": generation}
    changed = tx.execute(store_binding.update().values(values)).rowcount
    if not changed:
        tx.execute(store_binding.insert(), values | {"binding_id": _ONLY})


def referenced_keys(tx: Transaction, *, limit: int = _SAMPLE) -> list[str]:
    """Name some objects that the database believes to be in the store."""
    keys: list[str] = []
    for table in (instance, evidence, quarantine):
        statement = select(table.c.object_key).where(*_held(table)).limit(limit)
        keys += tx.execute(statement).scalars()
    return keys


def knows_any(tx: Transaction, keys: Sequence[str]) -> bool:
    """Tell whether the database has ever had one of these objects, held or removed."""
    return any(
        tx.execute(
            select(table.c.object_key).where(table.c.object_key.in_(keys)).limit(1)
        ).first()
        is not None
        for table in (instance, evidence, quarantine)
    )


def _held(table: Table) -> Sequence[ColumnElement[Any]]:
    return () if table is quarantine else (table.c.object_removed_at.is_(None),)
