"""The network: one trunk, a Mask R-CNN, a dense head and an image head.

On the trunk's feature pyramid stand the proposal network and the box and mask heads,
which find opacities one by one, and the dense head, which outlines the lungs and all
opacity pixel by pixel; the image head answers for the film as a whole.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TypedDict, cast

import torch
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from inference.training.architectures.losses import (
    dense_losses,
    image_losses,
)
from inference.training.architectures.mask_rcnn.heads import DenseHead, ImageHead
from inference.training.architectures.mask_rcnn.instances import (
    anchored_levels,
    opacity_heads,
    proposal_network,
)
from inference.training.architectures.mask_rcnn.recipe import MaskRcnnNetwork
from inference.training.architectures.mask_rcnn.trunk import Trunk
from inference.training.architectures.mask_rcnn.weights import initialise
from inference.training.architectures.targets import InstanceTarget, Targets


class Detections(TypedDict):
    """One image's answer.

    ``boxes`` (K, 4) x1 y1 x2 y2 in input pixels; ``labels`` (K,); ``scores`` (K,)
    descending; ``masks`` (K, 1, 28, 28) probabilities inside the box, not pasted.
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    masks: Tensor


class NetworkAnswer(TypedDict):
    """``detections`` per image; ``dense`` (N, 3, S/2, S/2); ``image`` (N, 2)."""

    detections: list[Detections]
    dense: Tensor
    image: Tensor


class CxrNet(nn.Module):
    """The whole network.

    Parameters
    ----------
    recipe
        Its shape.
    """

    def __init__(self, recipe: MaskRcnnNetwork) -> None:
        super().__init__()
        self.recipe = recipe
        self.backbone = Trunk(recipe)
        width = recipe.fpn_channels
        self.levels = anchored_levels(recipe)
        self.pooled_levels = self.levels[:-1]
        self.fpn = FeaturePyramidNetwork(
            self.backbone.channels[-len(self.pooled_levels) :],
            width,
            extra_blocks=LastLevelMaxPool(),
        )
        self.rpn = proposal_network(recipe)
        self.roi_heads = opacity_heads(recipe)
        self.dense_head = DenseHead(
            self.pooled_levels, width, self.backbone.channels[0], recipe.dense_channels
        )
        self.image_head = ImageHead(self.backbone.channels[-1], recipe.dropout)

    def features(self, images: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Trunk maps ("0" ... "3") and the pyramid (``levels``)."""
        grey = (images - self.recipe.grey_mean) / self.recipe.grey_std
        grey = grey.contiguous(memory_format=torch.channels_last)
        trunk = self.backbone(grey)
        maps = OrderedDict((key, trunk[key]) for key in self.pooled_levels)
        return trunk, self.fpn(maps)

    def forward(
        self, images: Tensor, targets: Targets | None = None
    ) -> NetworkAnswer | dict[str, Tensor]:
        """Answer, or with targets the losses by name.

        Parameters
        ----------
        images
            float32 (N, 1, S, S) in [0, 1].
        targets
            The truth, for training only.
        """
        trunk, pyramid = self.features(images)
        dense = self.dense_head(pyramid, trunk["0"]).float()
        image = self.image_head(trunk["3"], dense).float()
        if targets is not None:
            losses = image_losses(image, targets["image"], targets["image_weight"])
            if self.recipe.dense:
                losses |= dense_losses(dense, targets["dense"])
            if self.recipe.mask_rcnn:
                losses |= self._instance_losses(images, pyramid, targets["instances"])
            return losses
        return {
            "detections": self._detect(images, pyramid),
            "dense": dense.sigmoid(),
            "image": image.sigmoid(),
        }

    def _instance_losses(
        self,
        images: Tensor,
        pyramid: Mapping[str, Tensor],
        targets: Sequence[InstanceTarget],
    ) -> dict[str, Tensor]:
        """Only images whose opacities were looked for reach these heads."""
        known = [index for index, target in enumerate(targets) if target["known"]]
        if not known:
            return {}
        truth = [cast("dict[str, Tensor]", targets[index]) for index in known]
        chosen = {key: level[known] for key, level in pyramid.items()}
        listed = _image_list(images[known])
        proposals, losses = self.rpn(listed, chosen, truth)
        exact = OrderedDict((key, chosen[key].float()) for key in self.pooled_levels)
        sizes = listed.image_sizes
        regions = self.roi_heads.losses(exact, proposals, sizes, truth)
        return cast("dict[str, Tensor]", losses | regions)

    def _detect(
        self, images: Tensor, pyramid: Mapping[str, Tensor]
    ) -> list[Detections]:
        listed = _image_list(images)
        proposals, _ = self.rpn(listed, dict(pyramid))
        exact = OrderedDict((key, pyramid[key].float()) for key in self.pooled_levels)
        found, _ = self.roi_heads(exact, proposals, listed.image_sizes)
        return cast("list[Detections]", found)


def _image_list(images: Tensor) -> ImageList:
    size = (int(images.shape[-2]), int(images.shape[-1]))
    return ImageList(images, [size] * images.shape[0])


def build(recipe: MaskRcnnNetwork) -> CxrNet:
    """Make the network and, when the recipe names weights, start from them.

    Raises
    ------
    TrainingError
        The weights are missing or do not fit.
    """
    net = CxrNet(recipe)
    if recipe.weights is not None:
        initialise(net, recipe.weights)
    for stage in _frozen_stages(net.backbone, recipe.trainable_stages):
        stage.requires_grad_(False)  # noqa: FBT003  torch's own signature
    return net.to(memory_format=torch.channels_last)


def _frozen_stages(trunk: Trunk, trainable: int) -> list[nn.Module]:
    stages = [trunk.conv1, trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4]
    return stages[: len(stages) - trainable]
