"""The network: one trunk, a Mask R-CNN, a dense head and an image head.

The trunk is torchvision's ResNet with its (frozen) batch norm folded into the
convolutions and one grey input channel; on its feature pyramid stand the proposal
network and the box and mask heads (He et al. 2017), a dense head (Kirillov et al.
2019, Panoptic FPN) and an image head. Partial labels are honoured here: what a
target does not claim to know adds nothing to any loss.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TypedDict, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import (
    RoIHeads,
    fastrcnn_loss,
    maskrcnn_loss,
)
from torchvision.models.detection.rpn import (
    RegionProposalNetwork,
    RPNHead,
    concat_box_prediction_layers,
)
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from inference.training.losses import DenseTarget, dense_losses, image_losses
from inference.training.recipe import NetworkRecipe

DENSE_CHANNELS = ("lung_opacity", "right_lung", "left_lung")
IMAGE_OUTPUTS = ("any_opacity", "frontal")
LEVELS = ("0", "1", "2", "3", "pool")


class InstanceTarget(TypedDict):
    """Opacities of one image.

    ``boxes`` float32 (M, 4) x1 y1 x2 y2 with 0 <= x1 < x2 <= S; ``labels`` int64
    (M,), all 1; ``masks`` uint8 (M, S, S); ``has_mask`` bool (M,), False for boxes
    without a mask; ``known``: opacities of this image were annotated at all;
    ``exhaustive``: all of them, so that the rest is background.
    """

    boxes: Tensor
    labels: Tensor
    masks: Tensor
    has_mask: Tensor
    known: bool
    exhaustive: bool


class Targets(TypedDict):
    """A batch's truth: see InstanceTarget, DenseTarget and ``image_losses``."""

    instances: Sequence[InstanceTarget]
    dense: DenseTarget
    image: Tensor
    image_weight: Tensor


