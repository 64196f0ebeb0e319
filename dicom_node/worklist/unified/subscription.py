"""Who hears of Workitems, and what they are told (DICOM PS3.4 CC.2.3 and CC.2.4).

A report is written to the outbox in the transaction that changes a pushed Workitem;
those of this node's own are made of the Events that their changes left behind. Either
way it waits there until its subscriber has taken it.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from pydicom.dataset import Dataset

from dicom_node.dataset.matching import matches
from dicom_node.dataset.quiet import quiet
from dicom_node.worklist.unified.workitem_content import (
    Json,
    Place,
    add_discontinuation,
    from_json,
    job_dataset,
    job_percent,
    progress,
    to_json,
)
from dicom_node.worklist.unified.workitem_rules import Fault, refuse
from storage import events
from storage.database import Database, Transaction
from storage.errors import UnknownRecord
from storage.records import Event, EventKind, Job, ProcedureStepState
from storage.worklist import jobs, subscriptions
from storage.worklist.pushed import FILTERED, GLOBAL
from storage.worklist.subscriptions import Channel, Subscription

logger = logging.getLogger(__name__)
_AT_ONCE = 200


class EventType(IntEnum):
    """Event Type ID, PS3.4 Table CC.2.4-1."""

    STATE = 1
    CANCEL_REQUESTED = 2
    PROGRESS = 3
    SCP_STATUS = 4
    ASSIGNED = 5


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to hear of.

    Parameters
    ----------
    ae_title
        Who shall be told.
    scope
        UID of a Workitem, or one of the two of the worklist.
    channel
        How.
    """

    ae_title: str
    scope: str
    channel: Channel
    deletion_lock: bool = False
    keys: Dataset | None = None


@dataclass(frozen=True, slots=True)
class Subscribing:
    """A Workitem as far as subscribers are concerned."""

    workitem_uid: str
    created_at: datetime
    content: Dataset


@quiet()
def state_report(content: Dataset) -> Json:
    """Say in which state a Workitem is, and why it does not go on."""
    told = Dataset()
    told.ProcedureStepState = content.ProcedureStepState
    told.InputReadinessState = content.get("InputReadinessState", "READY")
    for item in content.get("ProcedureStepProgressInformationSequence") or ():
        if reason := item.get("ReasonForCancellation"):
            told.ReasonForCancellation = reason
        if codes := item.get("ProcedureStepDiscontinuationReasonCodeSequence"):
            told.ProcedureStepDiscontinuationReasonCodeSequence = codes
    return to_json(told)


@quiet()
def progress_report(content: Dataset) -> Json:
    """Say how far a Workitem has come."""
    told = Dataset()
    told.ProcedureStepProgressInformationSequence = content.get(
        "ProcedureStepProgressInformationSequence", []
    )
    return to_json(told)


@quiet()
def assigned_report(content: Dataset) -> Json | None:
    """Say to whom a Workitem is assigned, if to anybody."""
    told = Dataset()
    if stations := content.get("ScheduledStationNameCodeSequence"):
        told.ScheduledStationNameCodeSequence = stations
    for human in content.get("ScheduledHumanPerformersSequence") or ():
        if codes := human.get("HumanPerformerCodeSequence"):
            told.HumanPerformerCodeSequence = codes
        if organization := human.get("HumanPerformerOrganization"):
            told.HumanPerformerOrganization = organization
    return to_json(told) if len(told) else None


def tell(
    tx: Transaction,
    about: Subscribing,
    event: EventType,
    information: Json,
    now: datetime,
) -> None:
    """Put a report into the outbox for everybody who hears of a Workitem."""
    to = subscriptions.subscribers(tx, about.workitem_uid, about.created_at)
    subscriptions.enqueue(tx, to, about.workitem_uid, event, information, now)


