"""What happens by the clock, how often, and on what."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from dicom_node.node import maintenance
from dicom_node.node.clocks import Pauses, Reaper
from dicom_node.node.maintenance import Maintenance, Retention, Sweep, Timer
from dicom_node.node.parts import Parts
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.delivery import patience
from dicom_node.node.wiring.monitoring.metrics import make_fold
from dicom_node.node.wiring.worklist import kept
from dicom_node.worklist.describing import describe_held
from dicom_node.worklist.retry import LONGEST_PAUSE_S


def retention(settings: Settings) -> Retention:
    """Say how long objects stay."""
    return Retention(settings.retention.sources, settings.retention.results)


def make_timers(
    settings: Settings, parts: Parts, wake: Callable[[], None]
) -> Maintenance:
    """Make the timers; ``wake`` is the poll, for news that was missed."""
    database, store, clock = parts.database, parts.store, parts.clock
    section = settings.worker
    periods = retention(settings)
    reaper = Reaper(database, pauses(settings), clock)
    sweep = Sweep(store, parts.adoption.unknown, parts.bond.adopt_found, clock)

    def retain() -> None:
        believed = parts.bond.believed()
        maintenance.retain(database, store, periods, lambda: believed)
        maintenance.forget_aside(store, settings.retention.aside, believed)
        maintenance.forget_pushed(database, kept(settings), clock)

    timers = [
        Timer("poll", section.poll_s, wake),
        Timer("reap", min(section.poll_s, section.lease_s / 2), reaper.run),
        Timer(
            "deliver", section.poll_s, partial(maintenance.complete, database, clock)
        ),
        Timer("retain", maintenance.RETENTION_EVERY_S, retain),
        Timer("sweep", maintenance.SWEEP_EVERY_S, sweep.run),
        Timer("mark", maintenance.MARK_EVERY_S, parts.bond.keep_up),
        Timer(
            "describe",
            maintenance.DESCRIBE_EVERY_S,
            partial(describe_held, store, database),
        ),
        Timer("count", maintenance.COUNT_EVERY_S, make_fold(settings, parts)),
    ]
    return Maintenance(timers)


def pauses(settings: Settings) -> Pauses:
    """Say how long anything waits at most."""
    worker, delivery = settings.worker, settings.delivery
    tries = patience(settings).back_off
    return Pauses(
        claim=timedelta(seconds=LONGEST_PAUSE_S),
        claim_lease=timedelta(seconds=worker.lease_s),
        delivery=timedelta(seconds=tries.limit_s),
        delivery_lease=timedelta(seconds=delivery.lease_s),
        commitment=timedelta(seconds=delivery.commitment_report_s),
    )
