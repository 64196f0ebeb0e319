"""How exact a severity percentage is: intervals that hold the truth on 90 of 100 films.

They come from what the model's manifest says of its errors on films that it did not
learn from: its table of measured intervals (``inference.interval_table``), or, where it
has none, the limits of agreement with people's outlines.
"""

import math

from inference.findings import Call, Interval, Intervals, Severity
from inference.interval_table import PercentIntervals, SeverityIntervals
from inference.manifest import ModelManifest

COVERAGE = 0.9
# Of a normal distribution: 90 % lie within so many standard deviations, 95 % (as limits
# of agreement are drawn) within so many.
_NINETY, _NINETY_FIVE = 1.6449, 1.96


def intervals(
    severity: Severity, call: Call, manifest: ModelManifest
) -> Intervals | None:
    """State the intervals of a film's percentages.

    Returns
    -------
        ``None`` where the manifest does not say how exact the model is, and on a film
        without opacity: what was measured are films that show some.
    """
    if call is Call.NONE:
        return None
    if (measured := manifest.severity_intervals) is not None:
        return _by_table(severity, measured)
    metrics = manifest.metrics
    low, high = metrics.get("severity_low"), metrics.get("severity_high")
    if low is None or high is None or not low < high:
        return None
    bias = (low + high) / 2
    reach = (high - low) / 2 * _NINETY / _NINETY_FIVE
    wider = _of_one_lung(manifest)
    return Intervals(
        coverage=COVERAGE,
        total=_around(severity.total, bias, reach),
        right=_around(severity.right, bias, reach * wider),
        left=_around(severity.left, bias, reach * wider),
    )


def _by_table(severity: Severity, measured: SeverityIntervals) -> Intervals:
    """Look a film's percentages up."""

    def around(percent: float, table: PercentIntervals) -> Interval:
        low, high = table.interval(percent)
        return Interval(round(low, 2), round(high, 2))

    return Intervals(
        coverage=measured.coverage,
        total=around(severity.total, measured.total),
        right=around(severity.right, measured.right),
        left=around(severity.left, measured.left),
    )


def _of_one_lung(manifest: ModelManifest) -> float:
    """By how much a single lung's error is larger than that of both together."""
    both = manifest.metrics.get("severity_mae", 0.0)
    one = manifest.metrics.get("severity_mae_by_lung", both)
    return max(1.0, one / both) if both > 0 else 1.0


def _around(percent: float, bias: float, reach: float) -> Interval:
    """Take the usual error off; what is told always lies in its own interval."""
    low, high = percent - bias - reach, percent - bias + reach
    if not (math.isfinite(low) and math.isfinite(high)):
        low, high = 0.0, 100.0
    return Interval(
        low=round(min(max(low, 0.0), percent), 2),
        high=round(max(min(high, 100.0), percent), 2),
    )
