"""Performs pushed Workitems that name images for this node (IHE AIW-I).

Each image becomes a job of the queue like any other: one that is here is taken, one
that is not is fetched as the Workitem says. When all have ended, so does the Workitem,
with references to their results. All that is known is in rows: a node that was killed
goes on.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from pydicom.dataset import Dataset

from dicom_node.dataset.part10 import Arriving, read_file_meta
from dicom_node.dimse.scu.association import RemoteAE, Timeouts
from dicom_node.dimse.scu.retrieve import move
from dicom_node.errors import (
    DatasetInvalid,
    NodeError,
    PeerBusy,
    PeerRefused,
    PeerUnreachable,
)
from dicom_node.retrieve.wado import (
    FetchLimits,
    ImageServer,
    InstanceReference,
    fetch,
    source_of,
)
from dicom_node.worklist.procedure_step import ProcedureSteps
from dicom_node.worklist.reception import Reception
from dicom_node.worklist.turns import Turns
from dicom_node.worklist.unified import pushed_workitem
from dicom_node.worklist.unified.workitem_content import (
    Place,
    job_percent,
    output_items,
    performed,
    priority_of,
    progress,
    pushed_dataset,
)
from storage.catalog import instances
from storage.database import Database
from storage.errors import (
    ObjectMissing,
    StorageError,
    TransitionRefused,
    UnknownRecord,
)
from storage.objects.protocol import Incoming
from storage.records import Cause, Job, ProcedureStepState, Reason
from storage.signals import Watch
from storage.worklist import pushed, workitems
from storage.worklist.pushed import PushedInput, PushedWorkitem
from storage.worklist.transitions import CANCEL_REQUESTED

logger = logging.getLogger(__name__)
_PS = ProcedureStepState
_FINAL = (_PS.COMPLETED, _PS.CANCELED)
_LOOK_S = 1.0
_IDLE_S = 30.0
_MOST_TRIES = 5
_MOST_REPLACED = 20
_FETCHED = "WADO-RS"
_NO_INPUT = "INPUT_NOT_AVAILABLE"
_STUMBLED = Reason("INTERNAL_ERROR", "The node's log has the details.")
_PERFORMED = "UnifiedProcedureStepPerformedProcedureSequence"
_PROGRESS = "ProcedureStepProgressInformationSequence"


@dataclass(frozen=True, slots=True)
class Fetching:
    """Where images may be fetched, and what that may cost.

    Parameters
    ----------
    sources, limits
        By WADO-RS.
    peers, timeouts
        By C-MOVE: AE title -> how to call it.
    """

    sources: Sequence[ImageServer]
    limits: FetchLimits
    peers: Mapping[str, RemoteAE]
    timeouts: Timeouts


@dataclass(frozen=True, slots=True)
class _Part:
    """An image of a Workitem, and the job that it became."""

    image: PushedInput
    job: Job | None

    @property
    def has_ended(self) -> bool:
        if self.job is None:
            return self.image.error is not None
        return self.job.workitem.state in _FINAL

    @property
    def percent(self) -> float:
        if self.has_ended:
            return 100.0
        return 0.0 if self.job is None else job_percent(self.job)


class Performer:
    """Performs pushed Workitems, until told to stop.

    Parameters
    ----------
    database, steps
        The worklist, and this node's own part of it.
    reception
        Where fetched images go in.
    place
        How this node appears in Workitems.
    fetching
        Where from.
    clock, new_uid
        Aware UTC, and Transaction UIDs.
    """

    def __init__(  # noqa: PLR0913  the composition root passes all of them
        self,
        database: Database,
        steps: ProcedureSteps,
        reception: Reception,
        *,
        place: Place,
        fetching: Fetching,
        clock: Callable[[], datetime],
        new_uid: Callable[[], str],
    ) -> None:
        self._database = database
        self._steps = steps
        self._reception = reception
        self._place = place
        self._fetching = fetching
        self._clock = clock
        self._new_uid = new_uid

    def run(self, stop: threading.Event, watch: Watch) -> None:
        """Perform until ``stop`` is set."""
        turns = Turns("Pushed workitems failed", {"action": "perform"})
        while not stop.is_set():
            try:
                waits = self.work(stop)
            except Exception as error:  # noqa: BLE001  the loop's outermost edge
                turns.failed(error, stop)
                continue
            turns.went_well()
            if not stop.is_set():
                watch.wait(_LOOK_S if waits else _IDLE_S)

    def work(self, stop: threading.Event | None = None) -> bool:
        """Bring every Workitem as far as it can come; tell whether any goes on."""
        with self._database.transaction(read_only=True) as tx:
            waiting = pushed.unfinished(tx)
        for item in waiting:
            if stop is not None and stop.is_set():
                break
            try:
                self._advance(item)
            except StorageError:
                raise  # the database's affair, not this Workitem's
            except Exception:
                logger.exception("A pushed workitem failed.", extra=_extra(item))
                self._give_up(item)
        return bool(waiting)

    def _advance(self, item: PushedWorkitem) -> None:
        if item.state is _PS.SCHEDULED:
            claimed = self._claim(item.workitem_uid)
            if claimed is None:
                return
            item = claimed
        if item.performer != self._place.ae_title:
            return
        with self._database.transaction(read_only=True) as tx:
            images = pushed.inputs_of(tx, item.workitem_uid)
        if item.cancel_requested:
            self._cancel(item, images)
            return
        parts = [self._part(self._begun(item, image)) for image in images]
        if all(part.has_ended for part in parts):
            self._end(item, parts)
        else:
            self._tell_progress(item, parts)

    def _give_up(self, item: PushedWorkitem) -> None:
        """Cancel a Workitem that this node stumbles over: the others go on."""
        with self._database.transaction() as tx:
            fresh = pushed.get(tx, item.workitem_uid, lock=True)
            if fresh.state not in _FINAL:
                pushed_workitem.cancel(tx, fresh, _STUMBLED, self._clock())

    def _claim(self, workitem_uid: str) -> PushedWorkitem | None:
        """Set a Workitem IN PROGRESS, unless somebody else did or it is not ready."""
        with self._database.transaction() as tx:
            item = pushed.get(tx, workitem_uid, lock=True)
            ready = pushed_dataset(item).get("InputReadinessState") == "READY"
            if item.state is not _PS.SCHEDULED or not item.is_ours or not ready:
                return None
            claimed = pushed_workitem.claim(
                tx, item, self._place.ae_title, self._new_uid(), self._clock()
            )
        logger.info("Claimed a pushed workitem.", extra=_extra(item))
        return claimed

    def _begun(self, item: PushedWorkitem, image: PushedInput) -> PushedInput:
        """Find the job of an image; fetch the image where it is not here."""
        if image.job_uid is not None or image.error is not None:
            return image
        changes = self._found(image)
        if changes is None:
            changes = self._fetched(item, image)
        if not changes:
            return image
        with self._database.transaction() as tx:
            pushed.update_input(tx, image, **changes)
            if "job_uid" in changes:
                priority = priority_of(pushed_dataset(item))
                workitems.hasten(tx, changes["job_uid"], priority)
        return replace(image, **changes)

    def _found(self, image: PushedInput) -> dict[str, Any] | None:
        """Look an image up; ``None`` when it is not here."""
        try:
            with self._database.transaction(read_only=True) as tx:
                status = instances.get_status(tx, image.sop_instance_uid)
        except UnknownRecord:
            return None
        if status.workitem is None:
            reason = status.instance.not_eligible
            return {"error": "not eligible" if reason is None else reason.text}
        again = status.workitem.reason is not None and (
            status.workitem.reason.cause is not Cause.IMAGE
        )
        if status.workitem.state is _PS.CANCELED and again and not image.is_fetched:
            try:
                uid = self._steps.retry(status.workitem.workitem_uid)
            except ObjectMissing:  # retention took it: it has to come again
                return None
            return {"job_uid": uid, "is_fetched": True}
        return {"job_uid": status.workitem.workitem_uid}

    def _fetched(self, item: PushedWorkitem, image: PushedInput) -> dict[str, Any]:
        """Fetch an image; say what became of it."""
        way = self._way(image)
        if way is None:
            text = "It is not here, and no configured source is named."
            logger.warning("An input cannot be fetched: %s", text, extra=_extra(item))
            return {"error": text}
        try:
            way()
        except (PeerRefused, DatasetInvalid) as error:
            text = str(error)
        except (PeerUnreachable, PeerBusy, StorageError) as error:
            if image.attempts + 1 < _MOST_TRIES:
                return {"attempts": image.attempts + 1}
            text = str(error)
        except NodeError as error:
            text = str(error)
        else:
            known = self._found(image) or {"error": "It was not kept."}
            return {"is_fetched": True} | known
        logger.warning("An input was not fetched: %s.", text, extra=_extra(item))
        return {"error": text}

    def _way(self, image: PushedInput) -> Callable[[], None] | None:
        """Choose how to fetch an image; ``None`` where nobody configured is named."""
        source = source_of(image.retrieve_url or "", self._fetching.sources)
        if source is not None:
            return partial(self._take_in, source, image)
        peer = self._fetching.peers.get(image.retrieve_ae or "")
        if peer is None:
            return None
        return partial(
            move,
            peer,
            (
                image.study_instance_uid,
                image.series_instance_uid,
                image.sop_instance_uid,
            ),
            calling_ae=self._place.ae_title,
            timeouts=self._fetching.timeouts,
        )

    def _take_in(self, source: ImageServer, image: PushedInput) -> None:
        """Fetch an image and hand it to reception, as if it had been sent."""
        wanted = InstanceReference(
            image.study_instance_uid, image.series_instance_uid, image.sop_instance_uid
        )
        incoming = self._reception.incoming()
        try:
            fetch(source, wanted, incoming, self._fetching.limits)
            arriving = _arriving(incoming, image.sop_instance_uid)
        except BaseException:
            incoming.abort()
            raise
        self._reception.receive(incoming, arriving)

    def _part(self, image: PushedInput) -> _Part:
        """Find the job of an image as it is by now; a retry made another."""
        uid, job = image.job_uid, None
        for _ in range(_MOST_REPLACED):
            if uid is None:
                break
            job = self._steps.job(uid)
            uid = job.workitem.replaced_by
        return _Part(image, job)

    def _tell_progress(self, item: PushedWorkitem, parts: Sequence[_Part]) -> None:
        percent = sum(part.percent for part in parts) / max(1, len(parts))
        ended = sum(part.has_ended for part in parts)
        told = progress(percent, f"{ended} of {len(parts)} images")
        changes = Dataset()
        setattr(changes, _PROGRESS, [told])
        with self._database.transaction() as tx:
            fresh = pushed.get(tx, item.workitem_uid, lock=True)
            if fresh.state is not _PS.IN_PROGRESS:
                return
            if pushed_dataset(fresh).get(_PROGRESS) != [told]:
                pushed_workitem.revise(tx, fresh, changes, self._clock())

    def _end(self, item: PushedWorkitem, parts: Sequence[_Part]) -> None:
        done = [
            part.job
            for part in parts
            if part.job is not None and part.job.workitem.state is _PS.COMPLETED
        ]
        now = self._clock()
        with self._database.transaction() as tx:
            fresh = pushed.get(tx, item.workitem_uid, lock=True)
            if fresh.state is not _PS.IN_PROGRESS:
                return
            if not done:
                pushed_workitem.cancel(tx, fresh, _why(parts), now)
            else:
                changes = self._done(parts, done, now)
                changed = pushed_workitem.revise(tx, fresh, changes, now)
                pushed_workitem.end(tx, changed, _PS.COMPLETED, now)
        logger.info("A pushed workitem has ended.", extra=_extra(item))

    def _done(
        self, parts: Sequence[_Part], done: Sequence[Job], now: datetime
    ) -> Dataset:
        """Write what was done: results, and how many images had none."""
        outputs = [one for job in done for one in output_items(job, self._place)]
        changes = Dataset()
        text = f"{len(done)} of {len(parts)} images analysed"
        setattr(changes, _PROGRESS, [progress(100.0, text)])
        starts = [job.workitem.started_at or now for job in done]
        whole = performed(self._place, min(*starts, now), now, outputs)
        setattr(changes, _PERFORMED, [whole])
        return changes

    def _cancel(self, item: PushedWorkitem, images: Sequence[PushedInput]) -> None:
        """Cancel what was begun for this Workitem alone, and then the Workitem."""
        for image in images:
            if image.is_fetched and image.job_uid is not None:
                try:
                    self._steps.request_cancel(image.job_uid)
                except (TransitionRefused, UnknownRecord):
                    continue
        with self._database.transaction() as tx:
            fresh = pushed.get(tx, item.workitem_uid, lock=True)
            if fresh.state is _PS.IN_PROGRESS:
                pushed_workitem.cancel(tx, fresh, CANCEL_REQUESTED, self._clock())
        logger.info("Canceled a pushed workitem.", extra=_extra(item))


def _arriving(incoming: Incoming, sop_instance_uid: str) -> Arriving:
    """Say of what was fetched what a request says of what is sent."""
    with incoming.open() as stream:
        arriving = read_file_meta(stream)
    if arriving.sop_instance_uid != sop_instance_uid:
        raise DatasetInvalid("the source gave another instance")
    return replace(arriving, calling_ae=_FETCHED)


def _why(parts: Sequence[_Part]) -> Reason:
    """Say why no image has a result: the first one's reason."""
    for part in parts:
        if part.job is not None and part.job.workitem.reason is not None:
            return part.job.workitem.reason
        if part.image.error is not None:
            return Reason(_NO_INPUT, part.image.error, Cause.IMAGE)
    return Reason(_NO_INPUT, "It names no images.", Cause.IMAGE)


def _extra(item: PushedWorkitem) -> dict[str, str]:
    return {"action": "perform", "workitem": item.workitem_uid}