class Detections(TypedDict):
    """One image's answer.

    ``boxes`` (K, 4) x1 y1 x2 y2 in input pixels; ``labels`` (K,); ``scores`` (K,)
    descending; ``masks`` (K, 1, 28, 28) probabilities inside the box, not pasted.
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    masks: Tensor


class Answer(TypedDict):
    """``detections`` per image; ``dense`` (N, 3, S/2, S/2); ``image`` (N, 2)."""

    detections: list[Detections]
    dense: Tensor
    image: Tensor


class Trunk(nn.Module):
    """ResNet without batch norm on one grey channel.

    Returns C2 ... C5 at strides 4, 8, 16, 32 under the keys "0" ... "3", and the
    stem at stride 2 under "stem".
    """

    def __init__(self, recipe: NetworkRecipe) -> None:
        super().__init__()
        body = getattr(resnet, recipe.backbone)(norm_layer=_Folded)
        for name, module in list(body.named_modules()):
            if isinstance(module, nn.Conv2d):
                _with_bias(body, name, module)
        self.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = body.maxpool
        self.layer1, self.layer2 = body.layer1, body.layer2
        self.layer3, self.layer4 = body.layer3, body.layer4
        if recipe.stride_in_1x1:
            _stride_first(self)
        self.channels = [
            stage[-1].conv3.out_channels
            if hasattr(stage[-1], "conv3")
            else stage[-1].conv2.out_channels
            for stage in (self.layer1, self.layer2, self.layer3, self.layer4)
        ]

    def forward(self, grey: Tensor) -> dict[str, Tensor]:
        """Run on (N, 1, S, S), normalised."""
        stem = self.relu(self.conv1(grey))
        c2 = self.layer1(self.maxpool(stem))
        c3 = self.layer2(c2)
        c4 = self.layer3(c3)
        c5 = self.layer4(c4)
        return {"stem": stem, "0": c2, "1": c3, "2": c4, "3": c5}


class _Folded(nn.Identity):
    """Stands where torchvision puts a batch norm; its affine is in the convolution."""


def _with_bias(body: nn.Module, name: str, conv: nn.Conv2d) -> None:
    """Replace a convolution by the same one with a bias."""
    owner = body.get_submodule(name.rpartition(".")[0])
    new = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        cast("tuple[int, int]", conv.kernel_size),
        stride=cast("tuple[int, int]", conv.stride),
        padding=cast("tuple[int, int]", conv.padding),
    )
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    # Without batch norm a residual branch must start small, or depth explodes.
    if name.endswith(("conv3",)) or (
        name.endswith("conv2") and not hasattr(owner, "conv3")
    ):
        nn.init.zeros_(new.weight)
    nn.init.zeros_(cast("Tensor", new.bias))
    setattr(owner, name.rpartition(".")[2], new)


def _stride_first(trunk: Trunk) -> None:
    for stage in (trunk.layer2, trunk.layer3, trunk.layer4):
        block = stage[0]
        if hasattr(block, "conv3"):
            block.conv1.stride, block.conv2.stride = (2, 2), (1, 1)


class DenseHead(nn.Module):
    """Pyramid levels and stem -> 3 logits per pixel at half resolution."""

    def __init__(self, levels: int, in_channels: int, channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(in_channels, channels, 3, padding=1, bias=False),
                nn.GroupNorm(8, channels),
                nn.ReLU(inplace=True),
            )
            for _ in range(levels)
        )
        self.stem = nn.Conv2d(64, channels, 1)
        self.refine = nn.Sequential(
            nn.Conv2d(channels, channels // 2, 3, padding=1, bias=False),
            nn.GroupNorm(8 if channels % 16 == 0 else 4, channels // 2),
            nn.ReLU(inplace=True),
        )
        self.logits = nn.Conv2d(channels // 2, len(DENSE_CHANNELS), 1)
        # Most pixels are neither lung nor opacity: start there.
        nn.init.constant_(cast("Tensor", self.logits.bias), -2.0)

    def forward(self, pyramid: Mapping[str, Tensor], stem: Tensor) -> Tensor:
        """Sum the levels at stride 4, sharpen at stride 2."""
        total = self.lateral[0](pyramid["0"])
        for index in range(1, len(self.lateral)):
            level = self.lateral[index](pyramid[str(index)])
            total = total + _grow(level, 2**index)
        fine = _grow(total, 2) + self.stem(stem)
        return cast("Tensor", self.logits(self.refine(fine)))


def _grow(maps: Tensor, factor: int) -> Tensor:
    return functional.interpolate(
        maps, scale_factor=float(factor), mode="bilinear", align_corners=False
    )


class ImageHead(nn.Module):
    """C5, pooled over the picture and over the lungs -> 2 logits per image."""

    def __init__(self, in_channels: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(2 * in_channels, len(IMAGE_OUTPUTS))

    def forward(self, c5: Tensor, dense_logits: Tensor) -> Tensor:
        """Pool (N, C, S/32, S/32) and answer (N, 2)."""
        lungs = dense_logits[:, 1:].detach().sigmoid().amax(dim=1, keepdim=True)
        weight = functional.avg_pool2d(lungs, 16) + 1e-3
        everywhere = c5.mean(dim=(2, 3))
        inside = (c5 * weight).sum(dim=(2, 3)) / weight.sum(dim=(2, 3))
        pooled = torch.cat((everywhere, inside), dim=1)
        return cast("Tensor", self.logits(self.dropout(pooled)))


class ProposalNetwork(RegionProposalNetwork):  # type: ignore[misc]
    """torchvision's, with unlabelled anchors where the truth is not exhaustive."""

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Label anchors 1 (opacity), 0 (background) or -1 (no loss)."""
        labels, boxes = super().assign_targets_to_anchors(anchors, targets)
        for label, target in zip(labels, targets, strict=True):
            if not target["exhaustive"]:
                label[label == 0] = -1
        return labels, boxes

    def forward(
        self,
        images: ImageList,
        features: dict[str, Tensor],
        targets: list[dict[str, Tensor]] | None = None,
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Propose boxes; decoding and losses in float32 whatever autocast says."""
        maps = list(features.values())
        raw_objectness, raw_deltas = self.head(maps)
        objectness = [level.float() for level in raw_objectness]
        deltas = [level.float() for level in raw_deltas]
        anchors = self.anchor_generator(images, [level.float() for level in maps])
        counts = [level[0].numel() for level in objectness]
        flat_objectness, flat_deltas = concat_box_prediction_layers(objectness, deltas)
        decoded = self.box_coder.decode(flat_deltas.detach(), anchors)
        boxes, _ = self.filter_proposals(
            decoded.view(len(anchors), -1, 4),
            flat_objectness,
            images.image_sizes,
            counts,
        )
        if targets is None:
            return boxes, {}
        labels, matched = self.assign_targets_to_anchors(anchors, targets)
        wanted = self.box_coder.encode(matched, anchors)
        return boxes, self._losses(flat_objectness, flat_deltas, labels, wanted)

    def _losses(
        self,
        objectness: Tensor,
        deltas: Tensor,
        labels: list[Tensor],
        wanted: list[Tensor],
    ) -> dict[str, Tensor]:
        if not any((label >= 0).any() for label in labels):
            zero = objectness.sum() * 0 + deltas.sum() * 0
            return {"rpn_objectness": zero, "rpn_box": zero}
        found, placed = self.compute_loss(objectness, deltas, labels, wanted)
        return {"rpn_objectness": found, "rpn_box": placed}


