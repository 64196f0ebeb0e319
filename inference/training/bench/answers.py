"""What a trained network says of films, beside what is known of them.

Unlike ``evaluation.serving`` this asks nothing of a network that it was not made for: a
classifier that knows no lungs is measured by its score alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from inference.tasks.opacity.prediction import Prediction
from inference.training.architectures.table import architecture_of
from inference.training.data.render import RenderCache
from inference.training.data.samples import Sample
from inference.training.data.transforms import Example, example
from inference.training.recipe.recipe import Recipe

Floats = NDArray[np.float64]

_SURE = 0.5
_LEAST_SPOT = 0.002  # of the map: smaller pieces of it are no boxes


@dataclass(frozen=True, slots=True)
class FilmAnswer:
    """One film; boxes are x, y, width, height in network pixels.

    Parameters
    ----------
    group
        Patient, or publication.
    positive
        Whether it shows opacity; ``None`` when nobody says.
    score
        Of any opacity.
    truths
        float (m, 4); ``None`` where not every opacity is boxed.
    boxes, scores
        float (n, 4) and (n,).
    iou, lungs
        Opacity against its outlines; mean Dice of the lungs. ``None`` where not drawn.
    """

    group: str
    positive: bool | None
    score: float
    truths: Floats | None
    boxes: Floats
    scores: Floats
    iou: float | None
    lungs: float | None


def ask_films(
    net: nn.Module, recipe: Recipe, samples: Sequence[Sample], cache: RenderCache
) -> list[FilmAnswer]:
    """Ask a network about frontal films, with a progress bar."""
    return list(_asked(net.eval(), recipe, samples, cache))


def _asked(
    net: nn.Module, recipe: Recipe, samples: Sequence[Sample], cache: RenderCache
) -> Iterator[FilmAnswer]:
    architecture = architecture_of(recipe.network)
    taught = architecture.answering(recipe.network).taught
    size = recipe.network.input_px
    device = next(net.parameters()).device
    frontal = [one for one in samples if one.frontal]
    for sample in tqdm(frontal, desc="measure", unit="film"):
        shown = example(sample, cache.get(sample, size), size, recipe.data)
        image = torch.from_numpy(shown.image)[None, None].to(device)
        with torch.inference_mode():
            (outputs,) = architecture.outputs(net, image)
        yield _answer(sample, shown, Prediction.of(outputs), taught)


def _answer(
    sample: Sample, shown: Example, said: Prediction, taught: frozenset[str]
) -> FilmAnswer:
    boxes, scores = _boxes(said, taught)
    drawn = "dense" in taught
    whole = shown.known and shown.exhaustive
    return FilmAnswer(
        group=str(sample.facts.get("split_group") or sample.patient),
        positive=sample.positive,
        score=float(said.image[0]),
        truths=_as_xywh(shown.boxes) if whole else None,
        boxes=boxes,
        scores=scores,
        iou=_iou(said.dense[0], shown) if drawn and shown.overlap[0] else None,
        lungs=_lungs(said, sample, shown) if drawn else None,
    )


def _boxes(said: Prediction, taught: frozenset[str]) -> tuple[Floats, Floats]:
    """Boxes that are told, or around the pieces of a map; none of a classifier."""
    if "boxes" in taught:
        told = said.scores > 0
        return _as_xywh(said.boxes[told]), said.scores[told].astype(np.float64)
    if "dense" not in taught:
        return np.zeros((0, 4)), np.zeros(0)
    inside = (said.dense[0] > _SURE).astype(np.uint8)
    count, numbered, facts, _ = cv2.connectedComponentsWithStats(inside)
    worth = [
        k
        for k in range(1, count)
        if facts[k, cv2.CC_STAT_AREA] > _LEAST_SPOT * inside.size
    ]
    scores = [float(said.dense[0][numbered == k].mean()) for k in worth]
    return 2.0 * facts[worth, :4].astype(np.float64).reshape(-1, 4), np.array(scores)


def _as_xywh(boxes: NDArray[np.float32]) -> Floats:
    wide = boxes.astype(np.float64).reshape(-1, 4)
    return np.concatenate((wide[:, :2], wide[:, 2:] - wide[:, :2]), axis=1)


def _iou(dense: NDArray[np.float32], shown: Example) -> float:
    found, wanted = dense > _SURE, shown.truth[0] > _SURE
    return float((found & wanted).sum() / max((found | wanted).sum(), 1))


def _lungs(said: Prediction, sample: Sample, shown: Example) -> float | None:
    if sample.heart_excluded:
        return None  # another definition of a lung
    scores = []
    for channel in (1, 2):
        if shown.overlap[channel]:
            found = said.dense[channel] > _SURE
            wanted = shown.truth[channel] > _SURE
            scores.append(
                2 * (found & wanted).sum() / max(found.sum() + wanted.sum(), 1)
            )
    return float(np.mean(scores)) if scores else None
