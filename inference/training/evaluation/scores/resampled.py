"""The libraries' metrics again, for a thousand resamples in twenty groups.

What is reported of films as they are comes from scikit-learn and scipy. They check
their input anew at every call, 1 to 12 ms, which is minutes for the intervals; these
lines take a tenth or less, and tests hold them to the libraries' values.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from inference.training.evaluation.scores.agreement import varies

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def auroc(scores: Floats, positive: Bools) -> float:
    """Mann and Whitney's U as a share; NaN when a class is missing."""
    sick = int(positive.sum())
    healthy = positive.size - sick
    if sick == 0 or healthy == 0:
        return float("nan")
    above = float(rankdata(scores)[positive].sum()) - sick * (sick + 1) / 2
    return above / (sick * healthy)


def auprc(scores: Floats, positive: Bools) -> float:
    """Average precision; films with the same score enter together."""
    sick = int(positive.sum())
    if sick == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    ends = np.append(np.flatnonzero(np.diff(scores[order])), scores.size - 1)
    precision = hits[ends] / (ends + 1)
    return float(np.sum(np.diff(hits[ends] / sick, prepend=0.0) * precision))


def brier(probabilities: Floats, positive: Bools) -> float:
    """Mean squared distance between probability and outcome."""
    if not positive.size:
        return float("nan")
    return float(np.mean((probabilities - positive) ** 2))


def pearson(one: Floats, other: Floats) -> float:
    """Linear correlation; NaN when either does not vary."""
    if not varies(one, other):
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def spearman(one: Floats, other: Floats) -> float:
    """Linear correlation of the ranks."""
    if not varies(one, other):
        return float("nan")
    return pearson(rankdata(one), rankdata(other))
