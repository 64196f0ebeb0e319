"""The metrics by name: what each needs of a film and what it makes of many.

A film counts for a metric only where its truth is known: no opacity annotation means
unknown, never negative.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from inference.training.evaluation import inside
from inference.training.evaluation.cases import Boxes, Case
from inference.training.evaluation.scores import (
    agreement,
    classification,
    detection,
    resampled,
)

Rows = Sequence[Any]
_LEAST_OF_SOURCE = 10  # films of a source: fewer tell nothing


@dataclass(frozen=True, slots=True)
class Metric:
    """A number over films.

    Parameters
    ----------
    name
        Its key in ``metrics.json``.
    select
        What it needs of one film; ``None`` where the film does not count.
    value
        The number over what was selected.
    again
        The same, for the resamples of an interval, where ``value`` takes too long.
    """

    name: str
    select: Callable[[Case], Any]
    value: Callable[[Rows], float]
    again: Callable[[Rows], float] | None = None


def _opacity(case: Case) -> tuple[float, bool] | None:
    return None if case.positive is None else (case.score, case.positive)


def _scored(function: Callable[..., float], *args: float) -> Callable[[Rows], float]:
    def value(rows: Rows) -> float:
        scores = np.array([row[0] for row in rows])
        return function(scores, np.array([row[1] for row in rows], bool), *args)

    return value


def _called(case: Case) -> tuple[float, bool] | None:
    return None if case.positive is None else (float(case.called), case.positive)


def _matched(at_iou: float) -> Callable[[Case], detection.Match | None]:
    def select(case: Case) -> detection.Match | None:
        if case.positive is None or not case.exhaustive:
            return None
        truths, _ = Boxes(case.truths).arrays
        ignored, _ = Boxes(case.ignored).arrays
        boxes, scores = case.detections.arrays
        counts = detection.judged(boxes, truths, ignored, at_iou)
        return detection.match(boxes[counts], scores[counts], truths, at_iou)

    return select


def _challenge(case: Case) -> float | None:
    if case.positive is None or not case.exhaustive:
        return None
    truths, _ = Boxes(case.truths).arrays
    return detection.rsna_score(*case.findings.arrays, truths)


def _challenge_of_boxes(case: Case) -> float | None:
    if case.positive is None or not case.exhaustive:
        return None
    truths, _ = Boxes(case.truths).arrays
    boxes, scores = case.detections.arrays
    return detection.rsna_score(boxes[: case.accepted], scores[: case.accepted], truths)


def _challenge_on_sick(case: Case) -> float | None:
    return _challenge(case) if case.positive else None


def mean(rows: Rows) -> float:
    """Mean of what is defined."""
    values = np.array(rows, np.float64)
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _froc_at(rate: float) -> Callable[[Rows], float]:
    return lambda rows: detection.froc(rows, (rate,))[0]


def _lung(side: int, *, heart_excluded: bool) -> Callable[[Case], float | None]:
    def select(case: Case) -> float | None:
        if case.heart_excluded is not heart_excluded:
            return None
        return case.lung_dice[side]

    return select


def _opacity_dice(case: Case) -> float | None:
    return case.opacity_dice


def _percents(case: Case) -> tuple[float, float] | None:
    if case.percent is None or case.true_percent is None:
        return None
    return (case.percent[2], case.true_percent[2])


def _percents_by_lung(case: Case) -> tuple[tuple[float, float], ...] | None:
    if case.percent is None or case.true_percent is None:
        return None
    return tuple(zip(case.percent[:2], case.true_percent[:2], strict=True))


def _by_lung(rows: Rows) -> float:
    return _paired(agreement.mean_absolute_error)(
        [pair for row in rows for pair in row]
    )


def _extents(case: Case) -> tuple[float, float] | None:
    if case.extent is None or case.reader_extent is None:
        return None
    return (case.extent, case.reader_extent)


def _percent_and_readers(case: Case) -> tuple[float, float] | None:
    if case.percent is None or case.reader_extent is None:
        return None
    return (case.percent[2], case.reader_extent)


def _truth_and_readers(case: Case) -> tuple[float, float] | None:
    if case.true_percent is None or case.reader_extent is None:
        return None
    return (case.true_percent[2], case.reader_extent)


def _clean_percent(case: Case) -> float | None:
    if case.positive is not False or case.percent is None:
        return None
    return case.percent[2]


def _clean_findings(case: Case) -> float | None:
    return None if case.positive is not False else float(len(case.findings.boxes))


def _paired(function: Callable[..., float]) -> Callable[[Rows], float]:
    def value(rows: Rows) -> float:
        pairs = np.array(rows, np.float64).reshape(-1, 2)
        return function(pairs[:, 0], pairs[:, 1])

    return value


def _refused(case: Case) -> float:
    return float(case.refused is not None)


def _film_metrics() -> tuple[Metric, ...]:
    return (
        Metric(
            "auroc",
            _opacity,
            _scored(classification.auroc),
            _scored(resampled.auroc),
        ),
        Metric(
            "auprc",
            _opacity,
            _scored(classification.auprc),
            _scored(resampled.auprc),
        ),
        Metric("sensitivity", _called, _scored(classification.sensitivity, 0.5)),
        Metric("specificity", _called, _scored(classification.specificity, 0.5)),
        Metric(
            "brier",
            _opacity,
            _scored(classification.brier),
            _scored(resampled.brier),
        ),
        Metric("ece", _opacity, _scored(classification.expected_calibration_error)),
        Metric("temperature", _opacity, _scored(classification.fit_temperature)),
    )


def _given_away(*, sick: bool) -> Callable[[Case], tuple[float, str] | None]:
    def select(case: Case) -> tuple[float, str] | None:
        return (case.score, case.source) if case.positive is sick else None

    return select


def _source_metrics() -> tuple[Metric, ...]:
    return (
        Metric("source_told_by_sick", _given_away(sick=True), told_apart),
        Metric("source_told_by_clean", _given_away(sick=False), told_apart),
    )


def told_apart(rows: Rows) -> float:
    """How well the score of a film tells its source from another, of all pairs.

    Mean over pairs of sources of the AUROC of their scores, taken from the side from
    which it is at least one half: 0.5 is not at all. Sources with few films are left
    out.
    """
    scores = np.array([row[0] for row in rows])
    sources = np.array([row[1] for row in rows])
    names, counts = np.unique(sources, return_counts=True)
    large = names[counts >= _LEAST_OF_SOURCE]
    told = []
    for one, other in combinations(large, 2):
        chosen = (sources == one) | (sources == other)
        area = resampled.auroc(scores[chosen], sources[chosen] == one)
        told.append(max(area, 1 - area))
    return float(np.mean(told)) if told else float("nan")


def _box_metrics() -> tuple[Metric, ...]:
    at_40 = _matched(0.4)
    froc = [
        Metric(f"froc_at_{rate:g}", at_40, _froc_at(rate))
        for rate in detection.FROC_RATES
    ]
    return (
        Metric("ap40", at_40, detection.average_precision),
        Metric("ap50", _matched(0.5), detection.average_precision),
        Metric("rsna_score", _challenge, mean),
        Metric("rsna_score_on_positives", _challenge_on_sick, mean),
        Metric("rsna_score_of_boxes", _challenge_of_boxes, mean),
        *froc,
        Metric("false_findings_per_negative", _clean_findings, mean),
    )


def _outline_metrics() -> tuple[Metric, ...]:
    return (
        Metric("opacity_dice", _opacity_dice, mean),
        Metric("right_lung_dice", _lung(0, heart_excluded=False), mean),
        Metric("left_lung_dice", _lung(1, heart_excluded=False), mean),
        Metric("right_lung_dice_no_heart", _lung(0, heart_excluded=True), mean),
        Metric("left_lung_dice_no_heart", _lung(1, heart_excluded=True), mean),
    )


def _severity_metrics() -> tuple[Metric, ...]:
    mae = _paired(agreement.mean_absolute_error)
    limits = agreement.limits_of_agreement
    linear = (_paired(agreement.pearson), _paired(resampled.pearson))
    ranked = (_paired(agreement.spearman), _paired(resampled.spearman))
    return (
        Metric("severity_mae", _percents, mae),
        Metric("severity_mae_by_lung", _percents_by_lung, _by_lung),
        Metric("severity_bias", _percents, _paired(agreement.bias)),
        Metric("severity_low", _percents, _paired(lambda p, t: limits(p, t).low)),
        Metric("severity_high", _percents, _paired(lambda p, t: limits(p, t).high)),
        Metric("severity_pearson", _percents, *linear),
        Metric("severity_spearman", _percents, *ranked),
        Metric("reader_extent_mae", _extents, mae),
        Metric("reader_extent_bias", _extents, _paired(agreement.bias)),
        Metric("reader_extent_pearson", _extents, *linear),
        Metric("reader_extent_spearman", _extents, *ranked),
        Metric("reader_percent_pearson", _percent_and_readers, *linear),
        Metric("reader_percent_spearman", _percent_and_readers, *ranked),
        Metric("reader_truth_pearson", _truth_and_readers, *linear),
        Metric("percent_on_negatives", _clean_percent, mean),
    )


def _interval_metrics() -> tuple[Metric, ...]:
    return (
        Metric("interval_coverage", inside.total_inside, mean),
        Metric("interval_coverage_by_lung", inside.lungs_inside, mean),
        Metric("interval_coverage_clean", inside.clean_inside, mean),
        Metric("interval_meets_readers", inside.meets_readers, mean),
        Metric("interval_width", inside.width, mean),
    )


METRICS: tuple[Metric, ...] = (
    *_film_metrics(),
    *_source_metrics(),
    *_box_metrics(),
    *_outline_metrics(),
    *_severity_metrics(),
    *_interval_metrics(),
    Metric("frontal_refused", _refused, mean),
)
