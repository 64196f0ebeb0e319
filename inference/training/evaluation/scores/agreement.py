"""Metrics of outlines and percentages: Dice, bias, limits of agreement, correlation.

Limits of agreement are Bland and Altman's (Lancet 1986): bias plus and minus 1.96
standard deviations of the differences.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_LEAST_PAIRS = 3
_SAME = 1e-12  # of its size: less is rounding


def dice(one: Bools, other: Bools) -> float:
    """Twice the shared area over the sum of areas; NaN when both are empty."""
    total = int(np.count_nonzero(one)) + int(np.count_nonzero(other))
    shared = int(np.count_nonzero(one & other))
    return 2 * shared / total if total else float("nan")


def mean_absolute_error(predicted: Floats, true: Floats) -> float:
    """Mean distance, in the unit of the values."""
    return float(np.abs(predicted - true).mean()) if true.size else float("nan")


def bias(predicted: Floats, true: Floats) -> float:
    """Mean of predicted minus true."""
    return float((predicted - true).mean()) if true.size else float("nan")


@dataclass(frozen=True, slots=True)
class LimitsOfAgreement:
    """Where 95 % of the differences lie, were they normal."""

    low: float
    high: float


def limits_of_agreement(predicted: Floats, true: Floats) -> LimitsOfAgreement:
    """Bias plus and minus 1.96 standard deviations of predicted minus true."""
    if true.size < _LEAST_PAIRS:
        return LimitsOfAgreement(float("nan"), float("nan"))
    middle = bias(predicted, true)
    spread = 1.96 * float(np.std(predicted - true, ddof=1))
    return LimitsOfAgreement(middle - spread, middle + spread)


def pearson(one: Floats, other: Floats) -> float:
    """Linear correlation; NaN when either does not vary."""
    if not varies(one, other):
        return float("nan")
    return float(stats.pearsonr(one, other).statistic)


def spearman(one: Floats, other: Floats) -> float:
    """Rank correlation, ties sharing their mean rank."""
    if not varies(one, other):
        return float("nan")
    return float(stats.spearmanr(one, other).statistic)


def varies(one: Floats, other: Floats) -> bool:
    """Tell whether a correlation is defined: scipy warns where it is not."""
    enough = one.size >= _LEAST_PAIRS
    parts = (one, other)
    return enough and all(np.ptp(each) > _SAME * np.abs(each).max() for each in parts)