def welcome(tx: Transaction, about: Subscribing) -> None:
    """Subscribe those whose filter a new Workitem meets."""
    for one in subscriptions.filters(tx):
        keys = from_json(one.matching_keys or {})
        known = subscriptions.find(tx, one.ae_title, about.workitem_uid)
        if known is None and matches(about.content, keys):
            subscriptions.put(tx, _by_filter(one, about.workitem_uid))


def subscribe(
    tx: Transaction,
    wish: Wish,
    existing: Iterable[Subscribing],
    now: datetime,
) -> None:
    """Let somebody hear of a Workitem or of the worklist (Table CC.2.3-2).

    Parameters
    ----------
    existing
        The Workitem; for the worklist, those that have not ended.
    """
    if wish.scope == FILTERED:
        _subscribe_filtered(tx, wish, existing, now)
        return
    row = Subscription(
        wish.ae_title, wish.scope, wish.channel, deletion_lock=wish.deletion_lock
    )
    told = existing
    if wish.scope == GLOBAL:
        subscriptions.forgive(tx, wish.ae_title)
        told = [
            one
            for one in existing
            if wish.deletion_lock
            if subscriptions.find(tx, wish.ae_title, one.workitem_uid) is None
        ]
    subscriptions.put(tx, row)
    _tell_first(tx, row, told, now)


def _subscribe_filtered(
    tx: Transaction, wish: Wish, existing: Iterable[Subscribing], now: datetime
) -> None:
    keys = wish.keys if wish.keys is not None else Dataset()
    row = Subscription(
        wish.ae_title,
        FILTERED,
        wish.channel,
        deletion_lock=wish.deletion_lock,
        matching_keys=to_json(keys),
    )
    subscriptions.put(tx, row)
    met = [
        one
        for one in existing
        if matches(one.content, keys)
        and subscriptions.find(tx, wish.ae_title, one.workitem_uid) is None
    ]
    for one in met:
        subscriptions.put(tx, _by_filter(row, one.workitem_uid))
    _tell_first(tx, row, met, now)


def unsubscribe(tx: Transaction, ae_title: str, scope: str) -> None:
    """Let an AE hear no more; of the worklist means of nothing at all.

    Raises
    ------
    WorkitemRefused
        It heard of nothing there.
    """
    if scope == GLOBAL:
        was = subscriptions.remove_all(tx, ae_title)
    elif scope == FILTERED:
        was = subscriptions.remove(tx, ae_title, scope)
        subscriptions.remove_all(tx, ae_title, by_filter=True)
    else:
        was = _unsubscribe_from_one(tx, ae_title, scope)
    if not was:
        raise refuse(Fault.NO_SUBSCRIPTION)


def _unsubscribe_from_one(tx: Transaction, ae_title: str, scope: str) -> bool:
    own = subscriptions.find(tx, ae_title, scope)
    wide = subscriptions.find(tx, ae_title, GLOBAL)
    if wide is not None:
        against = Subscription(ae_title, scope, wide.channel, is_subscribed=False)
        subscriptions.put(tx, against)
        return own is None or own.is_subscribed
    return subscriptions.remove(tx, ae_title, scope)


def suspend(tx: Transaction, ae_title: str, scope: str, now: datetime) -> None:
    """Let an AE hear of no Workitem that is created from now on.

    Raises
    ------
    WorkitemRefused
        It is subscribed to no such worklist, or that is none.
    """
    if scope not in (GLOBAL, FILTERED):
        raise refuse(Fault.NOT_APPROPRIATE)
    if not subscriptions.suspend(tx, ae_title, scope, now):
        raise refuse(Fault.NO_SUBSCRIPTION)


def _by_filter(row: Subscription, workitem_uid: str) -> Subscription:
    return Subscription(
        row.ae_title,
        workitem_uid,
        row.channel,
        deletion_lock=row.deletion_lock,
        is_by_filter=True,
    )


def _tell_first(
    tx: Transaction, row: Subscription, about: Iterable[Subscribing], now: datetime
) -> None:
    """Say how the Workitems stand that somebody hears of from now on."""
    for one in about:
        told = state_report(one.content)
        subscriptions.enqueue(tx, [row], one.workitem_uid, EventType.STATE, told, now)


