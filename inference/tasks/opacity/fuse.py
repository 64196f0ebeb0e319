"""One answer of several about the same film, or about it and its mirror image.

Maps and film scores are averaged; boxes are fused by weighted box fusion (Solovyev et
al., Image and Vision Computing 107:104117, 2021), their masks resampled into the fused
box.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.tasks.opacity.prediction import MASK_SIZE_PX, Prediction

FUSION_IOU = 0.5
_SWAPPED_LUNGS = [0, 2, 1]

Floats = NDArray[np.float32]


def unflipped(answer: Prediction, size_px: int) -> Prediction:
    """Turn the answer about a mirror image into one about the film."""
    boxes = answer.boxes.copy()
    real = answer.scores > 0
    boxes[real, 0] = size_px - answer.boxes[real, 2]
    boxes[real, 2] = size_px - answer.boxes[real, 0]
    return Prediction(
        boxes=boxes,
        scores=answer.scores,
        masks=np.ascontiguousarray(answer.masks[..., ::-1]),
        dense=np.ascontiguousarray(answer.dense[_SWAPPED_LUNGS, :, ::-1]),
        image=answer.image,
    )


@dataclass(frozen=True, slots=True)
class _Vote:
    """One box of one member."""

    box: Floats
    score: float
    mask: Floats


def fuse(answers: Sequence[Prediction], iou: float = FUSION_IOU) -> Prediction:
    """Make one answer of several about the same film.

    A fused box is the mean of its cluster weighted by score; its score is the sum of
    the members' scores over the number of answers, so that what only one saw counts
    less.
    """
    first = answers[0]
    votes = [
        _Vote(box, float(score), mask)
        for one in answers
        for box, score, mask in zip(one.boxes, one.scores, one.masks, strict=True)
        if score > 0
    ]
    fused = sorted(
        (_fused(cluster, len(answers)) for cluster in _clusters(votes, iou)),
        key=lambda one: -one.score,
    )[: first.scores.size]
    boxes, scores = np.zeros_like(first.boxes), np.zeros_like(first.scores)
    masks = np.zeros_like(first.masks)
    for place, one in enumerate(fused):
        boxes[place], scores[place], masks[place] = one.box, one.score, one.mask
    return Prediction(
        boxes=boxes,
        scores=scores,
        masks=masks,
        dense=np.mean([one.dense for one in answers], axis=0, dtype=np.float32),
        image=np.mean([one.image for one in answers], axis=0, dtype=np.float32),
    )


def _clusters(votes: Sequence[_Vote], iou: float) -> list[list[_Vote]]:
    """Put each box, surest first, to the cluster whose mean it overlaps most."""
    clusters: list[list[_Vote]] = []
    means: list[Floats] = []
    for vote in sorted(votes, key=lambda one: -one.score):
        overlaps = [_overlap(vote.box, mean) for mean in means]
        best = int(np.argmax(overlaps)) if overlaps else -1
        if best >= 0 and overlaps[best] >= iou:
            clusters[best].append(vote)
            means[best] = _mean_box(clusters[best])
        else:
            clusters.append([vote])
            means.append(vote.box)
    return clusters


def _overlap(one: Floats, other: Floats) -> float:
    size = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = float(np.prod(np.clip(size, 0, None)))
    areas = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]))
    return shared / max(areas - shared, 1e-6)


def _mean_box(cluster: Sequence[_Vote]) -> Floats:
    weights = [one.score for one in cluster]
    mean = np.average([one.box for one in cluster], axis=0, weights=weights)
    return np.asarray(mean, np.float32)


def _fused(cluster: Sequence[_Vote], answers: int) -> _Vote:
    box = _mean_box(cluster)
    weights = [one.score for one in cluster]
    masks = [_resampled(one, box) for one in cluster]
    mask = np.average(masks, axis=0, weights=weights).astype(np.float32)
    return _Vote(box, min(1.0, sum(weights) / answers), mask)


def _resampled(vote: _Vote, box: Floats) -> Floats:
    """Look a mask up at the cell centres of another box; outside it is nothing."""
    cells = (np.arange(MASK_SIZE_PX) + 0.5) / MASK_SIZE_PX
    own = np.maximum(vote.box[2:] - vote.box[:2], 1e-6)
    wide = box[:2] + cells[:, None] * (box[2:] - box[:2])
    places = np.floor((wide - vote.box[:2]) / own * MASK_SIZE_PX).astype(int)
    inside = (places >= 0) & (places < MASK_SIZE_PX)
    columns, rows = np.clip(places, 0, MASK_SIZE_PX - 1).T
    looked_up = vote.mask[np.ix_(rows, columns)]
    return np.where(np.outer(inside[:, 1], inside[:, 0]), looked_up, 0.0)
