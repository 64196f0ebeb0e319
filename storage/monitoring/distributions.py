"""What a model said, by day and device, in a few steps; and what it said at first.

A model does not change, what it is shown does: another modality, another exposure,
another ward. The first films of a model at this site are its reference; it is stored
when there are enough of them and then stays.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from math import log
from typing import Any

from sqlalchemy import func, select

from storage.database import Transaction
from storage.records import Cause, Event, EventKind
from storage.schema import distribution, drift_reference, workitem

SCORE, SEVERITY, REJECTS = "score", "severity", "rejects"
MEASURES = (SCORE, SEVERITY, REJECTS)
ACCEPTED = "analyzed"
ANY_MODEL = ""
"""The model of rejects: most are refused before any model looks."""
_STEPS: Mapping[str, tuple[float, ...]] = {
    SCORE: tuple(step / 10 for step in range(11)),
    SEVERITY: (0, 1, 5, 10, 20, 30, 50, 75, 100),
}
_SMOOTHING = 0.5

Key = tuple[str, str, str, str, str]
"""Day, model, device, measure, step."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How far what a device's films gave of late is from the reference."""

    model: str
    device: str
    measure: str
    psi: float
    films: int


def step(measure: str, value: float) -> str:
    """Name the step of a value; both ends belong to the last one."""
    bounds = _STEPS[measure]
    for low, high in pairwise(bounds):
        if value < high:
            return f"{low:g}-{high:g}"
    return f"{bounds[-2]:g}-{bounds[-1]:g}"


def fold(
    tx: Transaction,
    found: Sequence[Event],
    devices: Mapping[str, str],
    reference_size: int,
) -> Mapping[Key, int]:
    """Add what Events say, and give it; see :func:`storage.monitoring.tallies.fold`."""
    results = _results(tx, found)
    added: dict[Key, int] = defaultdict(int)
    for one in found:
        device = devices.get(one.sop_instance_uid or "", "")
        day = one.at.date().isoformat()
        for model, measure, name in _said(one, results):
            added[day, model, device, measure, name] += 1
    for key, count in sorted(added.items()):
        _add(tx, key, count)
    for model in {key[1] for key in added}:
        _refer(tx, model, reference_size)
    return added


def drifts(tx: Transaction, since: date) -> list[Drift]:
    """Compare what was said since a day with the reference, device by device.

    The population stability index: below 0.1 nothing to speak of, above 0.25 a change
    that somebody should look into.
    """
    reference: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for row in tx.execute(select(drift_reference)).mappings():
        reference[row["model"], row["measure"]][row["step"]] = row["count"]
    lately: dict[tuple[str, str, str], dict[str, int]] = defaultdict(dict)
    columns = distribution.c
    key = (columns.model, columns.device, columns.measure, columns.step)
    statement = (
        select(*key, func.sum(columns.count))
        .where(columns.day >= since.isoformat())
        .group_by(*key)
    )
    for model, device, measure, name, count in tx.execute(statement):
        lately[model, device, measure][name] = int(count)
    return [
        Drift(
            model,
            device,
            measure,
            psi(reference[model, measure], now),
            sum(now.values()),
        )
        for (model, device, measure), now in sorted(lately.items())
        if reference.get((model, measure))
    ]


def psi(expected: Mapping[str, int], actual: Mapping[str, int]) -> float:
    """Tell the population stability index; an empty step counts as half a film."""
    steps = sorted({*expected, *actual})
    before = sum(expected.values()) + _SMOOTHING * len(steps)
    now = sum(actual.values()) + _SMOOTHING * len(steps)
    shares = [
        (
            (expected.get(one, 0) + _SMOOTHING) / before,
            (actual.get(one, 0) + _SMOOTHING) / now,
        )
        for one in steps
    ]
    return sum((share - was) * log(share / was) for was, share in shares)


def _said(
    one: Event, results: Mapping[str, Mapping[str, Any]]
) -> Iterable[tuple[str, str, str]]:
    if _is_reject(one):
        yield ANY_MODEL, REJECTS, str(one.details.get("code", ""))
    elif one.kind is EventKind.SETTLED:
        yield ANY_MODEL, REJECTS, ACCEPTED
        row = results.get(one.workitem_uid or "")
        if row is not None:
            yield from _numbers(row)


def _is_reject(one: Event) -> bool:
    by_pixels = one.kind is EventKind.CANCELED
    return one.kind is EventKind.NOT_ELIGIBLE or (
        by_pixels and one.details.get("cause") == Cause.IMAGE
    )


def _numbers(row: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    model = f"{row['model_name']}@{row['model_version']}"
    said = row["result"] or {}
    if "opacity_score" in said:
        yield model, SCORE, step(SCORE, float(said["opacity_score"]))
    if "severity" in said:
        yield model, SEVERITY, step(SEVERITY, float(said["severity"]["total"]))


def _results(tx: Transaction, found: Sequence[Event]) -> dict[str, Mapping[str, Any]]:
    uids = {one.workitem_uid for one in found if one.kind is EventKind.SETTLED}
    columns = workitem.c
    statement = select(
        columns.workitem_uid, columns.model_name, columns.model_version, columns.result
    ).where(columns.workitem_uid.in_(uids), columns.model_name.is_not(None))
    rows = tx.execute(statement).mappings()
    return {row["workitem_uid"]: dict(row) for row in rows}


def _add(tx: Transaction, key: Key, count: int) -> None:
    day, model, device, measure, name = key
    columns = distribution.c
    same = (
        columns.day == day,
        columns.model == model,
        columns.device == device,
        columns.measure == measure,
        columns.step == name,
    )
    row = {"day": day, "model": model, "device": device, "measure": measure}
    tx.execute(tx.insert_new(distribution), row | {"step": name, "count": 0})
    tx.execute(distribution.update().where(*same).values(count=columns.count + count))


def _refer(tx: Transaction, model: str, size: int) -> None:
    """Keep what was said until here as the reference, when it is enough."""
    has = select(drift_reference.c.step).where(drift_reference.c.model == model)
    if tx.execute(has.limit(1)).first() is not None:
        return
    columns = distribution.c
    statement = (
        select(columns.measure, columns.step, func.sum(columns.count))
        .where(columns.model == model)
        .group_by(columns.measure, columns.step)
    )
    rows = tx.execute(statement).all()
    films: dict[str, int] = defaultdict(int)
    for measure, _, count in rows:
        films[measure] += int(count)
    if not rows or min(films.values()) < size:
        return
    for measure, name, count in rows:
        row = {"model": model, "measure": measure, "step": name, "count": int(count)}
        tx.execute(tx.insert_new(drift_reference), row)