class Herald:
    """Makes reports of what happened to this node's own Workitems.

    Parameters
    ----------
    database
        Where Events and subscriptions are.
    place
        How this node appears in its Workitems.
    clock
        Aware UTC.
    """

    def __init__(
        self, database: Database, place: Place, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._place = place
        self._clock = clock

    def work(self) -> bool:
        """Report what happened since last time; tell whether there may be more."""
        with self._database.transaction(read_only=True) as tx:
            if subscriptions.read_until(tx, lock=False) is None:
                return False
        with self._database.transaction() as tx:
            reached = subscriptions.read_until(tx)
            if reached is None:
                return False
            news = events.since(tx, reached, _AT_ONCE)
            for event in news:
                self._report(tx, event)
            if news:
                subscriptions.reached(tx, news[-1].event_id)
        return len(news) == _AT_ONCE

    def restarted(self) -> None:
        """Tell every subscriber that the node has come back, and forgot nothing."""
        told = Dataset()
        told.SCPStatus = "RESTARTED"
        told.SubscriptionListStatus = "WARM START"
        told.UnifiedProcedureStepListStatus = "WARM START"
        with self._database.transaction() as tx:
            everybody = subscriptions.everybody(tx).items()
            to = [Subscription(title, GLOBAL, channel) for title, channel in everybody]
            subscriptions.enqueue(
                tx, to, GLOBAL, EventType.SCP_STATUS, to_json(told), self._clock()
            )

    def _report(self, tx: Transaction, event: Event) -> None:
        # A pushed Workitem has no image in its Events, and was told of at once.
        uid = event.workitem_uid
        if uid is None or event.sop_instance_uid is None or event.kind not in _REPORTED:
            return
        try:
            job = jobs.get_job(tx, uid)
        except UnknownRecord:
            return
        content = job_dataset(job, self._place)
        about = Subscribing(uid, job.workitem.scheduled_at, content)
        if event.kind is EventKind.SCHEDULED:
            # As it was then: a filter may ask for what is SCHEDULED.
            content.ProcedureStepState = str(_PS.SCHEDULED)
            welcome(tx, about)
        if event.kind is EventKind.SETTLED:
            percent = progress(job_percent(job), "analysed")
            content.ProcedureStepProgressInformationSequence = [percent]
            tell(tx, about, EventType.PROGRESS, progress_report(content), event.at)
            return
        for state in _states_told(event, job):
            content.ProcedureStepState = str(state)
            content.ProcedureStepProgressInformationSequence = _why(job, state)
            tell(tx, about, EventType.STATE, state_report(content), event.at)


_PS = ProcedureStepState
_REPORTED = {
    EventKind.SCHEDULED: _PS.SCHEDULED,
    EventKind.CLAIMED: _PS.IN_PROGRESS,
    EventKind.SETTLED: _PS.IN_PROGRESS,
    EventKind.CANCELED: _PS.CANCELED,
    EventKind.COMPLETED: _PS.COMPLETED,
}


def _states_told(event: Event, job: Job) -> list[ProcedureStepState]:
    """List the changes of state that an Event stands for."""
    if event.kind is EventKind.CLAIMED and event.details.get("attempt", 1) != 1:
        return []
    if event.kind is EventKind.CANCELED and job.workitem.started_at is None:
        # Nobody goes from SCHEDULED to CANCELED directly (PS3.4 CC.2.2.3).
        return [_PS.IN_PROGRESS, _PS.CANCELED]
    return [_REPORTED[event.kind]]


def _why(job: Job, state: ProcedureStepState) -> list[Dataset]:
    item = job.workitem
    if state is not _PS.CANCELED or item.reason is None or item.ended_at is None:
        return []
    told = Dataset()
    add_discontinuation(told, item.reason, item.ended_at)
    return [told]
