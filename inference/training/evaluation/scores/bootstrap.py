"""Confidence intervals by resampling patients, not films.

Films of one patient are alike; drawing whole groups (a patient, or a publication)
keeps the interval as wide as it should be.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Row = TypeVar("Row")

REPLICATES = 1000
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class ConfidenceInterval:
    """A value with its 95 % interval.

    Parameters
    ----------
    value
        On the films as they are; NaN when not defined.
    low, high
        NaN when too few resamples define the metric.
    n
        Films that took part.
    """

    value: float
    low: float
    high: float
    n: int


def interval(
    rows: Sequence[Row],
    groups: Sequence[str],
    metric: Callable[[Sequence[Row]], float],
    *,
    again: Callable[[Sequence[Row]], float] | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> ConfidenceInterval:
    """Measure, then measure again on resampled groups.

    Parameters
    ----------
    rows
        What the metric needs of each film.
    groups
        The patient (or publication) of each film, same length.
    metric
        A value of any selection of rows.
    again
        The same for resamples, where ``metric`` takes too long.
    replicates
        How often to resample; 0 gives no interval.
    seed
        The same seed draws the same patients.
    """
    value = metric(rows) if rows else float("nan")
    members: dict[str, list[Row]] = {}
    for row, group in zip(rows, groups, strict=True):
        members.setdefault(group, []).append(row)
    blocks = list(members.values())
    draw = np.random.default_rng(seed)
    values = np.full(replicates, np.nan)
    for k in range(replicates if len(blocks) > 1 else 0):
        chosen = draw.integers(0, len(blocks), len(blocks))
        values[k] = (again or metric)(
            [row for block in chosen for row in blocks[block]]
        )
    finite = values[np.isfinite(values)]
    low = high = float("nan")
    if replicates and finite.size >= replicates / 2:
        low, high = np.quantile(finite, ((1 - _LEVEL) / 2, (1 + _LEVEL) / 2))
    return ConfidenceInterval(value, float(low), float(high), len(rows))
