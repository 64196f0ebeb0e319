"""One row of the table: figures of one recipe on films that it never learned from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    precision_recall_fscore_support,
)

from inference.training.bench.answers import FilmAnswer
from inference.training.evaluation.scores import classification, detection
from inference.training.evaluation.scores.bootstrap import interval

REPLICATES = 500
_IOUS = (0.4, 0.5)
_SURE = 0.5

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BenchRow:
    """What was measured of one recipe.

    Parameters
    ----------
    name, what, lacks
        The recipe, its network in a few words, and what it cannot do.
    started
        The file it started from, or that it started at random.
    figures
        By name; a figure that the recipe cannot have is not there.
    truth, scores
        Of the held-out films, for ROC and confusion matrix.
    threshold
        Fixed on films that were learned from.
    error
        Why there are no figures.
    """

    name: str
    what: str
    lacks: str = ""
    started: str = "random"
    figures: dict[str, Any] | None = None
    truth: tuple[bool, ...] = ()
    scores: tuple[float, ...] = ()
    threshold: float = 0.5
    error: str = ""


def threshold_of(answers: Sequence[FilmAnswer]) -> float:
    """Find where sensitivity and specificity together are greatest."""
    truth, scores = known(answers)
    if not truth.any() or truth.all():
        return 0.5
    values = np.unique(scores)

    def gain(value: float) -> float:
        hit = classification.sensitivity(scores, truth, value)
        return float(hit + classification.specificity(scores, truth, value))

    return float(max(values, key=gain))


def known(answers: Sequence[FilmAnswer]) -> tuple[Bools, Floats]:
    """Truth and score of the films of which somebody said whether they show opacity."""
    told = [one for one in answers if one.positive is not None]
    truth = np.array([bool(one.positive) for one in told], np.bool_)
    return truth, np.array([one.score for one in told], np.float64)


def figures_of(
    answers: Sequence[FilmAnswer],
    threshold: float,
    *,
    boxed: bool,
    replicates: int = REPLICATES,
) -> dict[str, Any]:
    """Measure: film by film, box by box, pixel by pixel.

    Parameters
    ----------
    answers
        Of held-out films.
    threshold
        From which score a film is called.
    boxed
        Whether the recipe gives boxes at all.
    replicates
        Of the bootstrap.
    """
    truth, scores = known(answers)
    figures = of_films(
        truth,
        scores,
        [one.group for one in answers if one.positive is not None],
        threshold,
        replicates,
    )
    return figures | (_of_boxes(answers) if boxed else {}) | _of_pixels(answers)


def of_films(
    truth: Bools,
    scores: Floats,
    groups: Sequence[str],
    threshold: float,
    replicates: int = REPLICATES,
) -> dict[str, Any]:
    """Accuracy, precision, recall and F1 at the threshold; AUROC with its interval."""
    called = scores >= threshold
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, called, average="binary", zero_division=0.0
    )
    rows = list(zip(scores.tolist(), truth.tolist(), strict=True))
    area = interval(rows, groups, _auroc, replicates=replicates)
    matrix = confusion_matrix(truth, called, labels=[False, True])
    return {
        "films": len(truth),
        "accuracy": float(accuracy_score(truth, called)),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "auroc": area.value,
        "auroc_low": area.low,
        "auroc_high": area.high,
        "confusion": [[int(value) for value in line] for line in matrix],
    }


def _auroc(rows: Sequence[tuple[float, bool]]) -> float:
    scores, positive = zip(*rows, strict=True)
    return classification.auroc(np.array(scores), np.array(positive, np.bool_))


def _of_boxes(answers: Sequence[FilmAnswer]) -> dict[str, Any]:
    """AP, and the challenge's score of boxes surer than one half."""
    figures: dict[str, Any] = {}
    told = [(one, one.truths) for one in answers if one.truths is not None]
    for at_iou in _IOUS:
        matches = [
            detection.match(one.boxes, one.scores, truths, at_iou)
            for one, truths in told
        ]
        figures[f"ap{at_iou}"] = detection.average_precision(matches)
    each = [
        detection.rsna_score(
            one.boxes[one.scores > _SURE], one.scores[one.scores > _SURE], truths
        )
        for one, truths in told
    ]
    finite = [value for value in each if np.isfinite(value)]
    figures["rsna"] = float(np.mean(finite)) if finite else float("nan")
    return figures


def _of_pixels(answers: Sequence[FilmAnswer]) -> dict[str, Any]:
    overlaps = [one.iou for one in answers if one.iou is not None]
    lungs = [one.lungs for one in answers if one.lungs is not None]
    figures: dict[str, Any] = {}
    if overlaps:
        figures |= {
            "outlined_films": len(overlaps),
            "iou": float(np.mean(overlaps)),
            "dice": float(np.mean([2 * one / (1 + one) for one in overlaps])),
            "found_at_iou_0.5": float(np.mean(np.array(overlaps) >= _SURE)),
        }
    if lungs:
        figures["lung_dice"] = float(np.mean(lungs))
    return figures
