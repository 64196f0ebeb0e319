"""A quick look at the held-out fold while training goes on.

These few numbers choose the checkpoint; the full evaluation is another module's.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from inference.training.batches import collate
from inference.training.dataset import Sample
from inference.training.network import Answer, CxrNet
from inference.training.recipe import Recipe
from inference.training.render import RenderCache
from inference.training.transforms import Example, example

_TOP_SHARE = 0.01
_MIXED = 0.1


@dataclass(frozen=True, slots=True)
class Scores:
    """Held-out scores; nan where there was nothing to score.

    Parameters
    ----------
    right_lung_dice, left_lung_dice
        Whole-field lungs.
    opacity_dice
        On films with opacity masks.
    auroc, auroc_mixed
        Any opacity, mean of image head and dense map: all sources; only sources
        that hold both sick and healthy films.
    auroc_image, auroc_dense, auroc_box
        Of the image head, the dense map and the best box alone, mixed sources.
    frontal_refused, others_refused
        Share of films with a frontal score below one half.
    """

    right_lung_dice: float
    left_lung_dice: float
    opacity_dice: float
    auroc: float
    auroc_mixed: float
    auroc_image: float
    auroc_dense: float
    auroc_box: float
    frontal_refused: float
    others_refused: float

    @property
    def overall(self) -> float:
        """What decides which checkpoint is best: a mean of those there are."""
        parts = [
            (self.right_lung_dice + self.left_lung_dice) / 2,
            self.opacity_dice,
            self.auroc,
            self.auroc_mixed,
        ]
        present = [part for part in parts if not np.isnan(part)]
        return float(np.mean(present)) if present else 0.0

    def row(self) -> dict[str, float]:
        """Names and values, for a table."""
        return asdict(self) | {"overall": self.overall}


@dataclass(frozen=True, slots=True)
class _Seen:
    sample: Sample
    shown: Example
    dense: NDArray[np.float32]
    image: NDArray[np.float32]
    best_box: float


def validate(
    net: CxrNet, samples: Sequence[Sample], cache: RenderCache, recipe: Recipe
) -> Scores:
    """Score held-out samples, as serving would see them."""
    was_training = net.training
    net.eval()
    with torch.inference_mode():
        seen = [_look(net, sample, cache, recipe) for sample in samples]
    net.train(was_training)
    return _score(seen)


def _look(net: CxrNet, sample: Sample, cache: RenderCache, recipe: Recipe) -> _Seen:
    size = recipe.network.input_px
    shown = example(sample, cache.get(sample, size), size, recipe.data)
    images, _ = collate([shown])
    device = next(net.parameters()).device
    with autocast(device, enabled=recipe.schedule.amp):
        answer: Answer = net(images.to(device))
    scores = answer["detections"][0]["scores"]
    return _Seen(
        sample,
        shown,
        answer["dense"][0].cpu().numpy(),
        answer["image"][0].cpu().numpy(),
        float(scores.max()) if len(scores) else 0.0,
    )


def autocast(device: torch.device, *, enabled: bool) -> torch.autocast:
    """bfloat16 where it is safe."""
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def _dice(probability: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    found, wanted = probability > 0.5, truth > 0.5  # noqa: PLR2004
    return float(2 * (found & wanted).sum() / max(found.sum() + wanted.sum(), 1))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _score(seen: Sequence[_Seen]) -> Scores:
    frontal = [one for one in seen if one.sample.frontal]
    others = [one for one in seen if not one.sample.frontal]
    known = [one for one in frontal if one.sample.opacity_known]
    mixed = _mixed_sources(known)
    inner = [one for one in known if one.sample.source in mixed]
    refused = [[one.image[1] < 0.5 for one in group] for group in (frontal, others)]  # noqa: PLR2004
    return Scores(
        right_lung_dice=_region_dice(frontal, 1),
        left_lung_dice=_region_dice(frontal, 2),
        opacity_dice=_region_dice(frontal, 0),
        auroc=_auroc(known, lambda one: (_top(one) + one.image[0]) / 2),
        auroc_mixed=_auroc(inner, lambda one: (_top(one) + one.image[0]) / 2),
        auroc_image=_auroc(inner, lambda one: one.image[0]),
        auroc_dense=_auroc(inner, _top),
        auroc_box=_auroc(inner, lambda one: one.best_box),
        frontal_refused=_mean(refused[0]),
        others_refused=_mean(refused[1]),
    )


def _region_dice(seen: Sequence[_Seen], channel: int) -> float:
    """Mean over images; lungs drawn without the heart are another definition."""
    return _mean(
        [
            _dice(one.dense[channel], one.shown.truth[channel])
            for one in seen
            if one.shown.overlap[channel]
            and not (channel and one.sample.heart_excluded)
        ]
    )


def _top(one: _Seen) -> float:
    """Mean of the most suspicious hundredth of the picture."""
    flat = one.dense[0].ravel()
    count = max(1, int(flat.size * _TOP_SHARE))
    return float(np.partition(flat, -count)[-count:].mean())


def _mixed_sources(known: Sequence[_Seen]) -> set[str]:
    by_source: dict[str, list[bool]] = {}
    for one in known:
        sick = bool(one.sample.opacities)
        by_source.setdefault(one.sample.source, []).append(sick)
    return {
        source
        for source, sick in by_source.items()
        if _MIXED <= sum(sick) / len(sick) <= 1 - _MIXED
    }


def _auroc(known: Sequence[_Seen], score: Callable[[_Seen], float]) -> float:
    truth = [bool(one.sample.opacities) for one in known]
    if len(set(truth)) < 2:  # noqa: PLR2004
        return float("nan")
    return float(roc_auc_score(truth, [float(score(one)) for one in known]))
