"""The rule of the task, asked about a film kept small, with these numbers or those."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inference.errors import UnsuitableImage
from inference.manifest import ModelManifest, Thresholds
from inference.tasks.opacity.segment import Segmentation, segment
from inference.training.evaluation.tuning.studies import Study


def with_thresholds(manifest: ModelManifest, **values: float) -> ModelManifest:
    """Change some of its thresholds."""
    return replace(manifest, thresholds=replace(manifest.thresholds, **values))


def segmented(one: Study, manifest: ModelManifest) -> Segmentation | None:
    """Outline a film whatever its frontal score; ``None`` when there are no lungs."""
    seen = one.seen
    lenient = with_thresholds(manifest, frontal=0.0)
    try:
        return segment(seen.prediction, seen.letterbox, seen.frame, lenient)
    except UnsuitableImage:
        return None


def film_score(one: Study, manifest: ModelManifest) -> float:
    """Score a film; 0 without lungs."""

    def value() -> float:
        found = segmented(one, plain)
        return found.opacity_score if found else 0.0

    plain = undrawn(manifest)
    return remembered(one, "film", plain, value)


def undrawn(manifest: ModelManifest) -> ModelManifest:
    """Say the same of all manifests that differ only in how opacity is outlined.

    Nothing is: lungs and score do not hang on it.
    """
    plain = Thresholds(lung=manifest.thresholds.lung, clear=1.0)
    return replace(manifest, thresholds=plain)


def remembered(
    one: Study, name: str, manifest: ModelManifest, value: Callable[[], float]
) -> float:
    """Ask a film once: other searches, on other sets of films, come back to it."""
    key = (name, manifest.thresholds, manifest.calibration)
    if key not in one.remembered:
        one.remembered[key] = value()
    return one.remembered[key]


def boxes_of(found: Segmentation | None) -> NDArray[np.float64]:
    """Boxes of what was outlined: float64 (M, 4), x y width height."""
    regions = [one.region.box for one in found.opacities] if found else []
    return np.array(regions, np.float64).reshape(-1, 4)


def scores_of(found: Segmentation | None) -> NDArray[np.float64]:
    """Their scores: float64 (M,)."""
    return np.array([one.score for one in found.opacities] if found else [])
