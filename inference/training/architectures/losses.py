"""Losses of dense maps and film scores, masked where nothing was annotated."""

from typing import TypedDict

import torch
from torch import Tensor
from torch.nn import functional

OPACITY = 0


class DenseTarget(TypedDict):
    """Truth of the dense head at half resolution.

    ``truth`` float32 (N, 3, S/2, S/2) in [0, 1]; ``weight`` the same shape, >= 0, 0
    where nothing is known; ``overlap`` bool (N, 3): whether the region is drawn
    exactly and not empty, so that the Dice loss applies.
    """

    truth: Tensor
    weight: Tensor
    overlap: Tensor


def dense_losses(logits: Tensor, target: DenseTarget) -> dict[str, Tensor]:
    """Cross-entropy and soft Dice, opacity and lungs apart.

    Every (image, channel) with any known pixel counts alike, whatever the share of
    the picture that is known.
    """
    truth, weight = target["truth"], target["weight"]
    entropy = functional.binary_cross_entropy_with_logits(
        logits, truth, weight=weight, reduction="none"
    ).mean(dim=(2, 3))
    known = (weight.amax(dim=(2, 3)) > 0).float()
    probability = logits.sigmoid()
    shared = (probability * truth * weight).sum(dim=(2, 3))
    total = ((probability + truth) * weight).sum(dim=(2, 3))
    dice = 1 - (2 * shared + 1) / (total + 1)
    exact = target["overlap"].float()
    losses = {}
    for name, part in (("opacity", slice(0, 1)), ("lung", slice(1, 3))):
        losses[f"{name}_entropy"] = _mean(entropy[:, part], known[:, part])
        losses[f"{name}_dice"] = _mean(dice[:, part], exact[:, part])
    return losses


def image_losses(logits: Tensor, truth: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """Cross-entropy of the image head.

    Parameters
    ----------
    logits, truth, weight
        float32 (N, 2): any opacity, frontal; weight 0 where unknown.
    """
    entropy = functional.binary_cross_entropy_with_logits(
        logits, truth, weight=weight, reduction="none"
    )
    count = max(1, logits.shape[0])
    return {
        "image_opacity": entropy[:, 0].sum() / count,
        "image_frontal": entropy[:, 1].sum() / count,
    }


def _mean(values: Tensor, counts: Tensor) -> Tensor:
    return (values * counts).sum() / torch.clamp(counts.sum(), min=1.0)
