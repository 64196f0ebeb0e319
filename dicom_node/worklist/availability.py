"""Peers that are told where results can be retrieved (IHE: instances available).

A notice is due when a job is completed: its destination has the results then. It is
tried until the peer has taken it, for days.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dicom_node.dimse.scu import instance_availability
from dicom_node.dimse.scu.association import RemoteAE, Timeouts
from dicom_node.errors import NodeError, PeerBusy
from dicom_node.worklist.retry import BackOff, Retry, decide, describe
from storage.database import Database
from storage.outbox import notices
from storage.records import AvailabilityNotice, DeliveryState, Job
from storage.worklist.jobs import get_job

logger = logging.getLogger(__name__)

AT_ONCE = 100
_THERE = (
    DeliveryState.SENT,
    DeliveryState.COMMITTED,
    DeliveryState.COMMITMENT_FAILED,
)


@dataclass(frozen=True, slots=True)
class NotifiedPeer:
    """A peer that is told.

    Parameters
    ----------
    remote
        Whom to tell.
    destination, retrieve_ae_title
        Whose results it is told of, and under which title they are retrieved.
    """

    remote: RemoteAE
    destination: str
    retrieve_ae_title: str


class Availability:
    """Tells peers.

    Parameters
    ----------
    database
        Where results and notices are.
    listeners
        AE title -> peer.
    calling_ae, timeouts
        Our AE title, and how long peers may take.
    back_off, give_up_after_s
        Between tries, and since the notice.
    clock, new_uid
        The time, aware UTC, and new UIDs.
    """

    def __init__(  # noqa: PLR0913  the composition root passes all of them
        self,
        database: Database,
        listeners: Mapping[str, NotifiedPeer],
        *,
        calling_ae: str,
        timeouts: Timeouts,
        back_off: BackOff,
        give_up_after_s: float,
        clock: Callable[[], datetime],
        new_uid: Callable[[], str],
    ) -> None:
        self._database = database
        self._listeners = listeners
        self._calling_ae = calling_ae
        self._timeouts = timeouts
        self._back_off = back_off
        self._give_up_after_s = give_up_after_s
        self._clock = clock
        self._new_uid = new_uid

    def tell(self) -> bool:
        """Tell what is to be told now; whether there may be more at once."""
        now = self._clock()
        with self._database.transaction() as tx:
            read = notices.collect(
                tx,
                list(self._listeners),
                limit=AT_ONCE,
                now=now,
                new_uid=self._new_uid,
            )
            until = now + timedelta(seconds=self._back_off.limit_s)
            due = notices.take(tx, limit=AT_ONCE, now=now, until=until)
        for notice in due:
            self._tell(notice)
        return read == AT_ONCE or len(due) == AT_ONCE

    def _tell(self, notice: AvailabilityNotice) -> None:
        listener = self._listeners.get(notice.peer)
        with self._database.transaction(read_only=True) as tx:
            job = get_job(tx, notice.workitem_uid)
        try:
            if listener is not None and (objects := _there(job, listener.destination)):
                instance_availability.notify(
                    listener.remote,
                    notice.sop_instance_uid,
                    instance_availability.notice(
                        job.instance.study_instance_uid,
                        objects,
                        listener.retrieve_ae_title,
                    ),
                    calling_ae=self._calling_ae,
                    timeouts=self._timeouts,
                )
        except NodeError as error:
            self._later(notice, error)
            return
        with self._database.transaction() as tx:
            notices.sent(tx, notice, self._clock())

    def _later(self, notice: AvailabilityNotice, error: NodeError) -> None:
        now, words = self._clock(), describe(error)
        decision = decide(error, notice.attempts, self._back_off)
        waited_s = (now - notice.created_at).total_seconds()
        again = isinstance(decision, Retry) and waited_s < self._give_up_after_s
        with self._database.transaction() as tx:
            if again and isinstance(decision, Retry):
                at = now + timedelta(seconds=decision.after_s)
                notices.try_again(tx, notice, at, words)
            else:
                notices.give_up(tx, notice, words)
        logger.log(
            logging.DEBUG if again and notice.attempts > 1 else logging.WARNING,
            "A notice of results did not reach %s and is %s: %s.",
            notice.peer,
            "tried again" if again else "given up",
            words,
            extra={"action": "availability", "workitem": notice.workitem_uid},
        )


def _there(job: Job, destination: str) -> list[tuple[str, str, str]]:
    """List what a destination has of a job; all that it is to have.

    Raises
    ------
    PeerBusy
        Something is still on its way to it.
    """
    rows = [row for row in job.deliveries if row.destination == destination]
    if any(row.state is DeliveryState.PENDING for row in rows):
        raise PeerBusy(f"{destination} has not got all results yet")
    held = {row.sop_instance_uid for row in rows if row.state in _THERE}
    return [
        (one.series_instance_uid, one.sop_class_uid, one.sop_instance_uid)
        for one in job.evidence
        if one.sop_instance_uid in held
    ]
