"""The truth of a batch, as the losses of this network want it."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from inference.training.architectures.mask_rcnn.instances import InstanceTarget
from inference.training.architectures.mask_rcnn.losses import DenseTarget
from inference.training.data.transforms import Example


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
