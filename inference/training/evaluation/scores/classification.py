"""Metrics of one score per film: ranking, one operating point, calibration.

Ranking and Brier score are scikit-learn's; NaN stands for "not defined on these films"
(one class missing), where scikit-learn would warn.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_TINY = 1e-6


def _both(positive: Bools) -> bool:
    """Tell whether there are films of both classes."""
    return bool(positive.any() and not positive.all())


def auroc(scores: Floats, positive: Bools) -> float:
    """Probability that a positive film scores above a negative one.

    Parameters
    ----------
    scores
        float (n,).
    positive
        bool (n,).
    """
    if not _both(positive):
        return float("nan")
    return float(roc_auc_score(positive, scores))


def auprc(scores: Floats, positive: Bools) -> float:
    """Average precision: precision summed over the steps of recall."""
    if not positive.any():
        return float("nan")
    return float(average_precision_score(positive, scores))


def roc_curve(scores: Floats, positive: Bools) -> tuple[Floats, Floats]:
    """Trace false and true positive rates from (0, 0) to (1, 1).

    Parameters
    ----------
    scores, positive
        Films of both classes.
    """
    false, true, _ = metrics.roc_curve(positive, scores, drop_intermediate=False)
    return np.asarray(false, np.float64), np.asarray(true, np.float64)


def sensitivity(scores: Floats, positive: Bools, threshold: float) -> float:
    """Share of positive films at or above the threshold."""
    return float(np.mean(scores[positive] >= threshold)) if positive.any() else np.nan


def specificity(scores: Floats, positive: Bools, threshold: float) -> float:
    """Share of negative films below the threshold."""
    negative = scores[~positive]
    return float(np.mean(negative < threshold)) if negative.size else np.nan


def operating_point(
    scores: Floats, positive: Bools, *, least_sensitivity: float
) -> float:
    """Choose the threshold that a site would run with.

    Parameters
    ----------
    scores, positive
        Validation films; never the films it is judged on.
    least_sensitivity
        The highest threshold that still reaches this sensitivity.

    Returns
    -------
        Half way between the chosen score and the next lower one.
    """
    values = np.unique(scores)
    reached = [
        i
        for i, value in enumerate(values)
        if sensitivity(scores, positive, value) >= least_sensitivity
    ]
    best = reached[-1] if reached else 0
    below = values[best - 1] if best else values[best]
    return float((values[best] + below) / 2)


def brier(probabilities: Floats, positive: Bools) -> float:
    """Mean squared distance between probability and outcome."""
    if not positive.size:
        return float("nan")
    return float(brier_score_loss(positive, probabilities, pos_label=True))


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of a reliability diagram.

    Parameters
    ----------
    predicted
        Mean probability of the films in this bin.
    observed
        Share of them that are positive.
    count
        How many they are, at least 1.
    """

    predicted: float
    observed: float
    count: int


def reliability(
    probabilities: Floats, positive: Bools, bins: int = 10
) -> tuple[Bin, ...]:
    """Group films into bins of equal width; empty bins are left out."""
    place = np.clip((probabilities * bins).astype(int), 0, bins - 1)
    return tuple(
        Bin(
            float(probabilities[place == k].mean()),
            float(positive[place == k].mean()),
            int(np.count_nonzero(place == k)),
        )
        for k in np.unique(place)
    )


def expected_calibration_error(
    probabilities: Floats, positive: Bools, bins: int = 10
) -> float:
    """Mean gap between predicted and observed, weighted by the films in the bin."""
    if positive.size == 0:
        return float("nan")
    return sum(
        one.count / positive.size * abs(one.predicted - one.observed)
        for one in reliability(probabilities, positive, bins)
    )


def logit(probabilities: Floats) -> Floats:
    """Log odds, finite for 0 and 1."""
    inside = np.clip(probabilities, _TINY, 1 - _TINY)
    return np.asarray(np.log(inside / (1 - inside)), dtype=np.float64)


def temper(probabilities: Floats, temperature: float) -> Floats:
    """Divide the log odds by a temperature; 1 changes nothing."""
    return np.asarray(1 / (1 + np.exp(-logit(probabilities) / temperature)))


def fit_temperature(probabilities: Floats, positive: Bools) -> float:
    """Find the temperature of the least log loss; NaN when one class is missing.

    References
    ----------
    Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    if positive.size == 0 or positive.all() or not positive.any():
        return float("nan")
    log_odds = logit(probabilities)
    sign = np.where(positive, -1.0, 1.0)

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, sign * log_odds / np.exp(log_temperature)).mean())

    low, high = np.log(0.05), np.log(20.0)
    ratio = (np.sqrt(5) - 1) / 2  # golden section: the loss has one valley in 1/T
    while high - low > 1e-4:  # noqa: PLR2004  close enough
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def fit_logistic(
    features: Floats, positive: Bools, *, ridge: float = 1.0
) -> tuple[float, ...]:
    """Fit a logistic regression by Newton's method.

    Parameters
    ----------
    features
        float (n, m).
    positive
        bool (n,).
    ridge
        Weight of the squared slopes; the intercept is free.

    Returns
    -------
        Intercept, then m slopes: Platt scaling when m is 1.
    """
    inputs = np.column_stack([np.ones(len(features)), features])
    penalty = np.diag([1e-9] + [ridge] * features.shape[1])
    weights = np.zeros(inputs.shape[1])
    for _ in range(100):
        probabilities = 1 / (1 + np.exp(-np.clip(inputs @ weights, -60, 60)))
        gradient = inputs.T @ (probabilities - positive) + penalty @ weights
        spread = probabilities * (1 - probabilities)
        curvature = inputs.T @ (inputs * spread[:, None]) + penalty
        step = np.linalg.solve(curvature, gradient)
        # one class alone has no finite intercept: stay where the numbers are sane
        weights = np.clip(weights - step, -30, 30)
        if np.abs(step).max() < 1e-9:  # noqa: PLR2004  close enough
            break
    return tuple(float(value) for value in weights)
