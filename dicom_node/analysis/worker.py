"""The worker: claim a batch, keep its leases, analyse, settle each image.

Batches cross studies. Every image ends in one of four ways: settled with results,
to be tried again later, canceled with a reason, or left to the worker that took it
over. What was under way when a worker fell silent runs alone, but only an image that
ends the process in which nothing else is read counts as the culprit.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from time import monotonic

from dicom_node.analysis.leases import Leases
from dicom_node.analysis.past import look_back
from dicom_node.analysis.process import Analyzer, Conclusion, Failed, Source
from dicom_node.analysis.settlement import Settlements
from dicom_node.delivery.route import Route
from dicom_node.errors import DatasetInvalid, EvidenceInvalid, ProcessLost
from dicom_node.worklist.procedure_step import ProcedureSteps
from dicom_node.worklist.retry import (
    Cancel,
    Decision,
    Retry,
    StepBack,
    decide,
    decide_on_suspect,
    describe,
    is_unforeseen,
)
from dicom_node.worklist.titles import Titles
from dicom_node.worklist.turns import Turns
from storage.errors import StorageError
from storage.objects.protocol import ObjectStore
from storage.records import (
    AttemptOutcome,
    Cause,
    Evidence,
    Instance,
    NewDelivery,
    Reason,
    Workitem,
)
from storage.signals import Watch

logger = logging.getLogger(__name__)

IDLE_S = 60.0
"""A look without a wake-up; timers give them much more often."""

NO_ROOM_S = 5.0
"""Between looks at a disk that had no room for results."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker works.

    Parameters
    ----------
    name
        Unique among all workers of the database.
    batch_size, batch_wait_s
        At most so many images per run; how long to wait for a fuller batch.
    lease_s
        Time until others may take over.
    lost_attempts
        How often reading an image alone may end its process before it waits for a day.
    titles
        How what is sent to some of our titles is treated.
    """

    name: str
    batch_size: int
    batch_wait_s: float
    lease_s: float
    lost_attempts: int
    titles: Titles = field(default_factory=dict)


class Worker:
    """Works off the worklist until told to stop.

    Parameters
    ----------
    steps
        The worklist.
    store
        Where images are and results go.
    analyzer
        The model and everything around it.
    routes
        Who gets which results.
    options
        Sizes and times.
    """

    def __init__(
        self,
        steps: ProcedureSteps,
        store: ObjectStore,
        analyzer: Analyzer,
        routes: Sequence[Route],
        options: WorkerOptions,
    ) -> None:
        self._steps = steps
        self._store = store
        self._analyzer = analyzer
        self._settlements = Settlements(store, routes, options.titles)
        self._options = options
        self._wanted = (self._analyzer, self._settlements)

    def change(self, analyzer: Analyzer, routes: Sequence[Route]) -> None:
        """Work for other receivers, from the next batch on."""
        settlements = Settlements(self._store, routes, self._options.titles)
        self._wanted = (analyzer, settlements)

    def run(self, stop: threading.Event, watch: Watch) -> None:
        """Work until ``stop`` is set; what is claimed is finished first.

        Parameters
        ----------
        stop
            Ends the loop; ``watch.notify()`` makes it look.
        watch
            Wakes the worker for new work.
        """
        turns = Turns("A batch failed", {"action": "work"})
        while not stop.is_set():
            try:
                worked = self.work(watch)
            except Exception as error:  # noqa: BLE001  the loop's outermost edge
                turns.failed(error, stop)
                continue
            turns.went_well()
            if not worked and not stop.is_set():
                watch.wait(self._until_work())

    def work(self, watch: Watch) -> bool:
        """Claim a batch and conclude it; tell whether there was any."""
        self._analyzer, self._settlements = self._wanted
        if not self._settlements.has_room:
            return False
        claimed = self._claim(self._options.batch_size)
        if not claimed:
            return False
        with Leases(self._steps, self._options.lease_s) as leases:
            leases.hold(claimed)
            claimed += self._fill_up(len(claimed), leases, watch)
            for batch in self._batches(claimed):
                self._analyze(batch, leases)
        return True

    def _fill_up(self, count: int, leases: Leases, watch: Watch) -> list[Workitem]:
        """Wait a moment for a fuller batch; idle hardware is the price of haste."""
        more: list[Workitem] = []
        until = monotonic() + self._options.batch_wait_s
        while (room := self._options.batch_size - count - len(more)) > 0:
            left = until - monotonic()
            if left <= 0:
                break
            if watch.wait(left):
                found = self._claim(room)
                leases.hold(found)
                more += found
        return more

    def _claim(self, limit: int) -> list[Workitem]:
        options = self._options
        return self._steps.claim(options.name, limit=limit, lease_s=options.lease_s)

    def _until_work(self) -> float:
        """Time until a look without a wake-up, which no retry should wait for."""
        if not self._settlements.has_room:
            return NO_ROOM_S
        try:
            next_s = self._steps.next_claim_in()
        except StorageError:
            next_s = None
        return IDLE_S if next_s is None else min(IDLE_S, max(next_s, 0.05))

    def _batches(self, claimed: list[Workitem]) -> Iterator[list[Workitem]]:
        """Set apart what was under way when a worker fell silent: it runs alone, last.

        That proves nothing: a power cut is no image's fault, nor a lease that ran out.
        """
        interrupted = {
            workitem.workitem_uid
            for workitem in claimed
            if self._ended(workitem, AttemptOutcome.LEASE_EXPIRED)
        }
        fresh = [
            workitem for workitem in claimed if workitem.workitem_uid not in interrupted
        ]
        if fresh:
            yield fresh
        yield from (
            [workitem] for workitem in claimed if workitem.workitem_uid in interrupted
        )

    def _ended(self, workitem: Workitem, outcome: AttemptOutcome) -> int:
        """Count earlier attempts at a Workitem that ended so."""
        if workitem.attempts <= 1:
            return 0
        return self._steps.attempts_ended(workitem, outcome)

    def _analyze(self, claimed: Sequence[Workitem], leases: Leases) -> None:
        started = monotonic()
        ready = []
        with ExitStack() as copies:
            for workitem in claimed:
                claim = self._with_source(workitem, copies)
                if claim is None:
                    leases.release(workitem)
                else:
                    ready.append(claim)
            outcomes = self._analyzer.analyze([claim.source for claim in ready])
            for claim, outcome in zip(ready, outcomes, strict=True):
                # Its end is written within moments; a heartbeat must not cross it.
                leases.release(claim.workitem)
                self._settle(claim, outcome)
        logger.debug(
            "Worked on %d images in %.3f s.",
            len(claimed),
            monotonic() - started,
            extra={"action": "work"},
        )

    def _with_source(self, workitem: Workitem, copies: ExitStack) -> "_Claimed | None":
        """Find the image and its past; without it the Workitem is concluded here."""
        try:
            instance = self._steps.instance(workitem)
            path = copies.enter_context(self._store.local(instance.object_key))
            earlier, priors, others = self._steps.past(workitem, instance)
        except StorageError as error:
            self._fail(workitem, error)
            return None
        past = look_back(earlier, priors, self._analyzer.maker, others)
        first = past.repeated.workitem if past.repeated else workitem
        created_at = first.started_at or first.scheduled_at
        title = self._options.titles.get(instance.called_ae)
        source = Source(
            path,
            instance.sha256,
            created_at,
            past,
            is_stored=True,
            rules=title.rules if title else None,
        )
        return _Claimed(workitem, instance, source)

    def _settle(self, claim: "_Claimed", outcome: Conclusion) -> None:
        workitem, instance = claim.workitem, claim.instance
        if isinstance(outcome, Failed):
            self._fail(workitem, outcome.error, claim)
            return
        try:
            settlement = self._settlements.of_analysis(
                workitem, instance, outcome, claim.source.past
            )
            self._steps.settle(workitem, settlement)
        except StorageError as error:
            self._fail(workitem, error)
            return
        for failed in outcome.failed:
            logger.warning(
                "A %s could not be made, the other results were: %s.",
                failed.kind,
                failed.reason,
                extra=_extra("encode", workitem),
            )
        severity = outcome.analysis.severity.total
        logger.info(
            "An image is analysed: %d findings, severity %.1f %%.",
            len(outcome.analysis.findings),
            severity,
            extra=_extra("analyzed", workitem),
        )

    def _fail(
        self, workitem: Workitem, error: Exception, claim: "_Claimed | None" = None
    ) -> None:
        lost = isinstance(error, ProcessLost)
        decision = (
            self._on_suspect(workitem, error)
            if lost
            else decide(error, workitem.attempts)
        )
        alarming = not (
            isinstance(decision, Cancel) and decision.reason.cause is Cause.IMAGE
        )
        logger.log(
            logging.WARNING if alarming else logging.INFO,
            "An image has no result: %s.",
            describe(error),
            exc_info=error if is_unforeseen(error) else None,
            extra=_extra("no-result", workitem),
        )
        outcome = AttemptOutcome.PROCESS_LOST if lost else AttemptOutcome.RETRY
        self._conclude(workitem, decision, describe(error), claim, outcome)

    def _on_suspect(self, workitem: Workitem, error: Exception) -> Decision:
        """Decide by what is on record against this image, which is its only evidence.

        A record that cannot be read leaves the lease to run out, which is none.
        """
        try:
            before = self._ended(workitem, AttemptOutcome.PROCESS_LOST)
        except StorageError:
            return StepBack()
        return decide_on_suspect(error, before + 1, self._options.lost_attempts)

    def _conclude(
        self,
        workitem: Workitem,
        decision: Decision,
        error: str,
        claim: "_Claimed | None" = None,
        outcome: AttemptOutcome = AttemptOutcome.RETRY,
    ) -> None:
        """Write a decision down; if that fails too, the lease will run out."""
        try:
            match decision:
                case Retry(after_s):
                    self._steps.retry_later(workitem, after_s, error, outcome)
                case Cancel(reason):
                    explanation = self._explanation(claim, reason)
                    self._steps.cancel(workitem, reason, *explanation)
                case StepBack():
                    pass
        except StorageError as failure:
            logger.warning(
                "An outcome could not be recorded: %s.",
                failure,
                extra=_extra("conclude", workitem),
            )

    def _explanation(
        self, claim: "_Claimed | None", reason: Reason
    ) -> tuple[Sequence[Evidence], Sequence[NewDelivery]]:
        """Say to those who want to know why an awaited result does not come."""
        wanted = self._settlements.explains and reason.cause is Cause.IMAGE
        if claim is None or not wanted:
            return (), ()
        try:
            report = self._analyzer.explain(claim.source, reason.code, reason.text)
        except (DatasetInvalid, EvidenceInvalid) as error:
            logger.warning(
                "No report can say why an image is not analysed: %s.",
                error,
                extra=_extra("explain", claim.workitem),
            )
            return (), ()
        if report is None:
            return (), ()
        return self._settlements.of_explanation(claim.workitem, claim.instance, report)


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A claimed Workitem, its image, and where that lies."""

    workitem: Workitem
    instance: Instance
    source: Source


def _extra(action: str, workitem: Workitem) -> dict[str, str]:
    return {"action": action, "workitem": workitem.workitem_uid}
