"""What happens by the clock, how often, and on what."""

from collections.abc import Callable
from functools import partial

from dicom_node.node import maintenance
from dicom_node.node.maintenance import Maintenance, Retention, Timer
from dicom_node.node.parts import Parts
from dicom_node.node.settings.load import Settings


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

    def retain() -> None:
        maintenance.retain(database, store, periods, clock)

    def sweep() -> None:
        maintenance.sweep(database, store, clock)

    timers = [
        Timer("poll", section.poll_s, wake),
        Timer(
            "reap",
            min(section.poll_s, section.lease_s / 2),
            partial(maintenance.reap, database, clock),
        ),
        Timer(
            "deliver", section.poll_s, partial(maintenance.complete, database, clock)
        ),
        Timer("retain", maintenance.RETENTION_EVERY_S, retain),
        Timer("sweep", maintenance.SWEEP_EVERY_S, sweep),
    ]
    return Maintenance(timers, clock)
