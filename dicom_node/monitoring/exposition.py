"""The node's metrics in Prometheus' text, read from the database when asked.

There is no counter in memory that could drift from the rows: several processes say the
same, and a restart forgets nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from dicom_node import __version__
from storage.database import Database
from storage.monitoring import distributions, gauges, tallies
from storage.monitoring.tallies import BEYOND, MODEL_SECONDS, SECONDS, Counts
from storage.objects.protocol import ObjectStore

_AT_ONCE = 5_000
_AT_MOST = 20
"""Events are folded in by so many transactions a scrape; the rest waits."""
_DRIFT_DAYS = 7
_FILL_DAYS = 7
_DAY_S = 86_400

COUNTERS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("received", ("device",), "Images received, by calling AE title."),
    ("scheduled", ("device",), "Jobs made: images eligible by their header."),
    (
        "not_eligible",
        ("device", "code"),
        "Images that are not analysed, by reason: header, pixels or decoder.",
    ),
    ("quarantined", ("device",), "Other bytes under a SOP Instance UID known."),
    ("analyzed", ("device",), "Jobs whose results were stored here."),
    ("completed", ("device",), "Jobs delivered to every required destination."),
    ("failed", ("device", "code"), "Jobs that failed, by reason."),
    ("canceled", ("device", "code"), "Jobs canceled on request."),
    ("retried", ("device",), "Attempts that were put off."),
    ("lease_expired", ("device",), "Attempts whose worker fell silent."),
    ("recalled", ("device",), "Jobs whose results were recalled."),
    ("delivery_sent", ("destination",), "Objects that a destination took."),
    ("delivery_failed", ("destination",), "Deliveries given up."),
    ("delivery_committed", ("destination",), "Objects committed to be kept."),
    ("commitment_failed", ("destination",), "Objects that nobody commits to keep."),
    (
        "said",
        ("model", "device", "measure", "step"),
        "What the models said, in steps of each measure.",
    ),
    ("model_images", (), "Images that the model has looked at."),
    ("model_batches", (), "Batches that the model has run."),
)


@dataclass(frozen=True, slots=True)
class Observed:
    """What metrics are made of.

    Parameters
    ----------
    database, store
        What the node remembers.
    conditions
        How this process does: check -> what is wrong, or ``None``.
    clock
        Aware UTC.
    reference_films
        How many films make a model's reference.
    """

    database: Database
    store: ObjectStore
    conditions: Callable[[], Mapping[str, str | None]]
    clock: Callable[[], datetime]
    reference_films: int


def expose(observed: Observed) -> bytes:
    """Write all metrics, as they are at this moment."""
    # Not registered for its names first: that would read everything twice.
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_AtThisMoment(observed))
    return generate_latest(registry)


def fold(database: Database, reference_films: int) -> None:
    """Count what happened since the last time."""
    for _ in range(_AT_MOST):
        with database.transaction() as tx:
            if tallies.fold(tx, _AT_ONCE, reference_films) < _AT_ONCE:
                return


class _AtThisMoment(Collector):
    """Reads everything in one go."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed

    def collect(self) -> Iterator[Metric]:
        """Give every family, also those that have no value yet."""
        observed = self._observed
        fold(observed.database, observed.reference_films)
        now = observed.clock()
        since = now - timedelta(days=_DRIFT_DAYS)
        with observed.database.transaction(read_only=True) as tx:
            counts = tallies.read(tx)
            stages, backlogs = gauges.stages(tx), gauges.backlogs(tx)
            asked = gauges.commitments(tx)
            drifts = distributions.drifts(tx, since.date())
        yield _gauge("info", ("version",), "This node.", [((__version__,), 1)])
        for name, labels, text in COUNTERS:
            yield _counter(name, labels, text, counts)
        yield _histogram(counts, "stored_seconds", SECONDS, _STORED)
        yield _histogram(counts, "model_seconds", MODEL_SECONDS, _MODEL)
        yield from _waiting("queue", "stage", _QUEUE, stages, now)
        yield from _waiting("backlog", "destination", _BACKLOG, backlogs, now)
        yield _gauge(
            "commitments_open",
            ("destination",),
            "Storage Commitment reports waited for.",
            [((name,), count) for name, count in asked.items()],
        )
        yield from _drift(drifts)
        yield from _disk(observed.store, counts, now)
        yield _gauge(
            "trouble",
            ("check",),
            "1 where the answering process cannot do its work.",
            [((name,), bool(said)) for name, said in observed.conditions().items()],
        )


