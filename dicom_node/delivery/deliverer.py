"""Delivers the outbox: one thread per destination, so that none blocks another.

What is not delivered is tried again for days, less and less often; the model never
runs for it. While a destination does not answer, only a probe knocks, and when it
opens everything that waits goes out at once. A class that is not accepted is
replaced by the next best object.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

from dicom_node.delivery.destination import Destination, Handover, Parcel
from dicom_node.delivery.route import Route
from dicom_node.delivery.stand_in import StandIns
from dicom_node.errors import (
    ClassNotAccepted,
    PeerBusy,
    PeerRefused,
    PeerUnreachable,
)
from dicom_node.worklist.retry import BackOff, Retry, decide, describe
from dicom_node.worklist.turns import Turns
from storage.database import Database, Transaction
from storage.errors import ObjectCorrupt, ObjectMissing, StorageError
from storage.objects.protocol import ObjectStore
from storage.outbox import commitments, deliveries
from storage.records import Delivery, DueDelivery, Evidence, Workitem
from storage.signals import Watch
from storage.worklist import workitems

logger = logging.getLogger(__name__)

IDLE_S = 60.0
"""A look without a wake-up; timers give them much more often."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try.

    Parameters
    ----------
    back_off
        Between tries of one object.
    give_up_after_s
        Since the object was ready.
    probe_s
        Between knocks at a destination that does not answer.
    lease_s
        Until another process may take an object over.
    batch_size
        Objects per association.
    """

    back_off: BackOff
    give_up_after_s: float
    probe_s: float
    lease_s: float
    batch_size: int


class Deliverer:
    """Empties one destination's part of the outbox until told to stop.

    Parameters
    ----------
    route, destination
        What goes there, and the way there.
    database, store
        The outbox, and the objects' bytes.
    patience
        How long to try.
    clock
        Aware UTC.
    """

    def __init__(
        self,
        route: Route,
        destination: Destination,
        database: Database,
        store: ObjectStore,
        *,
        patience: Patience,
        clock: Callable[[], datetime],
    ) -> None:
        self._route = route
        self._destination = destination
        self._stand_ins = StandIns(route, database, store)
        self._database = database
        self._store = store
        self._patience = patience
        self._clock = clock
        self.reachable = True
        self._silent = False
        self._knock_at = 0.0

    @property
    def name(self) -> str:
        """The destination's name."""
        return self._route.destination

    def run(self, stop: threading.Event, watch: Watch) -> None:
        """Deliver until ``stop`` is set; an association under way is finished first."""
        turns = Turns("Deliveries failed", self._extra("deliver"))
        while not stop.is_set():
            try:
                worked = self.work()
            except Exception as error:  # noqa: BLE001  the loop's outermost edge
                turns.failed(error, stop)
                continue
            turns.went_well()
            if not worked and not stop.is_set():
                self._rest(watch)

    def work(self) -> bool:
        """Send what is due; tell whether there may be more at once."""
        if not self.reachable and not self._knock():
            return False
        due = self._due()
        if not due:
            return False
        waiting = {item.delivery.delivery_id for item in due}
        for item, handover in self._handovers(due):
            waiting.discard(item.delivery.delivery_id)
            self._record(item, handover, waiting)
            if isinstance(handover.error, PeerUnreachable):
                self._lose(handover.error)
        return self.reachable

    def _lose(self, error: PeerUnreachable) -> None:
        """Stop sending, and knock from now on."""
        if self.reachable:
            self.reachable, self._silent = False, False
            self._knock_at = monotonic() + self._patience.probe_s
            logger.warning(
                "The destination cannot be reached, its results wait: %s.",
                error,
                extra=self._extra("unreachable"),
            )

    def _rest(self, watch: Watch) -> None:
        """Wait for news, for the next row to fall due, or to knock again."""
        if self.reachable:
            watch.wait(self._until_due())
        else:
            watch.wait(max(0.0, self._knock_at - monotonic()))

    def _until_due(self) -> float:
        try:
            with self._database.transaction(read_only=True) as tx:
                at = deliveries.next_due_at(tx, destination=self.name)
        except StorageError:
            at = None
        if at is None:
            return IDLE_S
        # A row that is due already is leased by another process: do not spin on it.
        return min(IDLE_S, max(0.1, (at - self._clock()).total_seconds()))

    def _due(self) -> list[DueDelivery]:
        with self._database.transaction() as tx:
            return list(
                deliveries.due(
                    tx,
                    destination=self.name,
                    limit=self._patience.batch_size,
                    now=self._clock(),
                    lease_s=self._patience.lease_s,
                )
            )

    def _knock(self) -> bool:
        """Ask an unreachable destination whether it is back, now and then."""
        if monotonic() < self._knock_at:
            return False
        self._knock_at = monotonic() + self._patience.probe_s
        try:
            self._destination.probe()
        except PeerUnreachable as error:
            self._silent = True
            for item in self._due():
                uid = item.evidence.sop_instance_uid
                self._record(item, Handover(uid, None, error))
            return False
        except (PeerBusy, PeerRefused):
            logger.debug("It answers, if not kindly.", extra=self._extra("knock"))
        self.reachable = True
        if self._silent:
            self._hasten()
        return True

    def _hasten(self) -> None:
        """Send at once what waited for a destination that was away.

        Not for one that answers every knock: there the object itself may be what
        breaks the association, and its back-off lets the others pass.
        """
        with self._database.transaction() as tx:
            waiting = deliveries.hasten(tx, self.name, self._clock())
        logger.info(
            "The destination is back; %d objects go out.",
            waiting,
            extra=self._extra("reachable"),
        )

    def _handovers(
        self, due: Sequence[DueDelivery]
    ) -> Iterator[tuple[DueDelivery, Handover]]:
        """Send a batch, and pair each row with what became of it."""
        items = {item.evidence.sop_instance_uid: item for item in due}
        parcels = []
        with ExitStack() as copies:
            for uid, item in items.items():
                key = item.evidence.object_key
                try:
                    self._store.verify(key)
                    path = copies.enter_context(self._store.local(key))
                except (ObjectMissing, ObjectCorrupt) as error:
                    yield item, Handover(uid, None, error)
                else:
                    parcels.append(_parcel(item, path))
            for handover in self._destination.deliver(parcels):
                yield items[handover.sop_instance_uid], handover

    def _record(
        self, item: DueDelivery, handover: Handover, waiting: Collection[int] = ()
    ) -> None:
        """Write down what became of one row, and keep those that wait behind it.

        A receiver that answers slowly must not let them fall to another process.
        """
        delivery = item.delivery
        refused = isinstance(handover.error, ClassNotAccepted)
        other = self._stand_ins.for_(item) if refused else None
        given_up, ended = False, list[Workitem]()
        with self._database.transaction() as tx:
            now = self._clock()
            if handover.error is None:
                code = handover.code or 0
                deliveries.sent(tx, delivery.delivery_id, status=code, now=now)
                if delivery.commitment:
                    commitments.want(tx, delivery.delivery_id, now)
            else:
                given_up = self._refused(
                    tx, delivery, handover.code, handover.error, other, now
                )
                ended = workitems.end_given_up(tx, now, delivery.workitem_uid)
            workitems.complete_if_delivered(tx, delivery.workitem_uid, now)
            until = now + timedelta(seconds=self._patience.lease_s)
            deliveries.prolong(tx, waiting, until)
        if ended:
            self._tell_failed(item, handover)
        else:
            self._tell(item, handover, other, known=given_up and delivery.required)

    def _refused(
        self,
        tx: Transaction,
        delivery: Delivery,
        code: int | None,
        error: Exception,
        other: Evidence | None,
        now: datetime,
    ) -> bool:
        """Send something else, try again later, or give up; tell whether the last."""
        words: dict[str, Any] = {"error": describe(error), "status": code}
        if other is not None:
            deliveries.superseded(tx, delivery.delivery_id, by=other, now=now, **words)
            return False
        after_s = self._again_after(delivery, error, now)
        if after_s is None:
            deliveries.failed(tx, delivery.delivery_id, now=now, **words)
        else:
            next_try_at = now + timedelta(seconds=after_s)
            deliveries.try_again(
                tx, delivery.delivery_id, next_try_at=next_try_at, **words
            )
        return after_s is None

    def _again_after(
        self, delivery: Delivery, error: Exception, now: datetime
    ) -> float | None:
        """Seconds to the next try; ``None`` when there shall be none."""
        since = delivery.created_at or now
        if (now - since).total_seconds() >= self._patience.give_up_after_s:
            return None
        decision = decide(error, delivery.attempts, self._patience.back_off)
        return decision.after_s if isinstance(decision, Retry) else None

    def _tell_failed(self, item: DueDelivery, handover: Handover) -> None:
        """Say once that a job failed, whatever else of it is refused later."""
        error = handover.error
        logger.warning(
            "The job failed: a %s is given up, %s. jobs retry sends it again.",
            item.evidence.kind,
            describe(error) if error is not None else "refused",
            extra=self._extra("give up", item),
        )

    def _tell(
        self,
        item: DueDelivery,
        handover: Handover,
        other: Evidence | None,
        *,
        known: bool,
    ) -> None:
        extra = self._extra("delivered" if handover.accepted else "refused", item)
        if other is not None:
            logger.warning(
                "The class of a %s is not accepted; a %s goes instead.",
                item.evidence.kind,
                other.kind,
                extra=extra,
            )
        elif handover.error is not None:
            # One line says that nobody is there, or that the job failed; not one for
            # each object.
            silent = known or isinstance(handover.error, PeerUnreachable)
            logger.log(
                logging.DEBUG if silent else logging.WARNING,
                "A %s was not delivered: %s.",
                item.evidence.kind,
                describe(handover.error),
                extra=extra,
            )
        elif handover.detail:
            logger.warning(
                "A %s was delivered with a warning, %s.",
                item.evidence.kind,
                handover.detail,
                extra=extra,
            )
        else:
            logger.info("A %s was delivered.", item.evidence.kind, extra=extra)

    def _extra(self, action: str, item: DueDelivery | None = None) -> dict[str, str]:
        extra = {"action": action, "destination": self.name}
        if item is not None:
            extra["workitem"] = item.delivery.workitem_uid
        return extra


def _parcel(item: DueDelivery, path: Path) -> Parcel:
    delivery, evidence = item.delivery, item.evidence
    return Parcel(
        evidence.sop_class_uid,
        evidence.sop_instance_uid,
        path,
        evidence.study_instance_uid,
        uncertain=delivery.attempts > 1 and delivery.last_status is None,
    )
