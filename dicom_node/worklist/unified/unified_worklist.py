"""The worklist as others see it: what PS3.4 Annex CC lets them ask.

One layer for every way in: it knows neither DIMSE nor HTTP, and refuses with a
``Fault``. It holds the Workitems that others push beside this node's own, which this
node alone performs: others may watch them and ask for their cancellation.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from pydicom.dataset import Dataset

from dicom_node.dataset.matching import check_keys, matches
from dicom_node.dataset.quiet import quiet
from dicom_node.worklist.procedure_step import ProcedureSteps
from dicom_node.worklist.unified import pushed_workitem, subscription
from dicom_node.worklist.unified.subscription import Subscribing, Wish
from dicom_node.worklist.unified.workitem_content import (
    UPS_PUSH,
    Place,
    is_for,
    is_uid,
    job_dataset,
    named_inputs,
    pushed_dataset,
    to_json,
)
from dicom_node.worklist.unified.workitem_rules import (
    Fault,
    Notice,
    check_final,
    check_new,
    check_update,
    judge_cancel_request,
    judge_change,
    judge_update,
    refuse,
)
from storage.database import Database, Transaction
from storage.errors import StoreFull, TransitionRefused, UnknownRecord
from storage.records import Job, ProcedureStepState
from storage.worklist import jobs, pushed, subscriptions
from storage.worklist.pushed import FILTERED, GLOBAL, PushedWorkitem
from storage.worklist.subscriptions import Channel

_PS = ProcedureStepState
_PAGE = 100
_MOST_EXISTING = 5000
_MOST_LOOKED_AT = 50_000
_OPEN = (_PS.SCHEDULED, _PS.IN_PROGRESS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request that was granted."""

    workitem_uid: str
    notices: tuple[Notice, ...] = ()


