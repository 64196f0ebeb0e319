"""What happens by the clock: polls, leases of silent workers, the outbox, retention.

APScheduler runs the timers and nothing else; each is a plain function of the
database. A wake-up usually comes long before its poll: the poll is for the one that
was missed.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from apscheduler.schedulers.background import BackgroundScheduler

from storage.catalog import retention
from storage.database import Database
from storage.errors import ObjectMissing
from storage.objects.protocol import ObjectStore
from storage.worklist import attempts, workitems

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]

RETENTION_EVERY_S = 600.0
RETENTION_BATCH = 200
SWEEP_EVERY_S = 86_400.0
SWEEP_BATCH = 500
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
    run: Callable[[], None]


class Maintenance:
    """Starts and stops the timers."""

    def __init__(self, timers: Sequence[Timer], clock: Clock) -> None:
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
                _guarded,
                "interval",
                args=(timer,),
                seconds=timer.every_s,
                id=timer.name,
                next_run_time=clock(),
            )

    def start(self) -> None:
        """Run every timer now and then by its period."""
        self._scheduler.start()

    def stop(self) -> None:
        """Run nothing more; wait for what runs."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)


def _guarded(timer: Timer) -> None:
    """Run a timer; its failure is logged and its next turn comes all the same."""
    try:
        timer.run()
    except Exception:
        logger.exception("A timer failed.", extra={"action": timer.name})


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
    """Complete what has been delivered to everyone who requires it."""
    with database.transaction() as tx:
        workitems.complete_delivered(tx, clock())


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


def sweep(database: Database, store: ObjectStore, clock: Clock) -> int:
    """Remove objects that no row knows, and count them.

    A process that dies between storing an object and its commit leaves one behind.
    """
    removed = 0
    keys = iter(store.keys())
    while chunk := list(islice(keys, SWEEP_BATCH)):
        with database.transaction() as tx:
            for key in retention.unreferenced(tx, chunk):
                if not _is_young(store, key, clock()):
                    store.delete(key)
                    removed += 1
    if removed:
        logger.info(
            "%d objects that nothing refers to were removed.",
            removed,
            extra={"action": "sweep"},
        )
    return removed


def _is_young(store: ObjectStore, key: str, now: datetime) -> bool:
    try:
        return now - store.stored_at(key) < YOUNGEST_REMOVED
    except ObjectMissing:
        return False
