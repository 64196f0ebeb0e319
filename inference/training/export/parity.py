"""Hold the exported graph against torch on the same weights.

Compared on real films and on faint noise, in batches of 1, 2 and 8. An instance
within a hair of the score threshold may be on one side only; every other must be on
both, in place.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from inference.runners.runner import ModelRunner
from inference.tasks.opacity.prediction import Prediction
from inference.tasks.task import Outputs
from inference.training.architectures.architecture import Answering

BATCHES = (1, 2, 8)
BOX_PX = 0.5
PROBABILITY = 1e-2
# Rounding may carry a score this far across the threshold.
_HAIR = 2e-3
_SAME_IOU = 0.9


@dataclass(frozen=True, slots=True)
class Parity:
    """Greatest differences found between graph and torch.

    Parameters
    ----------
    images, empty_images
        Compared answers (a film counts once per batch size), and how many of them
        hold no instance.
    instances
        Compared instances.
    lonely
        Instances that only one side has.
    box_px, score, mask, dense, image
        Greatest absolute differences.
    """

    images: int = 0
    empty_images: int = 0
    instances: int = 0
    lonely: int = 0
    box_px: float = 0.0
    score: float = 0.0
    mask: float = 0.0
    dense: float = 0.0
    image: float = 0.0

    @property
    def holds(self) -> bool:
        """Same instances, boxes within half a pixel, probabilities within 1 %."""
        worst = max(self.score, self.mask, self.dense, self.image)
        return not self.lonely and self.box_px <= BOX_PX and worst <= PROBABILITY

    def __str__(self) -> str:
        """One line for people."""
        return (
            f"{self.images} answers ({self.empty_images} without instances),"
            f" {self.instances} instances, {self.lonely} on one side only;"
            f" at most {self.box_px:.4f} px, score {self.score:.5f},"
            f" mask {self.mask:.5f}, dense {self.dense:.5f}, image {self.image:.5f}"
        )

    def __add__(self, other: "Parity") -> "Parity":
        mine, theirs = asdict(self), asdict(other)
        counted = ("images", "empty_images", "instances", "lonely")
        return Parity(
            **{
                key: mine[key] + theirs[key]
                if key in counted
                else max(mine[key], theirs[key])
                for key in mine
            }
        )


def compare(
    ask: Callable[[Tensor], list[Outputs]],
    runner: ModelRunner,
    films: Sequence[NDArray[np.float32]],
    answering: Answering,
) -> Parity:
    """Run both on every film, and on faint noise, in every batch size.

    Parameters
    ----------
    ask
        Asks the network itself, in eval mode.
    runner
        The exported graph, loaded.
    films
        float32 (1, S, S) each.
    answering
        What the network's answers hold.
    """
    size = runner.manifest.input_size_px
    # Faint noise, not zeros: ties have no order that two libraries would share.
    noise = np.random.default_rng(0).random((1, size, size), np.float32)
    pictures = [*films, 0.05 * noise]
    total = Parity()
    batches = [batch for count in BATCHES for batch in _batches(pictures, count)]
    for batch in tqdm(batches, desc="parity", unit="batch"):
        with torch.inference_mode():
            asked = ask(torch.from_numpy(batch))
        for given, wanted in zip(runner.run(batch), asked, strict=True):
            total += Parity(images=1) + _difference(
                Prediction.of(given), Prediction.of(wanted), answering
            )
    return total


def _batches(
    pictures: Sequence[NDArray[np.float32]], count: int
) -> Iterator[NDArray[np.float32]]:
    """Cut into full batches; the last one starts again at the first picture."""
    for start in range(0, len(pictures), count):
        chosen = [
            pictures[place % len(pictures)] for place in range(start, start + count)
        ]
        yield np.stack(chosen)


def _difference(given: Prediction, wanted: Prediction, answering: Answering) -> Parity:
    """Match instances by overlap and compare the pairs, and the maps."""
    mine, theirs = _real(given), _real(wanted)
    pairs = _pairs(mine.boxes, theirs.boxes)
    least = max(answering.least_score, _least_kept(answering, mine, theirs)) + _HAIR
    alone = np.concatenate(
        (
            np.delete(mine.scores, [pair[0] for pair in pairs]),
            np.delete(theirs.scores, [pair[1] for pair in pairs]),
        )
    )
    return Parity(
        empty_images=int(not mine.scores.size and not theirs.scores.size),
        instances=len(pairs),
        lonely=int(np.count_nonzero(alone > least)),
        box_px=_worst(mine.boxes, theirs.boxes, pairs),
        score=_worst(mine.scores, theirs.scores, pairs),
        mask=_worst(mine.masks, theirs.masks, pairs),
        dense=float(np.abs(given.dense - wanted.dense).max()),
        image=float(np.abs(given.image - wanted.image).max()),
    )


def _real(answer: Prediction) -> Prediction:
    """Leave out the padding."""
    real = answer.scores > 0
    return replace(
        answer,
        boxes=answer.boxes[real],
        scores=answer.scores[real],
        masks=answer.masks[real],
    )


def _least_kept(answering: Answering, *sides: Prediction) -> float:
    """Lowest score that made a full list; it is that list's own threshold."""
    most = answering.instances
    return max(
        (float(side.scores.min()) for side in sides if side.scores.size >= most),
        default=0.0,
    )


def _pairs(
    mine: NDArray[np.float32], theirs: NDArray[np.float32]
) -> list[tuple[int, int]]:
    """Pair boxes that are nearly the same, best overlap first."""
    overlap = _iou(mine, theirs)
    pairs: list[tuple[int, int]] = []
    while overlap.size and overlap.max() > _SAME_IOU:
        row, column = np.unravel_index(int(overlap.argmax()), overlap.shape)
        pairs.append((int(row), int(column)))
        overlap[row, :] = 0
        overlap[:, column] = 0
    return pairs


def _iou(mine: NDArray[np.float32], theirs: NDArray[np.float32]) -> NDArray[np.float32]:
    first = np.maximum(mine[:, None, :2], theirs[None, :, :2])
    last = np.minimum(mine[:, None, 2:], theirs[None, :, 2:])
    common = np.clip(last - first, 0, None).prod(axis=2)
    areas = [np.prod(side[:, 2:] - side[:, :2], axis=1) for side in (mine, theirs)]
    total = areas[0][:, None] + areas[1][None] - common
    return np.asarray(common / np.maximum(total, 1e-9), np.float32)


def _worst(
    mine: NDArray[np.float32],
    theirs: NDArray[np.float32],
    pairs: Sequence[tuple[int, int]],
) -> float:
    differences = (float(np.abs(mine[a] - theirs[b]).max()) for a, b in pairs)
    return max(differences, default=0.0)
