"""Counts of what happened, made of Events: as exact as they are, and cheap to read.

Whoever wants to know the counts first folds in the Events since the last time, in one
transaction with the place that was reached: nothing is counted twice or left out,
whichever process does it, and the table stays small however many images came.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from storage.database import Transaction
from storage.events import since
from storage.monitoring import distributions
from storage.monitoring.places import move, place
from storage.records import Cause, Event, EventKind
from storage.schema import instance, tally

Labels = tuple[str, ...]
Counts = dict[tuple[str, Labels], float]

READER = "metrics"
OTHER = "other"
"""The device of all those beyond :data:`DEVICES`."""
DEVICES = 200
SECONDS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 14_400, 86_400)
"""Upper bounds of the histogram from arrival to stored."""
MODEL_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
BEYOND = "+Inf"

_BY_INSTANCE: Mapping[EventKind, str] = {
    EventKind.SCHEDULED: "scheduled",
    EventKind.QUARANTINED: "quarantined",
    EventKind.RETRIED_LATER: "retried",
    EventKind.LEASE_EXPIRED: "lease_expired",
    EventKind.SETTLED: "analyzed",
    EventKind.COMPLETED: "completed",
    EventKind.RECALLED: "recalled",
}
_BY_DESTINATION: Mapping[EventKind, str] = {
    EventKind.DELIVERY_SENT: "delivery_sent",
    EventKind.DELIVERY_FAILED: "delivery_failed",
    EventKind.DELIVERY_COMMITTED: "delivery_committed",
    EventKind.COMMITMENT_FAILED: "commitment_failed",
}
_CANCELED: Mapping[str, str] = {
    Cause.IMAGE: "not_eligible",
    Cause.FAILURE: "failed",
    Cause.REQUEST: "canceled",
}


def fold(tx: Transaction, limit: int, reference_size: int) -> int:
    """Count what happened since the last time.

    Parameters
    ----------
    limit
        How many Events at most.
    reference_size
        How many films of a model make the reference that its later ones are
        compared with.

    Returns
    -------
    int
        How many Events were counted.
    """
    seen = place(tx, READER, from_the_beginning=True)
    found = since(tx, seen, limit)
    if not found:
        return 0
    films = _films(tx, found)
    devices = _known_devices(tx)
    counts: Counts = defaultdict(float)
    for one in found:
        device = _device(devices, films.get(one.sop_instance_uid or ""))
        _count(counts, one, films.get(one.sop_instance_uid or ""), device)
    said = distributions.fold(tx, found, _devices_of(devices, films), reference_size)
    for (_, *labels), count in said.items():
        counts["said", tuple(labels)] += count
    add(tx, counts)
    move(tx, READER, found[-1].event_id)
    return len(found)


def add(tx: Transaction, counts: Mapping[tuple[str, Labels], float]) -> None:
    """Add to counts."""
    for (name, labels), value in sorted(counts.items()):
        key = {"name": name, "labels": json.dumps(labels)}
        tx.execute(tx.insert_new(tally), key | {"value": 0.0})
        tx.execute(
            tally.update()
            .where(tally.c.name == name, tally.c.labels == key["labels"])
            .values(value=tally.c.value + value)
        )


def read(tx: Transaction) -> Counts:
    """Give all counts."""
    rows = tx.execute(select(tally.c.name, tally.c.labels, tally.c.value))
    return {
        (name, tuple(json.loads(labels))): float(value) for name, labels, value in rows
    }


def bucket(value: float, bounds: Sequence[float]) -> str:
    """Name the first bound that is not below a value."""
    return next((f"{bound:g}" for bound in bounds if value <= bound), BEYOND)


def _count(
    counts: Counts, one: Event, film: Mapping[str, Any] | None, device: str
) -> None:
    if name := _BY_DESTINATION.get(one.kind):
        counts[name, (one.destination or "",)] += 1
    elif name := _BY_INSTANCE.get(one.kind):
        counts[name, (device,)] += 1
    elif one.kind is EventKind.NOT_ELIGIBLE:
        counts["not_eligible", (device, str(one.details.get("code", "")))] += 1
    elif one.kind is EventKind.CANCELED:
        name = _CANCELED.get(str(one.details.get("cause")), "failed")
        counts[name, (device, str(one.details.get("code", "")))] += 1
    elif one.kind is EventKind.RECEIVED:
        counts["received", (device,)] += 1
        if film:
            counts["received_bytes", (one.at.date().isoformat(),)] += film["size_bytes"]
    if one.kind is EventKind.COMPLETED and film:
        _time(counts, one.at, film["received_at"])


def _time(counts: Counts, at: datetime, received_at: datetime) -> None:
    seconds = max(0.0, (at - received_at).total_seconds())
    counts["stored_seconds", (bucket(seconds, SECONDS),)] += 1
    counts["stored_seconds_sum", ()] += seconds


def _films(tx: Transaction, found: Sequence[Event]) -> dict[str, Mapping[str, Any]]:
    uids = {one.sop_instance_uid for one in found if one.destination is None}
    uids.discard(None)
    statement = select(
        instance.c.sop_instance_uid,
        instance.c.calling_ae,
        instance.c.received_at,
        instance.c.size_bytes,
    ).where(instance.c.sop_instance_uid.in_(uids))
    return {row["sop_instance_uid"]: row for row in tx.execute(statement).mappings()}  # type: ignore[misc]  # a row is a mapping


def _known_devices(tx: Transaction) -> set[str]:
    statement = select(tally.c.labels).where(tally.c.name == "received")
    return {json.loads(labels)[0] for labels in tx.execute(statement).scalars()}


def _device(known: set[str], film: Mapping[str, Any] | None) -> str:
    """Name a device; a peer that invents titles cannot make series without end."""
    title = str(film["calling_ae"]) if film else ""
    if title not in known:
        if len(known) >= DEVICES:
            return OTHER
        known.add(title)
    return title


def _devices_of(
    known: set[str], films: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, str]:
    return {uid: _device(known, film) for uid, film in films.items()}
