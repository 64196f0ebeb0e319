"""Changes of a pushed Workitem: its row, the Event, and what subscribers are told.

All in the transaction of who changes it, with the row locked; whether it may be changed
was judged before (``workitem_rules``).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pydicom.dataset import Dataset

from dicom_node.dataset.quiet import quiet
from dicom_node.worklist.unified.subscription import (
    EventType,
    Subscribing,
    assigned_report,
    progress_report,
    state_report,
    tell,
    welcome,
)
from dicom_node.worklist.unified.workitem_content import (
    add_discontinuation,
    date_time,
    pushed_dataset,
    to_json,
)
from dicom_node.worklist.unified.workitem_rules import Fault, refuse
from storage import events
from storage.database import Transaction
from storage.records import EventKind, ProcedureStepState, Reason
from storage.worklist import pushed
from storage.worklist.pushed import PushedInput, PushedWorkitem

_PS = ProcedureStepState
_KINDS = {
    _PS.SCHEDULED: EventKind.SCHEDULED,
    _PS.IN_PROGRESS: EventKind.CLAIMED,
    _PS.COMPLETED: EventKind.COMPLETED,
    _PS.CANCELED: EventKind.CANCELED,
}
_FINAL = (_PS.COMPLETED, _PS.CANCELED)
_PROGRESS = "ProcedureStepProgressInformationSequence"
_ASSIGNED = ("ScheduledStationNameCodeSequence", "ScheduledHumanPerformersSequence")


def schedule(
    tx: Transaction, new: PushedWorkitem, inputs: Sequence[PushedInput]
) -> None:
    """Take a Workitem in.

    Raises
    ------
    WorkitemRefused
        Its UID is taken.
    """
    if not pushed.add(tx, new, inputs):
        raise refuse(Fault.ALREADY_EXISTS)
    about = _standing(new)
    welcome(tx, about)
    _tell_state(tx, new)
    if (assigned := assigned_report(about.content)) is not None:
        tell(tx, about, EventType.ASSIGNED, assigned, new.created_at)


def claim(
    tx: Transaction,
    item: PushedWorkitem,
    performer: str,
    transaction_uid: str,
    now: datetime,
) -> PushedWorkitem:
    """Set a Workitem IN PROGRESS for who performs it."""
    return _change(
        tx,
        replace(
            item,
            state=_PS.IN_PROGRESS,
            performer=performer,
            transaction_uid=transaction_uid,
            modified_at=now,
        ),
    )


def end(
    tx: Transaction, item: PushedWorkitem, state: ProcedureStepState, now: datetime
) -> PushedWorkitem:
    """Set a Workitem COMPLETED or CANCELED; its content says enough."""
    return _change(tx, replace(item, state=state, modified_at=now, ended_at=now))


@quiet()
def cancel(
    tx: Transaction, item: PushedWorkitem, reason: Dataset | Reason, now: datetime
) -> PushedWorkitem:
    """Set a Workitem CANCELED and say why; one that is SCHEDULED starts before.

    Parameters
    ----------
    reason
        This node's own, or a data set that gives one.
    """
    if item.state is _PS.SCHEDULED:
        item = claim(tx, item, "", "", now)
    content = pushed_dataset(item)
    known = content.get(_PROGRESS) or [Dataset()]
    told = known[0]
    if isinstance(reason, Reason):
        add_discontinuation(told, reason, now)
    else:
        told.ProcedureStepCancellationDateTime = date_time(now)
        for keyword in (
            "ReasonForCancellation",
            "ProcedureStepDiscontinuationReasonCodeSequence",
        ):
            if keyword in reason:
                setattr(told, keyword, reason[keyword].value)
    setattr(content, _PROGRESS, [told])
    kept = replace(item, content=to_json(_kept(content)))
    return end(tx, kept, _PS.CANCELED, now)


@quiet()
def revise(
    tx: Transaction, item: PushedWorkitem, changes: Dataset, now: datetime
) -> PushedWorkitem:
    """Set attributes of a Workitem; subscribers hear of what concerns them."""
    before = pushed_dataset(item)
    content = pushed_dataset(item)
    content.update(changes)
    changed = replace(item, content=to_json(_kept(content)), modified_at=now)
    _write(tx, changed)
    content = pushed_dataset(changed)
    about = Subscribing(item.workitem_uid, item.created_at, content)
    if before.get("InputReadinessState") != content.get("InputReadinessState"):
        tell(tx, about, EventType.STATE, state_report(content), now)
    if _PROGRESS in changes and before.get(_PROGRESS) != content.get(_PROGRESS):
        tell(tx, about, EventType.PROGRESS, progress_report(content), now)
    if any(keyword in changes for keyword in _ASSIGNED):
        assigned = assigned_report(content)
        tell(tx, about, EventType.ASSIGNED, assigned or {}, now)
    return changed


@quiet()
def pass_on(
    tx: Transaction, about: Subscribing, asker: str, request: Dataset, now: datetime
) -> None:
    """Tell subscribers that somebody asks for a Workitem to be canceled."""
    told = Dataset()
    told.RequestingAE = asker
    for keyword in (
        "ReasonForCancellation",
        "ProcedureStepDiscontinuationReasonCodeSequence",
        "ContactURI",
        "ContactDisplayName",
    ):
        if keyword in request:
            setattr(told, keyword, request[keyword].value)
    tell(tx, about, EventType.CANCEL_REQUESTED, to_json(told), now)
    events.record(tx, EventKind.CANCEL_REQUESTED, now, workitem_uid=about.workitem_uid)


def _change(tx: Transaction, changed: PushedWorkitem) -> PushedWorkitem:
    _write(tx, changed)
    _tell_state(tx, changed)
    return changed


def _write(tx: Transaction, changed: PushedWorkitem) -> None:
    pushed.update(
        tx,
        changed.workitem_uid,
        state=changed.state,
        content=changed.content,
        performer=changed.performer,
        transaction_uid=changed.transaction_uid,
        cancel_requested=changed.cancel_requested,
        modified_at=changed.modified_at,
        ended_at=changed.ended_at,
    )


def _tell_state(tx: Transaction, item: PushedWorkitem) -> None:
    now = item.modified_at
    events.record(tx, _KINDS[item.state], now, workitem_uid=item.workitem_uid)
    about = _standing(item)
    tell(tx, about, EventType.STATE, state_report(about.content), now)


def _standing(item: PushedWorkitem) -> Subscribing:
    return Subscribing(item.workitem_uid, item.created_at, pushed_dataset(item))


def _kept(content: Dataset) -> Dataset:
    """Leave out what stands in columns of its own."""
    for keyword in ("ProcedureStepState", "TransactionUID"):
        if keyword in content:
            delattr(content, keyword)
    return content
