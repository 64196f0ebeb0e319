"""Several models, or one model on a film and its mirror image, as one ModelRunner.

Maps and film scores are averaged; boxes are fused by weighted box fusion (Solovyev et
al., Image and Vision Computing 107:104117, 2021), their masks resampled into the fused
box. It costs as many runs of the network as it has members.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inference.errors import ManifestInvalid
from inference.manifest import ModelManifest
from inference.runners.runner import MASK_SIZE_PX, ModelRunner, Prediction

FUSION_IOU = 0.5
_SWAPPED_LUNGS = [0, 2, 1]

Floats = NDArray[np.float32]


class Ensemble:
    """Asks every member and gives one answer.

    Parameters
    ----------
    members
        Models of one input size; thresholds and calibration are the first one's.
    flip
        Whether each is asked about the mirror image too.

    Raises
    ------
    ManifestInvalid
        There is no member, or they want inputs of different sizes.
    """

    def __init__(self, members: Sequence[ModelRunner], *, flip: bool = False) -> None:
        if len({one.manifest.input_size_px for one in members}) != 1:
            raise ManifestInvalid("an ensemble wants models of one input size")
        self._members = tuple(members)
        self._flip = flip

    @property
    def manifest(self) -> ModelManifest:
        """The first member's, with the name and the digest of all together."""
        members = [one.manifest for one in self._members]
        parts = [one.name for one in members] + ["flip"] * self._flip
        digests = [one.sha256 for one in members] + ["flip"] * self._flip
        return replace(
            members[0],
            name=".".join(parts)[:64],
            sha256=hashlib.sha256(" ".join(digests).encode()).hexdigest(),
        )

    def load(self) -> None:
        """Make every member ready."""
        for one in self._members:
            one.load()

    def run(self, batch: Floats) -> list[Prediction]:
        """Answer a batch, in its order."""
        answers = [one.run(batch) for one in self._members]
        if self._flip:
            mirrored = np.ascontiguousarray(batch[..., ::-1])
            size = batch.shape[-1]
            answers += [
                [unflipped(answer, size) for answer in one.run(mirrored)]
                for one in self._members
            ]
        return [fuse(several) for several in zip(*answers, strict=True)]

    def close(self) -> None:
        """Give every member back."""
        for one in self._members:
            one.close()


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
class _Claim:
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
    claims = [
        _Claim(box, float(score), mask)
        for one in answers
        for box, score, mask in zip(one.boxes, one.scores, one.masks, strict=True)
        if score > 0
    ]
    fused = sorted(
        (_fused(cluster, len(answers)) for cluster in _clusters(claims, iou)),
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


def _clusters(claims: Sequence[_Claim], iou: float) -> list[list[_Claim]]:
    """Put each box, surest first, to the cluster whose mean it overlaps most."""
    clusters: list[list[_Claim]] = []
    means: list[Floats] = []
    for claim in sorted(claims, key=lambda one: -one.score):
        overlaps = [_overlap(claim.box, mean) for mean in means]
        best = int(np.argmax(overlaps)) if overlaps else -1
        if best >= 0 and overlaps[best] >= iou:
            clusters[best].append(claim)
            means[best] = _mean_box(clusters[best])
        else:
            clusters.append([claim])
            means.append(claim.box)
    return clusters


def _overlap(one: Floats, other: Floats) -> float:
    size = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = float(np.prod(np.clip(size, 0, None)))
    areas = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]))
    return shared / max(areas - shared, 1e-6)


def _mean_box(cluster: Sequence[_Claim]) -> Floats:
    weights = [one.score for one in cluster]
    mean = np.average([one.box for one in cluster], axis=0, weights=weights)
    return np.asarray(mean, np.float32)


def _fused(cluster: Sequence[_Claim], answers: int) -> _Claim:
    box = _mean_box(cluster)
    weights = [one.score for one in cluster]
    masks = [_resampled(one, box) for one in cluster]
    mask = np.average(masks, axis=0, weights=weights).astype(np.float32)
    return _Claim(box, min(1.0, sum(weights) / answers), mask)


def _resampled(claim: _Claim, box: Floats) -> Floats:
    """Look a mask up at the cell centres of another box; outside it is nothing."""
    cells = (np.arange(MASK_SIZE_PX) + 0.5) / MASK_SIZE_PX
    own = np.maximum(claim.box[2:] - claim.box[:2], 1e-6)
    wide = box[:2] + cells[:, None] * (box[2:] - box[:2])
    places = np.floor((wide - claim.box[:2]) / own * MASK_SIZE_PX).astype(int)
    inside = (places >= 0) & (places < MASK_SIZE_PX)
    columns, rows = np.clip(places, 0, MASK_SIZE_PX - 1).T
    looked_up = claim.mask[np.ix_(rows, columns)]
    return np.where(np.outer(inside[:, 1], inside[:, 0]), looked_up, 0.0)
