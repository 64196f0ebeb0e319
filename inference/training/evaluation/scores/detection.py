"""Metrics of boxes: average precision, the RSNA challenge's score, FROC.

Boxes are float (n, 4) ``[x, y, width, height]``. Average precision is COCO's (greedy
matching, 101 recall points); the challenge's score is that of the RSNA Pneumonia
Detection Challenge 2018.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

RSNA_THRESHOLDS: tuple[float, ...] = tuple(round(0.40 + 0.05 * k, 2) for k in range(8))
FROC_RATES: tuple[float, ...] = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
_MOSTLY = 0.5  # of a box that lies in a disputed one
_RECALL_POINTS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True, slots=True)
class Match:
    """The detections of one film against its truth, at one IoU.

    Parameters
    ----------
    scores
        float (n,), falling.
    hits
        bool (n,), True where the detection found an opacity not found before.
    n_truths
        Opacities on the film.
    """

    scores: Floats
    hits: Bools
    n_truths: int


def iou(one: Floats, other: Floats) -> Floats:
    """Intersection over union of every pair of boxes, float (n, m)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(
        one[:, None, :2] + one[:, None, 2:], other[None, :, :2] + other[None, :, 2:]
    )
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = np.prod(one[:, 2:], axis=1)[:, None] + np.prod(other[:, 2:], axis=1)
    return np.asarray(shared / np.maximum(areas - shared, 1e-12))


def match(
    boxes: Floats,
    scores: Floats,
    truths: Floats,
    at_iou: float,
    *,
    strict: bool = False,
) -> Match:
    """Give each detection, best first, the opacity it overlaps most.

    Parameters
    ----------
    boxes, scores
        Detections, float (n, 4) and (n,).
    truths
        float (m, 4); each is found at most once.
    at_iou
        Least overlap.
    strict
        The overlap must exceed ``at_iou`` rather than reach it.
    """
    order = np.argsort(-scores, kind="stable")
    overlaps = iou(boxes[order], truths)
    hits = np.zeros(order.size, dtype=np.bool_)
    free = np.ones(truths.shape[0], dtype=np.bool_)
    for place, row in enumerate(overlaps):
        candidates = free & ((row > at_iou) if strict else (row >= at_iou))
        if candidates.any():
            free[int(np.argmax(np.where(candidates, row, -1.0)))] = False
            hits[place] = True
    return Match(scores[order], hits, int(truths.shape[0]))


def judged(boxes: Floats, truths: Floats, ignored: Floats, at_iou: float) -> Bools:
    """Tell which detections count, bool (n,).

    What lies mostly where readers disagree is neither right nor wrong, unless it finds
    an opacity.
    """
    if not ignored.size or not boxes.size:
        return np.ones(len(boxes), np.bool_)
    low = np.maximum(boxes[:, None, :2], ignored[None, :, :2])
    high = np.minimum(
        (boxes[:, :2] + boxes[:, 2:])[:, None],
        (ignored[:, :2] + ignored[:, 2:])[None],
    )
    shared = np.prod(np.clip(high - low, 0, None), axis=2).max(axis=1)
    disputed = shared > _MOSTLY * np.prod(boxes[:, 2:], axis=1)
    finds = (iou(boxes, truths) >= at_iou).any(axis=1)
    return np.asarray(~disputed | finds, np.bool_)


def _ordered(matches: Sequence[Match]) -> tuple[Floats, Bools, int]:
    scores = np.concatenate([m.scores for m in matches]) if matches else np.zeros(0)
    hits = np.concatenate([m.hits for m in matches]) if matches else np.zeros(0, bool)
    order = np.argsort(-scores, kind="stable")
    return scores[order], hits[order], sum(m.n_truths for m in matches)


def average_precision(matches: Sequence[Match]) -> float:
    """Area under the precision-recall curve over all films (COCO's 101 points)."""
    _, hits, n_truths = _ordered(matches)
    if n_truths == 0:
        return float("nan")
    if hits.size == 0:
        return 0.0
    found = np.cumsum(hits)
    recall = found / n_truths
    precision = found / np.arange(1, hits.size + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, _RECALL_POINTS, side="left")
    return float(np.append(envelope, 0.0)[np.minimum(at, hits.size)].mean())


def rsna_score(boxes: Floats, scores: Floats, truths: Floats) -> float:
    """TP / (TP + FP + FN) of one film, averaged over IoU 0.40 to 0.75.

    NaN when there is neither truth nor detection: the challenge leaves such films
    out of its mean. Any detection on a film without opacity scores 0.
    """
    if boxes.shape[0] == 0 and truths.shape[0] == 0:
        return float("nan")
    total = 0.0
    for threshold in RSNA_THRESHOLDS:
        hits = int(match(boxes, scores, truths, threshold, strict=True).hits.sum())
        total += hits / (boxes.shape[0] + truths.shape[0] - hits)
    return total / len(RSNA_THRESHOLDS)


def froc(
    matches: Sequence[Match], rates: Sequence[float] = FROC_RATES
) -> tuple[float, ...]:
    """Sensitivity per opacity at each mean number of false positives per film."""
    scores, hits, n_truths = _ordered(matches)
    if n_truths == 0:
        return tuple(float("nan") for _ in rates)
    if scores.size == 0:
        return tuple(0.0 for _ in rates)
    # a threshold lets in all detections of one score together
    ends = np.append(np.flatnonzero(np.diff(scores)), scores.size - 1)
    found = np.cumsum(hits)[ends]
    false_rate = (ends + 1 - found) / len(matches)
    return tuple(
        float(np.max(found[false_rate <= rate], initial=0)) / n_truths for rate in rates
    )