_STORED = "From an image's arrival until every required destination has its results."
_MODEL = "Time of one run of the model on a batch."
_QUEUE = "jobs in a stage that is not the last"
_BACKLOG = "deliveries that wait for a destination"

_Samples = Iterable[tuple[tuple[str, ...], float]]


def _counter(
    name: str, labels: tuple[str, ...], text: str, counts: Counts
) -> CounterMetricFamily:
    family = CounterMetricFamily(f"cxr_node_{name}", text, labels=labels)
    for (which, values), value in sorted(counts.items()):
        if which == name:
            family.add_metric(values, value)
    if not labels and (name, ()) not in counts:
        family.add_metric((), 0)
    return family


def _gauge(
    name: str, labels: tuple[str, ...], text: str, samples: _Samples
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"cxr_node_{name}", text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _histogram(
    counts: Counts, name: str, bounds: Sequence[float], text: str
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(f"cxr_node_{name}", text)
    buckets, seen = [], 0.0
    for bound in (*(f"{one:g}" for one in bounds), BEYOND):
        seen += counts.get((name, (bound,)), 0)
        buckets.append((bound, seen))
    family.add_metric((), buckets, counts.get((f"{name}_sum", ()), 0))
    return family


def _waiting(
    name: str,
    label: str,
    text: str,
    waiting: Mapping[str, gauges.Waiting],
    now: datetime,
) -> Iterator[Metric]:
    ages = {
        key: max(0.0, (now - one.since).total_seconds()) if one.since else 0.0
        for key, one in waiting.items()
    }
    counts = [((key,), one.count) for key, one in waiting.items()]
    yield _gauge(f"{name}_depth", (label,), f"How many {text}.", counts)
    yield _gauge(
        f"{name}_age_seconds",
        (label,),
        f"Age of the oldest of the {text}.",
        [((key,), age) for key, age in ages.items()],
    )


def _drift(drifts: Sequence[distributions.Drift]) -> Iterator[Metric]:
    labels = ("model", "device", "measure")
    yield _gauge(
        "drift_psi",
        labels,
        f"Population stability index of the last {_DRIFT_DAYS} days.",
        [((one.model, one.device, one.measure), one.psi) for one in drifts],
    )
    yield _gauge(
        "drift_films",
        labels,
        "Films that the index is made of; of few it says little.",
        [((one.model, one.device, one.measure), one.films) for one in drifts],
    )


def _disk(store: ObjectStore, counts: Counts, now: datetime) -> Iterator[Metric]:
    free = store.free_bytes()
    yield _gauge(
        "disk_free_bytes", (), "Room above node.minimum_free_bytes.", [((), free)]
    )
    first = (now - timedelta(days=_FILL_DAYS)).date().isoformat()
    days = {
        labels[0]: value
        for (name, labels), value in counts.items()
        if name == "received_bytes" and labels[0] > first
    }
    if not days:
        return
    # The week counts from its first image: a node of yesterday is no week old.
    span = (now.date() - datetime.fromisoformat(min(days)).date()).days + 1
    yield _gauge(
        "disk_full_in_seconds",
        (),
        "Until the disk is full if images come as of late and none is removed.",
        [((), max(0, free) * span * _DAY_S / sum(days.values()))],
    )
