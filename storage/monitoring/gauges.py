"""What stands where at this moment: queue, backlogs; all by partial indexes."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, literal_column, select

from storage.database import Transaction
from storage.schema import commitment, delivery, workitem

_STAGES = ("queued", "analyzing", "delivering")
# Written out, not bound, so that the partial indexes are used.
_IS_PENDING = delivery.c.state == literal_column("'PENDING'")
_IS_ASKED = commitment.c.state == literal_column("'ASKED'")


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits, and since when the oldest does."""

    count: int
    since: datetime | None


def stages(tx: Transaction) -> dict[str, Waiting]:
    """Count the Workitems in each stage that is not the last."""
    return {stage: _stage(tx, stage) for stage in _STAGES}


def backlogs(tx: Transaction) -> dict[str, Waiting]:
    """Count the deliveries that wait, by destination."""
    statement = (
        select(
            delivery.c.destination,
            func.count(),
            func.min(delivery.c.created_at),
        )
        .where(_IS_PENDING)
        .group_by(delivery.c.destination)
    )
    return {row[0]: Waiting(int(row[1]), row[2]) for row in tx.execute(statement)}


def commitments(tx: Transaction) -> dict[str, int]:
    """Count the transactions whose report is waited for, by destination."""
    statement = (
        select(commitment.c.destination, func.count())
        .where(_IS_ASKED)
        .group_by(commitment.c.destination)
    )
    return {row[0]: int(row[1]) for row in tx.execute(statement)}


def _stage(tx: Transaction, stage: str) -> Waiting:
    statement = select(func.count(), func.min(workitem.c.scheduled_at)).where(
        workitem.c.stage == literal_column(f"'{stage}'")
    )
    count, since = tx.execute(statement).one()
    return Waiting(int(count), since)
