"""Has peers send old studies here, one after the other, when there is nothing better.

What is fetched is a row of the database until it came (``storage.worklist.fetches``).
Nothing is asked for while a new image waits for analysis.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dicom_node.dimse.scu.association import RemoteAE, Timeouts
from dicom_node.dimse.scu.retrieve import move_study
from dicom_node.errors import NodeError
from dicom_node.worklist.retry import BackOff
from dicom_node.worklist.turns import Turns
from storage.database import Database
from storage.signals import Watch
from storage.worklist import fetches
from storage.worklist.fetches import Fetch

logger = logging.getLogger(__name__)
_LOOK_S = 1.0
_IDLE_S = 30.0


@dataclass(frozen=True, slots=True)
class FetchManner:
    """Who is asked, how patiently, and how much at once.

    Parameters
    ----------
    calling_ae
        Our AE title, which is also where studies shall be sent.
    peers
        AE title -> how to call it.
    timeouts
        How long a peer may take.
    back_off, tries
        How often a study is asked for.
    most_waiting
        How many images may wait for analysis while more are fetched.
    has_room
        Whether the store takes more.
    """

    calling_ae: str
    peers: Mapping[str, RemoteAE]
    timeouts: Timeouts
    back_off: BackOff
    tries: int
    most_waiting: int
    has_room: Callable[[], bool]


class Fetcher:
    """Fetches studies until told to stop.

    Parameters
    ----------
    database
        Where they are queued.
    manner
        How they are fetched.
    clock
        Aware UTC.
    """

    def __init__(
        self, database: Database, manner: FetchManner, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._manner = manner
        self._clock = clock

    def run(self, stop: threading.Event, watch: Watch) -> None:
        """Fetch until ``stop`` is set."""
        turns = Turns("Fetching studies failed", {"action": "fetch"})
        while not stop.is_set():
            try:
                wait_s = self.work()
            except Exception as error:  # noqa: BLE001  the loop's outermost edge
                turns.failed(error, stop)
                continue
            turns.went_well()
            if wait_s and not stop.is_set():
                watch.wait(wait_s)

    def work(self) -> float:
        """Fetch one study, if that is no burden; tell when to look again."""
        if not self._manner.has_room():
            return _IDLE_S
        with self._database.transaction(read_only=True) as tx:
            if fetches.is_busy(tx, self._manner.most_waiting):
                return _LOOK_S
        with self._database.transaction() as tx:
            one = fetches.take(tx, self._clock(), self._until())
        if one is None:
            return _IDLE_S
        self._fetch(one)
        return 0.0

    def _fetch(self, one: Fetch) -> None:
        remote = self._manner.peers.get(one.peer)
        if remote is None:
            self._give_up(one, f"{one.peer} is no peer that can be called")
            return
        try:
            count = move_study(
                remote,
                one.study_instance_uid,
                calling_ae=self._manner.calling_ae,
                timeouts=self._manner.timeouts,
                went_on=lambda: self._renew(one),
            )
        except NodeError as error:
            self._put_off(one, str(error))
            return
        with self._database.transaction() as tx:
            fetches.end(tx, one)
        logger.info(
            "Fetched a study of %d objects from %s.",
            count,
            one.peer,
            extra={"action": "fetch"},
        )

    def _until(self) -> datetime:
        """Tell until when a fetch under way must have got on."""
        return self._clock() + timedelta(seconds=2 * self._manner.timeouts.message_s)

    def _renew(self, one: Fetch) -> None:
        with self._database.transaction() as tx:
            fetches.renew(tx, one, self._until())

    def _put_off(self, one: Fetch, error: str) -> None:
        if one.attempts + 1 >= self._manner.tries:
            self._give_up(one, error)
            return
        wait_s = self._manner.back_off.after(one.attempts + 1)
        at = self._clock() + timedelta(seconds=wait_s)
        with self._database.transaction() as tx:
            fetches.try_again(tx, one, at, error)

    def _give_up(self, one: Fetch, error: str) -> None:
        with self._database.transaction() as tx:
            fetches.end(tx, one, error)
        logger.warning(
            "A study is not fetched from %s: %s.",
            one.peer,
            error,
            extra={"action": "fetch"},
        )
