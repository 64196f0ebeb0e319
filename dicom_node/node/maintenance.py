"""What happens by the clock: polls, leases of silent workers, the outbox, retention.

APScheduler runs the timers and nothing else; each is a plain function of the database.
A wake-up usually comes long before its poll: the poll is for the one that was missed.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler

from dicom_node.worklist.turns import FORESEEN, words
from storage.catalog import retention
from storage.database import Database
from storage.errors import DatabaseUnavailable, ObjectMissing
from storage.objects.protocol import ObjectStore
from storage.worklist import attempts, pushed, workitems

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]

RETENTION_EVERY_S = 600.0
RETENTION_BATCH = 200
SWEEP_EVERY_S = 6 * 3600.0
SEEN_S = 3 * 3600.0
"""Two looks are at least so far apart before an object counts as abandoned."""
MARK_EVERY_S = 3600.0
DESCRIBE_EVERY_S = 3600.0
COUNT_EVERY_S = 5.0
LOOK_S = 2.0
"""Between two looks whether the clock was set back."""
YOUNGEST_REMOVED = timedelta(hours=1)
"""A file written this lately may be an image that is just being received again."""


@dataclass(frozen=True, slots=True)
class Timer:
    """Something to do again and again.

    Parameters
    ----------
    name
        For the log.
    every_s
        Seconds between two starts; the first is at once.
    run
        What to do; never twice at the same time.
    """

    name: str
    every_s: float
    run: Callable[[], object]


class Maintenance:
    """Starts and stops the timers.

    APScheduler runs them, by the wall clock; a thread that waits by the monotonic one
    brings near what a clock that was set back has put off.
    """

    def __init__(self, timers: Sequence[Timer]) -> None:
        self._every_s = {timer.name: timer.every_s for timer in timers}
        self._outages = _Outages()
        self._end = threading.Event()
        self._near = threading.Thread(
            target=self._keep_near, name="timers", daemon=True
        )
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            job_defaults={
                "coalesce": True,
                "max_instances": 1,
                "misfire_grace_time": None,
            },
        )
        for timer in timers:
            self._scheduler.add_job(
                self._outages.run,
                "interval",
                args=(timer,),
                seconds=timer.every_s,
                id=timer.name,
                next_run_time=datetime.now(UTC),
            )

    @property
    def failing(self) -> Sequence[str]:
        """The timers whose last turn failed."""
        return self._outages.failing

    @property
    def running(self) -> bool:
        """Whether timers run."""
        return self._near.is_alive() and self._scheduler.running

    def start(self) -> None:
        """Run every timer now and then by its period."""
        self._scheduler.start()
        self._near.start()

    def stop(self) -> None:
        """Run nothing more; wait for what runs."""
        self._end.set()
        if self._near.is_alive():
            self._near.join()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def _keep_near(self) -> None:
        while not self._end.wait(LOOK_S):
            now = datetime.now(UTC)
            for job in self._scheduler.get_jobs():
                longest_s = self._every_s[job.id] + LOOK_S
                if job.next_run_time - now > timedelta(seconds=longest_s):
                    job.modify(next_run_time=now)


_AWAY = "database"


class _Outages:
    """Runs timers, and tells of what fails once: of a database that is away for all.

    A timer that fails has its next turn all the same.
    """

    def __init__(self) -> None:
        self._failing: dict[str, str] = {}
        self._lock = threading.Lock()

    @property
    def failing(self) -> Sequence[str]:
        with self._lock:
            return tuple(self._failing)

    def run(self, timer: Timer) -> None:
        try:
            timer.run()
        except Exception as error:  # noqa: BLE001  a timer's outermost edge
            self._failed(timer, error)
        else:
            self._went_well(timer)

    def _failed(self, timer: Timer, error: Exception) -> None:
        away = isinstance(error, DatabaseUnavailable)
        cause = _AWAY if away else f"{timer.name}: {type(error).__name__}"
        with self._lock:
            known = cause in self._failing.values()
            self._failing[timer.name] = cause
        if known:
            return
        foreseen = isinstance(error, FORESEEN)
        logger.log(
            logging.WARNING if foreseen else logging.ERROR,
            "Timers fail, and go on by themselves when they can: %s.",
            words(error),
            exc_info=None if foreseen else error,
            extra={"action": timer.name},
        )

    def _went_well(self, timer: Timer) -> None:
        with self._lock:
            if self._failing.pop(timer.name, None) is None or self._failing:
                return
        logger.info("All timers work again.", extra={"action": timer.name})


def reap(database: Database, clock: Clock) -> None:
    """Queue again what silent workers had claimed."""
    with database.transaction() as tx:
        expired = attempts.reap(tx, clock())
    if expired:
        logger.warning(
            "%d images are queued again: their worker fell silent.",
            expired,
            extra={"action": "reap"},
        )


def complete(database: Database, clock: Clock) -> None:
    """End what has been delivered to everyone who requires it, or never will be."""
    with database.transaction() as tx:
        workitems.complete_delivered(tx, clock())
        failed = workitems.end_given_up(tx, clock())
    for item in failed:
        logger.warning(
            "The job failed: %s",
            item.reason.text if item.reason else "",
            extra={"action": "give up", "workitem": item.workitem_uid},
        )


@dataclass(frozen=True, slots=True)
class Retention:
    """How long objects stay after the end of their job; zero keeps them."""

    sources: timedelta
    results: timedelta


def retain(
    database: Database, store: ObjectStore, retention: Retention, clock: Clock
) -> int:
    """Remove objects that were kept long enough, and count them.

    What is not delivered never goes. Rows stay: the node still knows what it saw.
    """
    removed = 0
    for find, period in (
        (_expired_sources, retention.sources),
        (_expired_evidence, retention.results),
    ):
        if period:
            removed += _remove(database, store, find, period, clock)
    if removed:
        logger.info(
            "%d objects were removed by retention.",
            removed,
            extra={"action": "retain"},
        )
    return removed


Find = Callable[[Database, datetime], list[tuple[str, str]]]


def _expired_sources(database: Database, before: datetime) -> list[tuple[str, str]]:
    with database.transaction(read_only=True) as tx:
        found = retention.expired_sources(tx, before, limit=RETENTION_BATCH)
    return [(item.sop_instance_uid, item.object_key) for item in found]


def _expired_evidence(database: Database, before: datetime) -> list[tuple[str, str]]:
    with database.transaction(read_only=True) as tx:
        found = retention.expired_evidence(tx, before, limit=RETENTION_BATCH)
    return [(item.sop_instance_uid, item.object_key) for item in found]


def _remove(
    database: Database,
    store: ObjectStore,
    find: Find,
    period: timedelta,
    clock: Clock,
) -> int:
    removed = 0
    for sop_instance_uid, key in find(database, clock() - period):
        if _is_young(store, key, clock()):
            continue
        with database.transaction() as tx:
            forgotten = retention.forget_object(tx, sop_instance_uid, clock())
            if forgotten is not None:
                store.delete(forgotten)
                removed += 1
    return removed


class Sweep:
    """Sets aside objects that no row knows; nothing is deleted.

    A process that dies between storing an object and its commit leaves one behind.
    What was received is taken in by the database. The rest is set aside once two
    looks of this process, hours of its own time apart, have found it unchanged.

    Parameters
    ----------
    store
        Where the objects are.
    unknown
        Names those that no row refers to.
    adopt
        Takes in what was received and is not known.
    clock, monotonic
        When something is set aside, and what tells how long it was seen.
    """

    def __init__(
        self,
        store: ObjectStore,
        unknown: Callable[[], Iterable[str]],
        adopt: Callable[[], None],
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._unknown = unknown
        self._adopt = adopt
        self._clock = clock
        self._monotonic = monotonic
        self._seen: dict[tuple[str, datetime], float] = {}

    def run(self) -> int:
        """Look once more; count what was set aside."""
        self._adopt()
        now_s, moved = self._monotonic(), 0
        seen: dict[tuple[str, datetime], float] = {}
        for key in self._unknown():
            try:
                found = (key, self._store.stored_at(key))
            except ObjectMissing:
                continue
            since_s = self._seen.get(found, now_s)
            if now_s - since_s >= SEEN_S:
                self._store.set_aside(key, self._clock())
                moved += 1
            else:
                seen[found] = since_s
        self._seen = seen
        if moved:
            logger.warning(
                "%d objects that nothing refers to were set aside.",
                moved,
                extra={"action": "sweep"},
            )
        return moved


def forget_aside(store: ObjectStore, grace: timedelta, now: datetime) -> int:
    """Remove what was set aside long ago, and count it; zero keeps it."""
    removed = store.forget_aside(now - grace) if grace else 0
    if removed:
        logger.info(
            "%d objects that were set aside long ago were removed.",
            removed,
            extra={"action": "sweep"},
        )
    return removed


def forget_pushed(database: Database, kept: timedelta, clock: Clock) -> int:
    """Remove pushed Workitems that ended long ago, and count them; zero keeps them."""
    removed = 0
    while kept:
        with database.transaction() as tx:
            gone = pushed.forget(tx, clock() - kept)
        removed += gone
        if not gone:
            break
    if removed:
        logger.info(
            "%d pushed workitems that ended long ago were removed.",
            removed,
            extra={"action": "retain"},
        )
    return removed


def _is_young(store: ObjectStore, key: str, now: datetime) -> bool:
    try:
        return now - store.stored_at(key) < YOUNGEST_REMOVED
    except ObjectMissing:
        return False