class UnifiedWorklist:
    """Answers what others ask of the worklist.

    Parameters
    ----------
    database
        Where it is kept.
    steps
        This node's own Workitems.
    place
        How this node appears in Workitems.
    clock, new_uid
        Aware UTC, and UIDs for Workitems that come without one.
    may_be_called
        Whether an AE can be sent event reports over an association.
    has_room
        Whether there is room for what others write.
    """

    def __init__(  # noqa: PLR0913  the composition root passes all of them
        self,
        database: Database,
        steps: ProcedureSteps,
        place: Place,
        *,
        clock: Callable[[], datetime],
        new_uid: Callable[[], str],
        may_be_called: Callable[[str], bool],
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        self._database = database
        self._steps = steps
        self._place = place
        self._clock = clock
        self._new_uid = new_uid
        self._may_be_called = may_be_called
        self._has_room = has_room

    @quiet()
    def create(self, workitem_uid: str | None, content: Dataset, asker: str) -> Outcome:
        """Take in a Workitem (CC.2.5); without a UID it gets one."""
        uid = workitem_uid or self._new_uid()
        _check_uid(uid)
        if uid in (GLOBAL, FILTERED):
            raise refuse(Fault.INVALID_UID)
        self._check_room()
        notices = check_new(content)
        if content.get("SOPClassUID", UPS_PUSH) != UPS_PUSH:
            raise refuse(Fault.INVALID_VALUE, "SOPClassUID")
        if not content.WorklistLabel:
            content.WorklistLabel = self._place.worklist_label
        inputs = named_inputs(content, uid)
        now = self._clock()
        del content.ProcedureStepState
        if "TransactionUID" in content:
            del content.TransactionUID
        new = PushedWorkitem(
            workitem_uid=uid,
            state=_PS.SCHEDULED,
            content=to_json(content),
            created_at=now,
            modified_at=now,
            patient_id=str(content.get("PatientID") or ""),
            requested_by=asker,
            is_ours=bool(inputs) and is_for(content, self._place.ae_title),
        )
        with self._database.transaction() as tx:
            if self._own(tx, uid) is not None:
                raise refuse(Fault.ALREADY_EXISTS)
            pushed_workitem.schedule(tx, new, inputs)
        return Outcome(uid, tuple(notices))

    def retrieve(self, workitem_uid: str) -> Dataset:
        """Give a Workitem (CC.2.7), without its Transaction UID."""
        _check_uid(workitem_uid)
        with self._database.transaction(read_only=True) as tx:
            return self._standing(tx, workitem_uid).content

    def search(self, keys: Dataset) -> Iterator[Dataset]:
        """Give the Workitems that meet keys (CC.2.8), newest first.

        Pushed ones come before this node's own.

        Raises
        ------
        WorkitemRefused
            A key cannot be understood.
        """
        try:
            check_keys(keys)
        except ValueError as error:
            raise refuse(Fault.INVALID_KEYS, str(error)) from error
        return self._found(keys)

    @quiet()
    def update(
        self, workitem_uid: str, changes: Dataset, transaction_uid: str | None
    ) -> Outcome:
        """Set attributes (CC.2.6); who performs a Workitem has its Transaction UID."""
        _check_uid(workitem_uid)
        self._check_room()
        given = transaction_uid or str(changes.get("TransactionUID") or "") or None
        if "TransactionUID" in changes:
            del changes.TransactionUID
        with self._database.transaction() as tx:
            item = self._pushed(tx, workitem_uid)
            if item is None:
                own = self._known(tx, workitem_uid).workitem
                judge_update(own.state, given, own.transaction_uid)
                raise refuse(Fault.NOT_AUTHORISED)
            judge_update(item.state, given, item.transaction_uid)
            check_update(changes, workitem_uid)
            now = self._clock()
            changed = pushed_workitem.revise(tx, item, changes, now)
            if "InputInformationSequence" in changes and item.state is _PS.SCHEDULED:
                self._name_inputs(tx, changed)
        return Outcome(workitem_uid)

    def change_state(
        self,
        workitem_uid: str,
        wanted: ProcedureStepState,
        transaction_uid: str | None,
        asker: str,
    ) -> Outcome:
        """Claim, complete or cancel a Workitem under a Transaction UID (CC.2.1)."""
        _check_uid(workitem_uid)
        if transaction_uid is not None and not is_uid(transaction_uid):
            raise refuse(Fault.INVALID_VALUE, "TransactionUID")
        with self._database.transaction() as tx:
            item = self._pushed(tx, workitem_uid)
            if item is None:
                own = self._known(tx, workitem_uid).workitem
                judge_change(own.state, wanted, transaction_uid, own.transaction_uid)
                raise refuse(Fault.NOT_AUTHORISED)
            notice = judge_change(
                item.state, wanted, transaction_uid, item.transaction_uid
            )
            if notice is not None:
                return Outcome(workitem_uid, (notice,))
            self._change(tx, item, wanted, transaction_uid or "", asker)
        return Outcome(workitem_uid)

    def request_cancel(
        self, workitem_uid: str, request: Dataset, asker: str
    ) -> Outcome:
        """Ask who performs a Workitem to cancel it (CC.2.2).

        One that nobody has claimed is canceled at once; this node cancels what it
        performs itself.
        """
        _check_uid(workitem_uid)
        with self._database.transaction() as tx:
            item = self._pushed(tx, workitem_uid)
            if item is not None:
                return self._request_cancel(tx, item, request, asker)
            job = self._known(tx, workitem_uid)
            notice = judge_cancel_request(job.workitem.state)
            if notice is not None:
                return Outcome(workitem_uid, (notice,))
            about = self._standing(tx, workitem_uid)
            pushed_workitem.pass_on(tx, about, asker, request, self._clock())
        try:
            self._steps.request_cancel(workitem_uid)
        except TransitionRefused:
            return self.request_cancel(workitem_uid, request, asker)
        return Outcome(workitem_uid)

    def subscribe(self, wish: Wish) -> Outcome:
        """Let somebody hear of a Workitem, or of the worklist (CC.2.3)."""
        _check_uid(wish.scope)
        if wish.channel is Channel.DIMSE and not self._may_be_called(wish.ae_title):
            raise refuse(Fault.UNKNOWN_RECEIVER)
        if wish.scope == FILTERED:
            if wish.keys is None or not len(wish.keys):
                raise refuse(Fault.INVALID_KEYS, "There is none.")
            self.search(wish.keys)
        with self._database.transaction() as tx:
            existing = self._existing(tx, wish)
            subscription.subscribe(tx, wish, existing, self._clock())
        return Outcome(wish.scope)

    def unsubscribe(self, ae_title: str, scope: str) -> Outcome:
        """Let somebody hear no more."""
        _check_uid(scope)
        with self._database.transaction() as tx:
            if scope not in (GLOBAL, FILTERED):
                self._standing(tx, scope)
            subscription.unsubscribe(tx, ae_title, scope)
        return Outcome(scope)

    def suspend(self, ae_title: str, scope: str) -> Outcome:
        """Let somebody hear of no Workitem that is created from now on."""
        with self._database.transaction() as tx:
            subscription.suspend(tx, ae_title, scope, self._clock())
        return Outcome(scope)

    def _check_room(self) -> None:
        if not self._has_room():
            raise StoreFull("free space is below the watermark")

    def _change(
        self,
        tx: Transaction,
        item: PushedWorkitem,
        wanted: ProcedureStepState,
        transaction_uid: str,
        asker: str,
    ) -> None:
        now = self._clock()
        if wanted is _PS.IN_PROGRESS:
            pushed_workitem.claim(tx, item, asker, transaction_uid, now)
            return
        check_final(pushed_dataset(item), wanted)
        if wanted is _PS.CANCELED:
            pushed_workitem.cancel(tx, item, Dataset(), now)
        else:
            pushed_workitem.end(tx, item, wanted, now)

    def _request_cancel(
        self, tx: Transaction, item: PushedWorkitem, request: Dataset, asker: str
    ) -> Outcome:
        notice = judge_cancel_request(item.state)
        if notice is not None:
            return Outcome(item.workitem_uid, (notice,))
        now = self._clock()
        about = Subscribing(item.workitem_uid, item.created_at, pushed_dataset(item))
        performs = item.performer == self._place.ae_title and item.is_ours
        told = subscriptions.subscribers(tx, item.workitem_uid, item.created_at)
        if item.state is _PS.IN_PROGRESS and not performs and not told:
            raise refuse(Fault.PERFORMER_UNREACHABLE)
        pushed_workitem.pass_on(tx, about, asker, request, now)
        if item.state is _PS.SCHEDULED:
            pushed_workitem.cancel(tx, item, request, now)
        elif performs:
            pushed.update(tx, item.workitem_uid, cancel_requested=True)
        return Outcome(item.workitem_uid)

    def _name_inputs(self, tx: Transaction, item: PushedWorkitem) -> None:
        content = pushed_dataset(item)
        inputs = named_inputs(content, item.workitem_uid)
        ours = bool(inputs) and is_for(content, self._place.ae_title)
        pushed.replace_inputs(tx, item.workitem_uid, inputs)
        pushed.update(tx, item.workitem_uid, is_ours=ours)

    def _existing(self, tx: Transaction, wish: Wish) -> list[Subscribing]:
        """List what a wish is about, as far as it has not ended."""
        if wish.scope not in (GLOBAL, FILTERED):
            return [self._standing(tx, wish.scope)]
        if wish.scope == GLOBAL and not wish.deletion_lock:
            return []
        found: list[Subscribing] = []
        for state in _OPEN:
            for item in pushed.listed(tx, limit=_MOST_EXISTING, state=state).items:
                content = pushed_dataset(item)
                found.append(Subscribing(item.workitem_uid, item.created_at, content))
            own = jobs.list_jobs(tx, limit=_MOST_EXISTING, state=state).items
            found += [self._standing_of(job) for job in own]
        return found

    def _found(self, keys: Dataset) -> Iterator[Dataset]:
        """Read page by page; no transaction is open while somebody takes a result."""
        looked_at = 0
        for read in (self._pushed_page, self._own_page):
            cursor: str | None = None
            while True:
                page, cursor = read(keys, cursor)
                looked_at += len(page)
                if looked_at > _MOST_LOOKED_AT:
                    raise refuse(Fault.TOO_BROAD)
                yield from (content for content in page if matches(content, keys))
                if cursor is None:
                    break

    def _pushed_page(
        self, keys: Dataset, cursor: str | None
    ) -> tuple[list[Dataset], str | None]:
        uids = _uids(keys)
        with self._database.transaction(read_only=True) as tx:
            page = pushed.listed(
                tx,
                limit=_PAGE,
                cursor=cursor,
                state=_state(keys),
                patient_id=_exact(keys, "PatientID"),
                workitem_uids=uids,
            )
        return [pushed_dataset(item) for item in page.items], page.next_cursor

    def _own_page(
        self, keys: Dataset, cursor: str | None
    ) -> tuple[list[Dataset], str | None]:
        uids = _uids(keys)
        with self._database.transaction(read_only=True) as tx:
            if uids is not None:
                found = [job for uid in uids if (job := self._own(tx, uid)) is not None]
                return [job_dataset(job, self._place) for job in found], None
            page = jobs.list_jobs(
                tx,
                limit=_PAGE,
                cursor=cursor,
                state=_state(keys),
                patient_id=_exact(keys, "PatientID"),
                study_instance_uid=_study(keys),
                accession_number=_inside(
                    keys, "ReferencedRequestSequence", "AccessionNumber"
                ),
            )
        found = list(page.items)
        return [job_dataset(job, self._place) for job in found], page.next_cursor

    def _pushed(self, tx: Transaction, workitem_uid: str) -> PushedWorkitem | None:
        return pushed.find(tx, workitem_uid, lock=True)

    def _own(self, tx: Transaction, workitem_uid: str) -> Job | None:
        try:
            return jobs.get_job(tx, workitem_uid)
        except UnknownRecord:
            return None

    def _known(self, tx: Transaction, workitem_uid: str) -> Job:
        job = self._own(tx, workitem_uid)
        if job is None:
            raise refuse(Fault.NO_SUCH_WORKITEM)
        return job

    def _standing(self, tx: Transaction, workitem_uid: str) -> Subscribing:
        item = pushed.find(tx, workitem_uid, lock=False)
        if item is None:
            return self._standing_of(self._known(tx, workitem_uid))
        return Subscribing(workitem_uid, item.created_at, pushed_dataset(item))

    def _standing_of(self, job: Job) -> Subscribing:
        item = job.workitem
        content = job_dataset(job, self._place)
        return Subscribing(item.workitem_uid, item.scheduled_at, content)


def _check_uid(uid: str) -> None:
    if not is_uid(uid):
        raise refuse(Fault.INVALID_UID)


def _exact(keys: Dataset, keyword: str) -> str | None:
    """Give the one value that a key wants, where it can be looked up as it stands."""
    value = keys.get(keyword)
    text = "" if value is None else str(value).strip()
    return None if not text or any(sign in text for sign in "*?\\[") else text


def _inside(keys: Dataset, sequence: str, keyword: str) -> str | None:
    """Give the one value that a key inside a sequence wants."""
    items = keys.get(sequence)
    return _exact(items[0], keyword) if items else None


def _study(keys: Dataset) -> str | None:
    own = _exact(keys, "StudyInstanceUID")
    return own or _inside(keys, "InputInformationSequence", "StudyInstanceUID")


def _state(keys: Dataset) -> ProcedureStepState | None:
    text = _exact(keys, "ProcedureStepState")
    return _PS(text) if text in set(_PS) else None


def _uids(keys: Dataset) -> list[str] | None:
    if "SOPInstanceUID" not in keys or keys["SOPInstanceUID"].is_empty:
        return None
    value = keys.SOPInstanceUID
    return [str(value)] if isinstance(value, str) else [str(one) for one in value]
