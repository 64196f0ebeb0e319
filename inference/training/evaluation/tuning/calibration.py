"""Raw scores to probabilities, and the scores at which films are called."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inference.manifest import Calibration, ModelManifest
from inference.training.evaluation.scores import classification, detection
from inference.training.evaluation.serving import Look
from inference.training.evaluation.tuning.rule import (
    boxes_of,
    film_score,
    scores_of,
    segmented,
)
from inference.training.evaluation.tuning.studies import Study

_REAL_AT_IOU = 0.2
_FRONTAL_KEPT = 0.995
_LEAST_SCALE = 0.1


def film_calibration(studies: Sequence[Study], manifest: ModelManifest) -> Calibration:
    """Fit the film's score by Platt scaling.

    Its evidence is the mean of surest instance and dense peak in log odds, what is
    outlined and no third opinion: with few sick films, weights of their own would be
    fitted to chance.
    """
    known = [one for one in studies if one.positive is not None]
    evidence = [
        [_evidence(one, manifest, name) for one in known]
        for name in ("instance", "dense")
    ]
    bias, slope = classification.fit_logistic(
        _log_odds(np.array(evidence)).mean(axis=0)[:, None],
        np.array([one.positive for one in known], bool),
    )
    return replace(
        manifest.calibration, bias=bias, image=0.0, instance=slope / 2, dense=slope / 2
    )


def finding_calibration(
    studies: Sequence[Study], manifest: ModelManifest
) -> Calibration:
    """Fit bias and scale of a finding's raw score on whether it is real."""
    untold = replace(manifest.calibration, finding_bias=0.0, finding_scale=1.0)
    raw = replace(manifest, calibration=untold)
    scores, real = [np.zeros(0)], [np.zeros(0, np.bool_)]
    for one in studies:
        found = segmented(one, raw)
        if one.truths is None or found is None:
            continue
        scores.append(scores_of(found))
        overlaps = detection.iou(boxes_of(found), one.truths)
        real.append(overlaps.max(axis=1, initial=0.0) >= _REAL_AT_IOU)
    told = np.concatenate(real)
    if told.size == 0:
        return untold
    bias, scale = classification.fit_logistic(
        _log_odds(np.concatenate(scores))[:, None], told
    )
    if scale < _LEAST_SCALE:
        # so few films that surer looks falser: believe the share that was real
        bias, scale = float(_log_odds(told.mean())), _LEAST_SCALE
    return replace(untold, finding_bias=bias, finding_scale=scale)


def _evidence(one: Study, manifest: ModelManifest, name: str) -> float:
    """Read one piece of evidence through the rule itself.

    Of a film without lungs the image head's is all there is.
    """
    alone = replace(Calibration(image=0.0), **{name: 1.0})
    score = film_score(one, replace(manifest, calibration=alone))
    return score or float(one.seen.prediction.image[0])


def film_points(
    studies: Sequence[Study], manifest: ModelManifest, shares: Sequence[float]
) -> list[float]:
    """Find the scores that these shares of the sick films reach.

    Where sensitivity and specificity sum up highest jumps with every few films.
    """
    known = [one for one in studies if one.positive is not None]
    scores = np.array([film_score(one, manifest) for one in known])
    sick = np.array([one.positive for one in known], bool)
    return [
        classification.operating_point(scores, sick, least_sensitivity=share)
        for share in shares
    ]


def frontal_point(studies: Sequence[Study], strangers: Sequence[Look]) -> float:
    """Refuse as many strangers as may be while keeping 99.5 % of the films.

    Half way (in log odds) between the lowest score of the films that are kept and
    the highest of the strangers below it.
    """
    films = np.sort([one.seen.prediction.image[1] for one in studies])
    lowest = float(films[int((1 - _FRONTAL_KEPT) * films.size)])
    below = [
        float(one.prediction.image[1])
        for one in strangers
        if one.prediction.image[1] < lowest
    ]
    ends = classification.logit(np.array([lowest, max(below, default=0.0)]))
    return float(1 / (1 + np.exp(-ends.mean())))


def _log_odds(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    # as far as Calibration looks
    return classification.logit(np.clip(probabilities, 1e-4, 1 - 1e-4))
