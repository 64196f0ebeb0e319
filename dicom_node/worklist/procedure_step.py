"""Changes of state of a Unified Procedure Step, one transaction each.

The worker, the HTTP interface and the command line all come through here, so that
a Workitem is claimed, ended, canceled and repeated by one set of rules (DICOM PS3.4
CC.1.1 and CC.2.1).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from storage.catalog import instances
from storage.database import Database
from storage.errors import TransitionRefused
from storage.outbox import commitments
from storage.outbox.evidence import (
    add_deliveries,
    add_evidence,
    cancel_pending,
    hand_over,
    send_failed_again,
)
from storage.records import (
    AttemptOutcome,
    Evidence,
    Instance,
    Job,
    ModelName,
    NewDelivery,
    Reason,
    Stage,
    Workitem,
)
from storage.worklist import attempts, history, jobs, repeats, workitems

TURNS = 8
"""One place in so many is for who waits longest, however urgent the others are."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What an analysis leaves behind.

    Parameters
    ----------
    evidence, deliveries
        Objects, and where they shall go.
    result
        What was found, for people and later films.
    model, maker
        Whose results they are: the model, and the fingerprint of all that shows.
    """

    evidence: Sequence[Evidence]
    deliveries: Sequence[NewDelivery]
    result: Mapping[str, Any]
    model: ModelName | None
    maker: str | None


class ProcedureSteps:
    """The worklist, as those who work on it see it.

    Parameters
    ----------
    database
        Where it is kept.
    clock
        Aware UTC.
    new_uid
        Makes Transaction UIDs and Workitem UIDs.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime],
        new_uid: Callable[[], str],
    ) -> None:
        self._database = database
        self._clock = clock
        self._new_uid = new_uid
        self._places = 0

    def claim(self, worker: str, *, limit: int, lease_s: float) -> list[Workitem]:
        """Set Workitems IN PROGRESS for a worker, at most ``limit``.

        The most urgent first; one place in eight is for who waits longest.
        """
        longest_waiting = self._places + limit >= TURNS
        with self._database.transaction() as tx:
            claimed = attempts.claim(
                tx,
                worker=worker,
                limit=limit,
                lease_s=lease_s,
                now=self._clock(),
                new_uid=self._new_uid,
                longest_waiting=longest_waiting,
            )
        self._places = 0 if longest_waiting else self._places + len(claimed)
        return claimed

    def job(self, workitem_uid: str) -> Job:
        """Everything about one Workitem; raises UnknownRecord."""
        with self._database.transaction(read_only=True) as tx:
            return jobs.get_job(tx, workitem_uid)

    def instance(self, workitem: Workitem) -> Instance:
        """Find the image that a Workitem is about."""
        with self._database.transaction(read_only=True) as tx:
            return instances.get_instance(tx, workitem.sop_instance_uid)

    def past(
        self, workitem: Workitem, film: Instance
    ) -> tuple[list[Job], list[Job], int]:
        """Find the image's jobs before this one, and those of the film before it.

        The number is that of the other films of its study.
        """
        with self._database.transaction(read_only=True) as tx:
            earlier = history.earlier_jobs(tx, workitem)
            priors = history.prior_jobs(tx, film)
            return list(earlier), list(priors), history.other_films(tx, film)

    def attempts_ended(self, workitem: Workitem, outcome: AttemptOutcome) -> int:
        """Count earlier attempts that ended so."""
        found = self.job(workitem.workitem_uid).attempts
        return sum(one.outcome is outcome for one in found)

    def next_claim_in(self) -> float | None:
        """Seconds until the next queued Workitem may be claimed; ``None`` for none."""
        with self._database.transaction(read_only=True) as tx:
            at = attempts.next_claim_at(tx)
        return None if at is None else max(0.0, (at - self._clock()).total_seconds())

    def heartbeat(self, workitem: Workitem, *, lease_s: float) -> None:
        """Keep a claim alive; raises LeaseLost."""
        until = self._clock() + timedelta(seconds=lease_s)
        with self._database.transaction() as tx:
            attempts.heartbeat(tx, workitem.workitem_uid, _transaction(workitem), until)

    def settle(self, workitem: Workitem, settlement: Settlement) -> None:
        """Record results and what shall be delivered, in one transaction.

        Harmless when done before; a cancel that was requested meanwhile wins over
        the results. Raises LeaseLost.
        """
        uid, now = workitem.workitem_uid, self._clock()
        with self._database.transaction() as tx:
            settled = workitems.settle(
                tx,
                uid,
                _transaction(workitem),
                result=settlement.result,
                model=settlement.model,
                maker=settlement.maker,
                now=now,
            )
            if settled:
                add_evidence(tx, uid, settlement.evidence)
                add_deliveries(tx, uid, settlement.deliveries, now)
                workitems.complete_if_delivered(tx, uid, now)

    def retry_later(
        self,
        workitem: Workitem,
        after_s: float,
        error: str,
        outcome: AttemptOutcome = AttemptOutcome.RETRY,
    ) -> None:
        """Give a claim back; nobody takes it before that time."""
        now = self._clock()
        with self._database.transaction() as tx:
            attempts.retry_later(
                tx,
                workitem.workitem_uid,
                _transaction(workitem),
                not_before=now + timedelta(seconds=after_s),
                error=error,
                now=now,
                outcome=outcome,
            )

    def cancel(
        self,
        workitem: Workitem,
        reason: Reason,
        evidence: Sequence[Evidence] = (),
        deliveries: Sequence[NewDelivery] = (),
    ) -> None:
        """End a claimed Workitem without results; objects may say why."""
        uid, now = workitem.workitem_uid, self._clock()
        with self._database.transaction() as tx:
            if workitems.cancel(tx, uid, reason, now, _transaction(workitem)):
                cancel_pending(tx, uid)
                add_evidence(tx, uid, evidence)
                add_deliveries(tx, uid, deliveries, now)

    def request_cancel(self, workitem_uid: str) -> None:
        """Ask for a Workitem to end: at once when nobody works on it, else soon.

        Raises
        ------
        UnknownRecord
            There is no such Workitem.
        TransitionRefused
            It has ended already.
        """
        with self._database.transaction() as tx:
            item = workitems.request_cancel(tx, workitem_uid, self._clock())
            if item.stage is Stage.CANCELED:
                cancel_pending(tx, workitem_uid)

    def retry(self, workitem_uid: str) -> str:
        """Work on a failed Workitem again; return the Workitem that does it.

        Deliveries that were given up go out again without inference, from the
        stored bytes; a canceled analysis is repeated. Both as a new Workitem, since
        none leaves its final state.

        Raises
        ------
        UnknownRecord
            There is no such Workitem.
        TransitionRefused
            Nothing about it failed.
        ObjectMissing
            Retention deleted what it takes.
        """
        with self._database.transaction() as tx:
            now = self._clock()
            resumed = repeats.resume(tx, workitem_uid, now, self._new_uid)
            if resumed is not None:
                hand_over(tx, workitem_uid, resumed, now)
                workitems.complete_if_delivered(tx, resumed, now)
                return resumed
            renewed = repeats.renew(tx, workitem_uid, now, self._new_uid)
            if renewed is not None:
                return renewed
            again = commitments.retry(tx, workitem_uid, now)
            again += send_failed_again(tx, workitem_uid, now)
            if not again:
                raise TransitionRefused(
                    f"nothing of workitem {workitem_uid} has failed"
                )
            return workitem_uid

    def reprocess(self, workitem_uid: str, priority: int | None = None) -> str:
        """Analyse an image again that has been analysed; return the new Workitem.

        The same model and settings send the stored results again, another model a
        new set that names the one before.

        Raises
        ------
        UnknownRecord
            There is no such Workitem.
        TransitionRefused
            It has not ended, or was replaced already.
        ObjectMissing
            Retention deleted the image.
        """
        with self._database.transaction() as tx:
            return repeats.reprocess(
                tx, workitem_uid, self._clock(), self._new_uid, priority=priority
            )


def _transaction(workitem: Workitem) -> str:
    if workitem.transaction_uid is None:
        raise TransitionRefused(f"{workitem.workitem_uid} is not claimed")
    return workitem.transaction_uid
