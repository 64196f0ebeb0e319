"""Search for thresholds and calibration on validation films.

The rule that turns probabilities into masks is ``inference.tasks.opacity``; this only
finds the numbers that it runs with, one at a time, by running that very rule. Films
are looked at with at most 512 pixels a side, which moves no result by much and costs
a quarter.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from inference.errors import TrainingError, UnsuitableImage
from inference.manifest import Calibration, ModelManifest, Thresholds
from inference.tasks.opacity import Segmentation, segment
from inference.training.evaluation.scores import agreement, classification, detection
from inference.training.evaluation.serving import Look
from inference.training.evaluation.studies import Mask, Study

_REAL_AT_IOU = 0.2
_FRONTAL_KEPT = 0.995
_SICK_CALLED = 0.9
# What is faint is outlined below the operating point too, with a low score: fewer sick
# films without any outline, for a few more findings on clean ones.
_SICK_OUTLINED = 0.95
_LEAST_SCALE = 0.1
# Slopes of 0.5 to 1 outline about as well: a finer search only chased noise.
_GRIDS: Mapping[str, tuple[float, ...]] = {
    "lung": (0.3, 0.4, 0.5, 0.6, 0.7),
    "opacity": (0.04, 0.06, 0.09, 0.13, 0.2, 0.3, 0.45, 0.65),
    "opacity_slope": (0.0, 0.75),
    "score": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
}


@dataclass(frozen=True, slots=True)
class _Gain:
    """What a threshold is searched for.

    Parameters
    ----------
    name
        Under which a film remembers it.
    counts
        Whether a film can tell.
    value
        Of one film's outlines; larger is better.
    balanced
        Sick and clean films weigh the same, so that the many clean ones do not drown
        the few outlined ones.
    """

    name: str
    counts: Callable[[Study], bool]
    value: Callable[[Segmentation | None, Study], float]
    balanced: bool = False


def tune(
    studies: Sequence[Study],
    strangers: Sequence[Look],
    manifest: ModelManifest,
    *,
    outlines: bool = True,
) -> ModelManifest:
    """Fix thresholds and calibration on these films.

    ``minimum_area`` and ``core`` stay: they say what is worth telling, and searching
    for them on some dozens of outlined films only chased noise.

    Parameters
    ----------
    studies
        Frontal validation films: never those that the model is judged on.
    strangers
        Pictures that must be refused.
    manifest
        Where to start from.
    outlines
        False keeps the thresholds that draw outlines and fixes only calibration,
        operating point, clear and frontal threshold.

    Raises
    ------
    TrainingError
        The films show only one of opacity and no opacity.
    """
    if {one.positive for one in studies} < {True, False}:
        raise TrainingError("tuning wants films with opacity and films without")
    found = manifest
    if outlines:
        found = _search(found, ("lung",), studies, _LUNGS)
    # which films are outlined, and from which probability, hangs on the film's score
    found = replace(found, calibration=_film_calibration(studies, found))
    called, outlined = _film_points(studies, found, (_SICK_CALLED, _SICK_OUTLINED))
    found = _with(
        found,
        any_opacity=called,
        clear=outlined,
        frontal=_frontal_point(studies, strangers),
    )
    if outlines:
        found = _search(found, ("opacity", "opacity_slope"), studies, _OUTLINES)
        found = _search(found, ("score",), studies, _CHALLENGE)
    return replace(found, calibration=_finding_calibration(studies, found))


def _with(manifest: ModelManifest, **values: float) -> ModelManifest:
    return replace(manifest, thresholds=replace(manifest.thresholds, **values))


def _search(
    manifest: ModelManifest, names: Sequence[str], studies: Sequence[Study], gain: _Gain
) -> ModelManifest:
    """Take the values with the largest gain, of every combination."""
    candidates = [
        _with(manifest, **dict(zip(names, values, strict=True)))
        for values in product(*(_GRIDS[name] for name in names))
    ]
    gains = [_mean_gain(candidate, studies, gain) for candidate in candidates]
    if not np.isfinite(gains).any():
        return manifest
    return candidates[int(np.nanargmax(gains))]


def _mean_gain(manifest: ModelManifest, studies: Sequence[Study], gain: _Gain) -> float:
    """Mean over the films that count."""
    counting = [one for one in studies if gain.counts(one)]
    values = np.array([_gained(gain, one, manifest) for one in counting])
    clean = np.array([gain.balanced and not one.positive for one in counting], bool)
    parts = [values[part & np.isfinite(values)] for part in (clean, ~clean)]
    means = [part.mean() for part in parts if part.size]
    return float(np.mean(means)) if means else float("nan")


def _gained(gain: _Gain, one: Study, manifest: ModelManifest) -> float:
    clear = manifest.thresholds.clear
    if clear > 0 and _film_score(one, manifest) < clear:
        manifest = _undrawn(manifest)
    return _remembered(
        one, gain.name, manifest, lambda: gain.value(_segmented(one, manifest), one)
    )


def _remembered(
    one: Study, name: str, manifest: ModelManifest, value: Callable[[], float]
) -> float:
    """Ask a film once: other searches, on other sets of films, come back to it."""
    key = (name, manifest.thresholds, manifest.calibration)
    if key not in one.remembered:
        one.remembered[key] = value()
    return one.remembered[key]


def _segmented(one: Study, manifest: ModelManifest) -> Segmentation | None:
    seen = one.seen
    lenient = _with(manifest, frontal=0.0)
    try:
        return segment(seen.prediction, seen.letterbox, seen.frame, lenient)
    except UnsuitableImage:
        return None


def _lung_value(found: Segmentation | None, one: Study) -> float:
    if found is None:
        return 0.0
    mine = (found.right_lung, found.left_lung)
    pairs = [
        (region.full(found.rows, found.columns), truth)
        for region, truth in zip(mine, one.lungs, strict=True)
        if truth is not None
    ]
    return sum(agreement.dice(*pair) for pair in pairs) / len(pairs)


def _covered(found: Segmentation) -> Mask:
    out = np.zeros((found.rows, found.columns), np.bool_)
    for one in found.opacities:
        out |= one.region.full(found.rows, found.columns)
    return out


def _outline_value(found: Segmentation | None, one: Study) -> float:
    """Dice where opacity is outlined; on clean films, the lung left clean."""
    if one.positive is False:
        if found is None:
            return float("nan")
        covered = np.count_nonzero(_covered(found))
        lungs = found.right_lung.area_px + found.left_lung.area_px
        return 1.0 - min(1.0, covered / max(1, lungs))
    if one.opacity is None or found is None:
        return 0.0
    return agreement.dice(_covered(found), one.opacity)


def _boxes(found: Segmentation | None) -> NDArray[np.float64]:
    regions = [one.region.box for one in found.opacities] if found else []
    return np.array(regions, np.float64).reshape(-1, 4)


def _scores(found: Segmentation | None) -> NDArray[np.float64]:
    return np.array([one.score for one in found.opacities] if found else [])


def _challenge_value(found: Segmentation | None, one: Study) -> float:
    if one.truths is None:
        return float("nan")
    return detection.rsna_score(_boxes(found), _scores(found), one.truths)


_LUNGS = _Gain(
    "lungs", lambda one: all(truth is not None for truth in one.lungs), _lung_value
)
_OUTLINES = _Gain(
    "outlines",
    lambda one: one.positive is False or one.opacity is not None,
    _outline_value,
    balanced=True,
)
_CHALLENGE = _Gain("challenge", lambda one: one.truths is not None, _challenge_value)


def _film_calibration(studies: Sequence[Study], manifest: ModelManifest) -> Calibration:
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


def _finding_calibration(
    studies: Sequence[Study], manifest: ModelManifest
) -> Calibration:
    """Fit bias and scale of a finding's raw score on whether it is real."""
    untold = replace(manifest.calibration, finding_bias=0.0, finding_scale=1.0)
    raw = replace(manifest, calibration=untold)
    scores, real = [np.zeros(0)], [np.zeros(0, np.bool_)]
    for one in studies:
        found = _segmented(one, raw)
        if one.truths is None or found is None:
            continue
        scores.append(_scores(found))
        overlaps = detection.iou(_boxes(found), one.truths)
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


