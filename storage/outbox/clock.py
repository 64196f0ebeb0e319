"""What waits beside deliveries, brought back when the clock that put it off was ahead.

Reports, notices and commitments are tried again at a time that stands in their row;
such a time that lies further away than anything waits is an error of the clock.
"""

from datetime import datetime, timedelta

from sqlalchemy import Column

from storage.database import Transaction
from storage.schema import (
    availability_notice,
    commitment,
    commitment_request,
    delivery,
    event_report,
    notification,
)
from storage.signals import Topic

_TRIED_AT: tuple[Column[datetime], ...] = (
    availability_notice.c.next_try_at,
    commitment_request.c.next_try_at,
    event_report.c.next_try_at,
    notification.c.next_try_at,
)


def bring_near(
    tx: Transaction,
    now: datetime,
    *,
    pause: timedelta,
    commitment_pause: timedelta,
    slack: timedelta,
) -> int:
    """Make due what would wait longer than anything waits, and count it.

    Parameters
    ----------
    pause
        The longest that anything waits to be tried again.
    commitment_pause
        The longest that the answer to a request for commitment is waited for.
    slack
        What clocks may differ by.
    """
    far = now + pause + slack
    changed = 0
    for column in _TRIED_AT:
        late = column.table.update().where(column > far)
        changed += tx.execute(late.values({column: now})).rowcount
    far = now + commitment_pause + slack
    asks = delivery.update().where(delivery.c.commitment_due_at > far)
    waits = commitment.update().where(
        commitment.c.ended_at.is_(None), commitment.c.deadline > far
    )
    changed += tx.execute(asks.values(commitment_due_at=now)).rowcount
    changed += tx.execute(waits.values(deadline=now + commitment_pause)).rowcount
    if changed:
        tx.announce(Topic.DELIVERY)
        tx.announce(Topic.REPORT)
    return changed
