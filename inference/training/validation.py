"""A quick look at the held-out fold while training goes on.

These few numbers choose the checkpoint; the full evaluation is another module's.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import nn
from torchvision.models.detection.roi_heads import paste_masks_in_image

from inference.tasks.opacity.prediction import Prediction
from inference.training.architectures.table import architecture_of
from inference.training.data.dataset import Sample
from inference.training.data.render import RenderCache
from inference.training.data.transforms import Example, example
from inference.training.recipe.recipe import Recipe

_TOP_SHARE = 0.01
_MIXED = 0.1
_SURE = 0.5
_LEAST_FOR_CORRELATION = 3
_CAPABILITY = torch.backends.cpu.get_cpu_capability()
_WITH_BFLOAT16 = ("AVX512", "AMX")


@dataclass(frozen=True, slots=True)
class Scores:
    """Held-out scores; nan where there was nothing to score.

    Parameters
    ----------
    right_lung_dice, left_lung_dice
        Whole-field lungs.
    opacity_dice, instance_dice
        Of the dense map, and of the instances surer than one half, on films with
        opacity masks.
    severity_mae, severity_pearson
        Dense opacity in percent of the dense lungs against the outlines' percent.
    auroc, auroc_mixed
        Any opacity, mean of image head and dense map (without a dense head, of image
        head and best box): all sources; only sources that hold both sick and healthy
        films.
    auroc_image, auroc_dense, auroc_box
        Of the image head, the dense map and the best box alone, mixed sources.
    frontal_refused, others_refused
        Share of films with a frontal score below one half.
    """

    right_lung_dice: float
    left_lung_dice: float
    opacity_dice: float
    instance_dice: float
    severity_mae: float
    severity_pearson: float
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
    claimed: NDArray[np.bool_]


def validate(
    net: nn.Module, samples: Sequence[Sample], cache: RenderCache, recipe: Recipe
) -> Scores:
    """Score held-out samples, as serving would see them."""
    was_training = net.training
    net.eval()
    with torch.inference_mode():
        seen = [_look(net, sample, cache, recipe) for sample in samples]
    net.train(was_training)
    answering = architecture_of(recipe.network).answering(recipe.network)
    return _score(seen, answering.taught)


def _look(net: nn.Module, sample: Sample, cache: RenderCache, recipe: Recipe) -> _Seen:
    size = recipe.network.input_px
    shown = example(sample, cache.get(sample, size), size, recipe.data)
    device = next(net.parameters()).device
    image = torch.from_numpy(shown.image)[None, None].to(device)
    with autocast(device, enabled=recipe.schedule.amp):
        (outputs,) = architecture_of(recipe.network).outputs(net, image)
    answer = Prediction.of(outputs)
    return _Seen(
        sample,
        shown,
        answer.dense,
        answer.image,
        float(answer.scores.max(initial=0.0)),
        _claimed(answer, size // 2),
    )


def _claimed(answer: Prediction, size: int) -> NDArray[np.bool_]:
    """Paste the instances that are surer than one half, at half resolution."""
    sure = answer.scores > _SURE
    boxes = torch.from_numpy(answer.boxes[sure] / 2)
    masks = torch.from_numpy(answer.masks[sure])[:, None]
    pasted = paste_masks_in_image(masks, boxes, (size, size))
    return np.asarray((pasted > _SURE).any(dim=0)[0], np.bool_)


def autocast(
    device: torch.device, *, enabled: bool, capability: str = _CAPABILITY
) -> torch.autocast:
    """bfloat16 where it is safe, and where the processor has it.

    Parameters
    ----------
    device, enabled
        Where, and whether it is asked for.
    capability
        Of this CPU, as torch names it: one that has no bfloat16 takes twenty times as
        long as with float32.
    """
    has_it = device.type != "cpu" or capability in _WITH_BFLOAT16
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled and has_it)


def _dice(found: NDArray[np.bool_], truth: NDArray[np.float32]) -> float:
    wanted = truth > _SURE
    return float(2 * (found & wanted).sum() / max(found.sum() + wanted.sum(), 1))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _score(seen: Sequence[_Seen], taught: frozenset[str]) -> Scores:
    frontal = [one for one in seen if one.sample.frontal]
    others = [one for one in seen if not one.sample.frontal]
    known = [one for one in frontal if one.sample.opacity_known]
    mixed = _mixed_sources(known)
    inner = [one for one in known if one.sample.source in mixed]
    refused = [[one.image[1] < _SURE for one in group] for group in (frontal, others)]
    # A head that was never trained has nothing to say.
    drawn = frontal if "dense" in taught else []
    boxed = frontal if "boxes" in taught else []
    region = _top if "dense" in taught else _box
    error, correlation = _severity(drawn)
    return Scores(
        right_lung_dice=_region_dice(drawn, 1),
        left_lung_dice=_region_dice(drawn, 2),
        opacity_dice=_region_dice(drawn, 0),
        instance_dice=_mean(
            [
                _dice(one.claimed, one.shown.truth[0])
                for one in boxed
                if one.shown.overlap[0]
            ]
        ),
        severity_mae=error,
        severity_pearson=correlation,
        auroc=_auroc(known, lambda one: (region(one) + one.image[0]) / 2),
        auroc_mixed=_auroc(inner, lambda one: (region(one) + one.image[0]) / 2),
        auroc_image=_auroc(inner, lambda one: one.image[0]),
        auroc_dense=_auroc(inner if "dense" in taught else [], _top),
        auroc_box=_auroc(inner if "boxes" in taught else [], _box),
        frontal_refused=_mean(refused[0]),
        others_refused=_mean(refused[1]),
    )


def _region_dice(seen: Sequence[_Seen], channel: int) -> float:
    """Mean over images; lungs drawn without the heart are another definition."""
    return _mean(
        [
            _dice(one.dense[channel] > _SURE, one.shown.truth[channel])
            for one in seen
            if one.shown.overlap[channel]
            and not (channel and one.sample.heart_excluded)
        ]
    )


def _severity(seen: Sequence[_Seen]) -> tuple[float, float]:
    """Mean absolute error in percentage points, and Pearson's correlation."""
    pairs = np.array(
        [
            (_percent(one), float(one.sample.facts["affected_lung_pct"]["total"]))
            for one in seen
            if one.sample.facts.get("affected_lung_pct")
        ]
    ).reshape(-1, 2)
    if not len(pairs):
        return float("nan"), float("nan")
    error = float(np.abs(pairs[:, 0] - pairs[:, 1]).mean())
    if len(pairs) < _LEAST_FOR_CORRELATION or not pairs.std(axis=0).all():
        return error, float("nan")
    return error, float(np.corrcoef(pairs.T)[0, 1])


def _percent(one: _Seen) -> float:
    opacity, *lungs = one.dense > _SURE
    field = lungs[0] | lungs[1]
    return 100.0 * float((opacity & field).sum()) / max(1.0, float(field.sum()))


def _box(one: _Seen) -> float:
    return one.best_box


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
    if len(set(truth)) < 2:  # noqa: PLR2004  sick and healthy
        return float("nan")
    return float(roc_auc_score(truth, [float(score(one)) for one in known]))