class OpacityHeads(RoIHeads):  # type: ignore[misc]
    """torchvision's box and mask heads; boxes without a mask skip the mask loss."""

    def assign_targets_to_proposals(
        self,
        proposals: list[Tensor],
        gt_boxes: list[Tensor],
        gt_labels: list[Tensor],
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Label proposals; background is unlabelled where truth is not exhaustive."""
        matched, labels = super().assign_targets_to_proposals(
            proposals, gt_boxes, gt_labels
        )
        for label, exhaustive in zip(labels, self._exhaustive, strict=True):
            if not exhaustive:
                label[label == 0] = -1
        return matched, labels

    def losses(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        sizes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]],
    ) -> dict[str, Tensor]:
        """Sample regions and compute the box and mask losses."""
        self._exhaustive = [bool(target["exhaustive"]) for target in targets]
        proposals, matched, labels, wanted = self.select_training_samples(
            proposals, targets
        )
        if sum(len(boxes) for boxes in proposals) == 0:
            zero = next(iter(features.values())).sum() * 0
            return {"roi_class": zero, "roi_box": zero, "roi_mask": zero}
        pooled = self.box_roi_pool(features, proposals, sizes)
        scores, deltas = self.box_predictor(self.box_head(pooled))
        named, placed = fastrcnn_loss(scores.float(), deltas.float(), labels, wanted)
        mask = self._mask_loss(features, proposals, sizes, targets, (matched, labels))
        return {"roi_class": named, "roi_box": placed, "roi_mask": mask}

    def _mask_loss(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        sizes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]],
        assigned: tuple[list[Tensor], list[Tensor]],
    ) -> Tensor:
        kept, indices = [], []
        for boxes, matched, label, target in zip(
            proposals, *assigned, targets, strict=True
        ):
            wanted = label > 0
            if len(target["has_mask"]):
                wanted = wanted & target["has_mask"][matched]
            kept.append(boxes[wanted])
            indices.append(matched[wanted])
        if sum(len(boxes) for boxes in kept) == 0:
            return next(iter(features.values())).sum() * 0
        pooled = self.mask_roi_pool(features, kept, sizes)
        logits = self.mask_predictor(self.mask_head(pooled)).float()
        masks = [target["masks"] for target in targets]
        labels = [target["labels"] for target in targets]
        return cast("Tensor", maskrcnn_loss(logits, kept, masks, labels, indices))


class CxrNet(nn.Module):
    """The whole network.

    Parameters
    ----------
    recipe
        Its shape.
    """

    def __init__(self, recipe: NetworkRecipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.backbone = Trunk(recipe)
        width = recipe.fpn_channels
        self.fpn = FeaturePyramidNetwork(
            self.backbone.channels, width, extra_blocks=LastLevelMaxPool()
        )
        self.rpn = _proposal_network(recipe)
        self.roi_heads = _opacity_heads(recipe)
        self.dense_head = DenseHead(4, width, recipe.dense_channels)
        self.image_head = ImageHead(self.backbone.channels[-1], recipe.dropout)
        self.anchor_levels = LEVELS[-len(recipe.anchor_sizes) :]

    def features(self, images: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Trunk maps ("stem", "0" ... "3") and pyramid ("0" ... "3", "pool")."""
        grey = (images - self.recipe.grey_mean) / self.recipe.grey_std
        grey = grey.contiguous(memory_format=torch.channels_last)
        trunk = self.backbone(grey)
        levels = OrderedDict((key, trunk[key]) for key in LEVELS[:4])
        return trunk, self.fpn(levels)

    def forward(
        self, images: Tensor, targets: Targets | None = None
    ) -> Answer | dict[str, Tensor]:
        """Answer, or with targets the losses by name.

        Parameters
        ----------
        images
            float32 (N, 1, S, S) in [0, 1].
        targets
            The truth, for training only.
        """
        trunk, pyramid = self.features(images)
        dense = self.dense_head(pyramid, trunk["stem"]).float()
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

    def _levels(self, pyramid: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return OrderedDict((key, pyramid[key]) for key in self.anchor_levels)

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
        proposals, losses = self.rpn(listed, self._levels(chosen), truth)
        exact = OrderedDict((key, chosen[key].float()) for key in LEVELS[:4])
        sizes = listed.image_sizes
        regions = self.roi_heads.losses(exact, proposals, sizes, truth)
        return cast("dict[str, Tensor]", losses | regions)

    def _detect(
        self, images: Tensor, pyramid: Mapping[str, Tensor]
    ) -> list[Detections]:
        listed = _image_list(images)
        proposals, _ = self.rpn(listed, self._levels(pyramid))
        exact = OrderedDict((key, pyramid[key].float()) for key in LEVELS[:4])
        found, _ = self.roi_heads(exact, proposals, listed.image_sizes)
        return cast("list[Detections]", found)


def _image_list(images: Tensor) -> ImageList:
    size = (int(images.shape[-2]), int(images.shape[-1]))
    return ImageList(images, [size] * images.shape[0])


def _proposal_network(recipe: NetworkRecipe) -> ProposalNetwork:
    sizes = tuple((size,) for size in recipe.anchor_sizes)
    anchors = AnchorGenerator(sizes, (recipe.anchor_ratios,) * len(sizes))
    count = {"training": recipe.proposals_before_nms}
    return ProposalNetwork(
        anchors,
        RPNHead(recipe.fpn_channels, len(recipe.anchor_ratios)),
        0.6,  # an anchor is an opacity from this IoU on (outlines are coarse)
        0.3,
        128,
        0.5,
        count | {"testing": recipe.proposals_before_nms},
        {"training": recipe.proposals, "testing": recipe.proposals},
        0.7,
    )


def _opacity_heads(recipe: NetworkRecipe) -> OpacityHeads:
    width, wide = recipe.fpn_channels, recipe.representation
    layers = (recipe.mask_channels,) * 4
    return OpacityHeads(
        MultiScaleRoIAlign(list(LEVELS[:4]), 7, 2),
        TwoMLPHead(width * 49, wide),
        FastRCNNPredictor(wide, 2),
        0.5,
        0.5,
        64,
        0.25,
        None,
        recipe.score_threshold,
        recipe.nms_iou,
        recipe.detections,
        MultiScaleRoIAlign(list(LEVELS[:4]), 14, 2),
        MaskRCNNHeads(width, layers, 1),
        MaskRCNNPredictor(recipe.mask_channels, recipe.mask_channels, 2),
    )


def build(recipe: NetworkRecipe) -> CxrNet:
    """Make the network and, when the recipe names weights, start from them.

    Raises
    ------
    TrainingError
        The weights are missing or do not fit.
    """
    from inference.training.weights import initialise  # noqa: PLC0415

    net = CxrNet(recipe)
    if recipe.weights is not None:
        initialise(net, recipe.weights)
    for stage in _frozen_stages(net.backbone, recipe.trainable_stages):
        stage.requires_grad_(False)  # noqa: FBT003
    return net.to(memory_format=torch.channels_last)


def _frozen_stages(trunk: Trunk, trainable: int) -> list[nn.Module]:
    stages = [trunk.conv1, trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4]
    return stages[: len(stages) - trainable]