def _log_odds(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    # as far as Calibration looks
    return classification.logit(np.clip(probabilities, 1e-4, 1 - 1e-4))


def _evidence(one: Study, manifest: ModelManifest, name: str) -> float:
    """Read one piece of evidence through the rule itself.

    Of a film without lungs the image head's is all there is.
    """
    alone = replace(Calibration(image=0.0), **{name: 1.0})
    score = _film_score(one, replace(manifest, calibration=alone))
    return score or float(one.seen.prediction.image[0])


def _film_score(one: Study, manifest: ModelManifest) -> float:
    """Score a film; 0 without lungs."""

    def value() -> float:
        found = _segmented(one, undrawn)
        return found.opacity_score if found else 0.0

    undrawn = _undrawn(manifest)
    return _remembered(one, "film", undrawn, value)


def _undrawn(manifest: ModelManifest) -> ModelManifest:
    """Say the same of all manifests that differ only in how opacity is outlined.

    Nothing is: lungs and score do not hang on it.
    """
    plain = Thresholds(lung=manifest.thresholds.lung, clear=1.0)
    return replace(manifest, thresholds=plain)


def _film_points(
    studies: Sequence[Study], manifest: ModelManifest, shares: Sequence[float]
) -> list[float]:
    """Find the scores that these shares of the sick films reach.

    Where sensitivity and specificity sum up highest jumps with every few films.
    """
    known = [one for one in studies if one.positive is not None]
    scores = np.array([_film_score(one, manifest) for one in known])
    sick = np.array([one.positive for one in known], bool)
    return [
        classification.operating_point(scores, sick, least_sensitivity=share)
        for share in shares
    ]


def _frontal_point(studies: Sequence[Study], strangers: Sequence[Look]) -> float:
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
