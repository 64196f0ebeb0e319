"""How far a severity percentage may be off: fixed on held-out films, told by the node.

Split conformal prediction: of n films that the network did not learn from, the k-th
largest of the errors bounds that of the next film with probability k / (n + 1),
whatever the errors' distribution. Films are parted by the size of what is predicted,
because a large percentage is off by more.

References
----------
Lei et al., Distribution-Free Predictive Inference for Regression, JASA 2018; Vovk,
Conditional Validity of Inductive Conformal Predictors, 2012 (for the parts).
"""

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from inference.interval_table import (
    MOST_BINS,
    PercentBin,
    PercentIntervals,
    SeverityIntervals,
)
from inference.training.evaluation.cases import Case

COVERAGE = 0.9

Floats = NDArray[np.float64]

_RIGHT, _LEFT, _TOTAL = range(3)
_WHOLE = 100.0


def measured_intervals(
    cases: Sequence[Case], coverage: float = COVERAGE
) -> SeverityIntervals | None:
    """Fix the intervals on films that were judged by networks that never saw them.

    Parameters
    ----------
    cases
        Outlined films give the bins, films verified without opacity the bound below
        which nothing at all may be true.
    coverage
        Share of films whose true percentage shall lie inside.

    Returns
    -------
        ``None`` when too few films are outlined.
    """
    parts = [_part(cases, place, coverage) for place in (_TOTAL, _RIGHT, _LEFT)]
    total, right, left = parts
    if total is None or right is None or left is None:
        return None
    return SeverityIntervals(coverage, total=total, right=right, left=left)


def _part(
    cases: Sequence[Case], place: int, coverage: float
) -> PercentIntervals | None:
    pairs = np.array(
        [
            (case.percent[place], case.true_percent[place])
            for case in cases
            if case.percent is not None and case.true_percent is not None
        ],
        np.float64,
    ).reshape(-1, 2)
    bins = _bins(pairs[np.argsort(pairs[:, 0], kind="stable")], (1 + coverage) / 2)
    clean = [
        case.percent[place]
        for case in cases
        if case.percent is not None and case.positive is False
    ]
    bound = bounding(np.array(clean, np.float64), coverage)
    return PercentIntervals(bins, _rounded(bound or 0.0)) if bins else None


def _bins(pairs: Floats, one_sided: float) -> tuple[PercentBin, ...]:
    """Part the pairs, rising by what is predicted, into bins of about one size."""
    least = math.ceil(one_sided / (1 - one_sided) - 1e-9)
    count = min(MOST_BINS, len(pairs) // least)
    starts = [0]
    for place in range(1, count):
        cut = _behind_ties(pairs[:, 0], round(place * len(pairs) / count))
        if cut - starts[-1] >= least and len(pairs) - cut >= least:
            starts.append(cut)
    return tuple(
        _bin(pairs, start, end, one_sided)
        for start, end in zip(starts, [*starts[1:], len(pairs)], strict=True)
        if count
    )


def _behind_ties(values: Floats, place: int) -> int:
    """Move a cut behind all that are as large as the one before it."""
    return int(np.searchsorted(values, values[place - 1], side="right"))


def _bin(pairs: Floats, start: int, end: int, one_sided: float) -> PercentBin:
    told, true = pairs[start:end].T
    last = end == len(pairs)
    return PercentBin(
        _WHOLE if last else round(float(pairs[end - 1 : end + 1, 0].mean()), 2),
        below=_rounded(bounding(told - true, one_sided) or 0.0),
        above=_rounded(bounding(true - told, one_sided) or 0.0),
    )


def bounding(errors: Floats, coverage: float) -> float | None:
    """Find what the next one stays at or below with this probability.

    Returns
    -------
        ``None`` when there are too few for that.
    """
    rank = math.ceil((errors.size + 1) * coverage - 1e-9)
    return float(np.sort(errors)[rank - 1]) if 1 <= rank <= errors.size else None


def _rounded(points: float) -> float:
    """Round outwards to a tenth of a point."""
    return min(_WHOLE, max(0.0, math.ceil(points * 10 - 1e-9) / 10))


def crosswise(
    cases: Sequence[Case], parts: Sequence[Hashable], coverage: float = COVERAGE
) -> list[Case]:
    """Give each film the interval that was fixed on the films of the other parts.

    Parameters
    ----------
    cases
        Held-out films.
    parts
        Of each film the part it belongs to, such as its fold.
    """
    fixed = {
        part: measured_intervals(
            [case for case, its in zip(cases, parts, strict=True) if its != part],
            coverage,
        )
        for part in set(parts)
    }
    return [case.within(fixed[part]) for case, part in zip(cases, parts, strict=True)]
