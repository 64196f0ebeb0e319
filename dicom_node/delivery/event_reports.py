"""Event reports on their way to subscribers: made, sent by N-EVENT-REPORT, given up.

What waits is a row of the outbox; it outlives the node. Reports of one subscriber keep
their order, and a subscriber that is away delays nobody else.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dicom_node.dimse.scu import unified_procedure_step as scu
from dicom_node.dimse.scu.association import RemoteAE, Timeouts
from dicom_node.errors import NodeError, PeerUnreachable
from dicom_node.worklist.retry import BackOff
from dicom_node.worklist.turns import Turns
from dicom_node.worklist.unified.subscription import Herald
from dicom_node.worklist.unified.workitem_content import from_json
from storage.database import Database
from storage.signals import Watch
from storage.worklist import subscriptions
from storage.worklist.subscriptions import Channel, EventReport

logger = logging.getLogger(__name__)
_AT_ONCE = 50
_LOOK_S = 1.0
_SWEEP = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ReportPatience:
    """How long reports are tried, and how many may wait.

    Parameters
    ----------
    back_off
        Pauses between tries at one subscriber.
    give_up_after_s
        From a report's making on.
    most
        For one subscriber; the oldest go first.
    """

    back_off: BackOff
    give_up_after_s: float
    most: int


class Reporter:
    """Tells subscribers, until told to stop.

    Parameters
    ----------
    herald
        Makes reports of this node's own Workitems.
    database
        Where they wait.
    receivers
        AE title -> how to call it.
    calling_ae, timeouts
        How this node calls.
    patience
        How long.
    clock
        Aware UTC.
    """

    def __init__(  # noqa: PLR0913  the composition root passes all of them
        self,
        herald: Herald,
        database: Database,
        receivers: Mapping[str, RemoteAE],
        *,
        calling_ae: str,
        timeouts: Timeouts,
        patience: ReportPatience,
        clock: Callable[[], datetime],
    ) -> None:
        self._herald = herald
        self._database = database
        self._receivers = receivers
        self._calling_ae = calling_ae
        self._timeouts = timeouts
        self._patience = patience
        self._clock = clock
        self._swept_at: datetime | None = None

    def run(self, stop: threading.Event, watch: Watch) -> None:
        """Report until ``stop`` is set."""
        turns = Turns("Event reports failed", {"action": "tell"})
        begun = False
        while not stop.is_set():
            try:
                if not begun:
                    self._herald.restarted()
                    begun = True
                worked = self.work()
            except Exception as error:  # noqa: BLE001  the loop's outermost edge
                turns.failed(error, stop)
                continue
            turns.went_well()
            if not worked and not stop.is_set():
                watch.wait(_LOOK_S)

    def work(self) -> bool:
        """Make and send what there is; tell whether there may be more at once."""
        more = self._herald.work()
        self._sweep()
        with self._database.transaction(read_only=True) as tx:
            titles = subscriptions.due(tx, Channel.DIMSE, self._clock())
        for title in titles:
            more = self._tell(title) or more
        return more

    def _tell(self, title: str) -> bool:
        with self._database.transaction(read_only=True) as tx:
            reports = subscriptions.waiting(tx, Channel.DIMSE, title, _AT_ONCE)
        if not reports:
            return False
        try:
            self._send(title, reports)
        except NodeError as error:
            self._put_off(title, reports[0].attempts + 1, error)
            return False
        return len(reports) == _AT_ONCE

    def _send(self, title: str, reports: list[EventReport]) -> None:
        remote = self._receivers.get(title)
        if remote is None:
            raise PeerUnreachable("no peer of that AE title has a host and a port")
        told = [
            scu.Told(
                one.report_id,
                one.workitem_uid,
                one.event_type,
                from_json(one.information),
            )
            for one in reports
        ]
        answers = scu.report(
            remote, told, calling_ae=self._calling_ae, timeouts=self._timeouts
        )
        for report_id, status in answers:
            if status:
                # It was heard; what its hearer makes of it is not ours to repeat.
                logger.warning(
                    "A subscriber answered an event report with 0x%04X.",
                    status,
                    extra={"action": "tell", "peer": title},
                )
            with self._database.transaction() as tx:
                subscriptions.taken(tx, [report_id])

    def _put_off(self, title: str, attempt: int, error: NodeError) -> None:
        pause_s = self._patience.back_off.after(attempt)
        until = self._clock() + timedelta(seconds=pause_s)
        with self._database.transaction() as tx:
            subscriptions.put_off(tx, Channel.DIMSE, title, until)
        logger.warning(
            "A subscriber cannot be told, its reports wait: %s; again in %.0f s.",
            error,
            pause_s,
            extra={"action": "tell", "peer": title},
        )

    def _sweep(self) -> None:
        now = self._clock()
        if self._swept_at is not None and now - self._swept_at < _SWEEP:
            return
        self._swept_at = now
        before = now - timedelta(seconds=self._patience.give_up_after_s)
        with self._database.transaction() as tx:
            gone = subscriptions.drop(tx, before, self._patience.most)
        if gone:
            logger.warning("Gave up %d event reports.", gone, extra={"action": "tell"})
