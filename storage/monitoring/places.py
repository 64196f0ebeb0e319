"""Where each reader of Events, or of the audit trail, has come to."""

from sqlalchemy import func, select

from storage.database import Transaction
from storage.schema import event, event_reader


def place(tx: Transaction, name: str, *, from_the_beginning: bool = False) -> int:
    """Tell the last number that a reader saw, and keep others from moving it.

    A reader that is new begins with what happens from then on, unless it wants all.
    """
    mine = (
        select(event_reader.c.event_id)
        .where(event_reader.c.name == name)
        .with_for_update()
    )
    seen = tx.execute(mine).scalar_one_or_none()
    if seen is None:
        last = select(func.coalesce(func.max(event.c.event_id), 0))
        first = 0 if from_the_beginning else tx.execute(last).scalar_one()
        tx.execute(tx.insert_new(event_reader), {"name": name, "event_id": first})
        seen = tx.execute(mine).scalar_one()
    return int(seen)


def move(tx: Transaction, name: str, to: int) -> None:
    """Remember what a reader has seen, in the transaction that made use of it."""
    tx.execute(
        event_reader.update().where(event_reader.c.name == name).values(event_id=to)
    )


def seen_by(tx: Transaction, name: str) -> int | None:
    """Tell the last number that a reader saw; ``None`` when it is new."""
    mine = select(event_reader.c.event_id).where(event_reader.c.name == name)
    found: int | None = tx.execute(mine).scalar_one_or_none()
    return found
