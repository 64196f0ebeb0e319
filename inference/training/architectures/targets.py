"""The truth of a batch, as losses want it: instances, planes, the film as a whole."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from inference.training.architectures.losses import DenseTarget
from inference.training.data.transforms import Example


class InstanceTarget(TypedDict):
    """Opacities of one image.

    ``boxes`` float32 (M, 4) x1 y1 x2 y2 with 0 <= x1 < x2 <= S; ``labels`` int64
    (M,), all 1; ``masks`` uint8 (M, S, S); ``has_mask`` bool (M,), False for boxes
    without a mask; ``ignored`` float32 (K, 4), boxes about which readers disagree;
    ``known``: opacities of this image were annotated at all; ``exhaustive``: all of
    them, so that the rest is background.
    """

    boxes: Tensor
    labels: Tensor
    masks: Tensor
    has_mask: Tensor
    ignored: Tensor
    known: bool
    exhaustive: bool


class Targets(TypedDict):
    """A batch's truth: see InstanceTarget, DenseTarget and ``image_losses``."""

    instances: Sequence[InstanceTarget]
    dense: DenseTarget
    image: Tensor
    image_weight: Tensor


def collate(shown: Sequence[Example]) -> tuple[torch.Tensor, Targets]:
    """Stack examples."""
    images = torch.from_numpy(np.stack([one.image for one in shown])[:, None])
    dense = DenseTarget(
        truth=torch.from_numpy(np.stack([one.truth for one in shown])),
        weight=torch.from_numpy(np.stack([one.weight for one in shown])),
        overlap=torch.from_numpy(np.stack([one.overlap for one in shown])),
    )
    image = np.stack([one.image_truth for one in shown])
    image_weight = np.stack([one.image_weight for one in shown])
    targets = Targets(
        instances=[_instances(one) for one in shown],
        dense=dense,
        image=torch.from_numpy(image),
        image_weight=torch.from_numpy(image_weight),
    )
    return images, targets


def _instances(one: Example) -> InstanceTarget:
    return InstanceTarget(
        boxes=torch.from_numpy(one.boxes),
        labels=torch.ones(len(one.boxes), dtype=torch.int64),
        masks=torch.from_numpy(one.masks),
        has_mask=torch.from_numpy(one.has_mask),
        ignored=torch.from_numpy(one.ignored),
        known=one.known,
        exhaustive=one.exhaustive,
    )
