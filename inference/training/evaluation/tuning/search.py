"""Thresholds that draw outlines, searched for on a grid by running the rule itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from inference.manifest import ModelManifest
from inference.tasks.opacity.segment import Segmentation
from inference.training.evaluation.scores import agreement, detection
from inference.training.evaluation.tuning.rule import (
    boxes_of,
    film_score,
    remembered,
    scores_of,
    segmented,
    undrawn,
    with_thresholds,
)
from inference.training.evaluation.tuning.studies import Mask, Study

# Slopes of 0.5 to 1 outline about as well: a finer search only chased noise.
_GRIDS: Mapping[str, tuple[float, ...]] = {
    "lung": (0.3, 0.4, 0.5, 0.6, 0.7),
    "opacity": (0.04, 0.06, 0.09, 0.13, 0.2, 0.3, 0.45, 0.65),
    "opacity_slope": (0.0, 0.75),
    "score": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
}


@dataclass(frozen=True, slots=True)
class Gain:
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


def search(
    manifest: ModelManifest, names: Sequence[str], studies: Sequence[Study], gain: Gain
) -> ModelManifest:
    """Take the values with the largest gain, of every combination."""
    candidates = [
        with_thresholds(manifest, **dict(zip(names, values, strict=True)))
        for values in product(*(_GRIDS[name] for name in names))
    ]
    gains = [_mean_gain(candidate, studies, gain) for candidate in candidates]
    if not np.isfinite(gains).any():
        return manifest
    return candidates[int(np.nanargmax(gains))]


def _mean_gain(manifest: ModelManifest, studies: Sequence[Study], gain: Gain) -> float:
    """Mean over the films that count."""
    counting = [one for one in studies if gain.counts(one)]
    values = np.array([_gained(gain, one, manifest) for one in counting])
    clean = np.array([gain.balanced and not one.positive for one in counting], bool)
    parts = [values[part & np.isfinite(values)] for part in (clean, ~clean)]
    means = [part.mean() for part in parts if part.size]
    return float(np.mean(means)) if means else float("nan")


def _gained(gain: Gain, one: Study, manifest: ModelManifest) -> float:
    clear = manifest.thresholds.clear
    if clear > 0 and film_score(one, manifest) < clear:
        manifest = undrawn(manifest)
    return remembered(
        one, gain.name, manifest, lambda: gain.value(segmented(one, manifest), one)
    )


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


def _challenge_value(found: Segmentation | None, one: Study) -> float:
    if one.truths is None:
        return float("nan")
    return detection.rsna_score(boxes_of(found), scores_of(found), one.truths)


LUNGS = Gain(
    "lungs", lambda one: all(truth is not None for truth in one.lungs), _lung_value
)
OUTLINES = Gain(
    "outlines",
    lambda one: one.positive is False or one.opacity is not None,
    _outline_value,
    balanced=True,
)
CHALLENGE = Gain("challenge", lambda one: one.truths is not None, _challenge_value)
