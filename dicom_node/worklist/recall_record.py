"""Writes a recall down: what was sent is rejected, the rest is not sent any more.

Workitems and outbox change together, in the transaction of the caller.
"""

from collections.abc import Sequence
from datetime import datetime

from storage.database import Transaction
from storage.outbox import recalls
from storage.outbox.evidence import add_deliveries, add_evidence
from storage.records import Evidence, Job, NewDelivery
from storage.worklist import workitems


def record(
    tx: Transaction,
    recalled: Sequence[Job],
    note: Evidence | None,
    destinations: Sequence[str],
    reason: str,
    now: datetime,
) -> None:
    """Mark jobs as recalled, send nothing more of them, and queue the note.

    Parameters
    ----------
    recalled
        Jobs of one study.
    note
        The rejection note, kept with the first job; ``None`` when nobody has
        anything.
    destinations
        Who gets the note.
    reason
        ``quality`` or ``safety``.
    """
    note_uid = note.sop_instance_uid if note else None
    for job in recalled:
        uid = job.workitem.workitem_uid
        workitems.recall(tx, uid, note_uid=note_uid, reason=reason, now=now)
        recalls.withdraw(tx, uid)
    if note is not None:
        keeper = recalled[0].workitem.workitem_uid
        add_evidence(tx, keeper, [note])
        wanted = [
            NewDelivery(name, note.sop_instance_uid, required=False)
            for name in destinations
        ]
        add_deliveries(tx, keeper, wanted, now)
