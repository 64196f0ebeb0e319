"""Opacities one by one: torchvision's Mask R-CNN heads under partial labels.

What a target does not claim to know is neither opacity nor background here: anchors
and regions without a label are left out of the losses, and so are the masks of
opacities that were only boxed (He et al. 2017 for the heads themselves).
"""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor
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
from torchvision.ops import MultiScaleRoIAlign

from inference.training.architectures.mask_rcnn.recipe import MaskRcnnNetwork

_MOSTLY = 0.5  # of a box that lies in an ignored one
LEVELS = ("0", "1", "2", "3", "pool")


def anchored_levels(recipe: MaskRcnnNetwork) -> tuple[str, ...]:
    """Name the pyramid's levels, fine to coarse: it starts where the anchors do."""
    return LEVELS[-len(recipe.anchor_sizes) :]


class ProposalNetwork(RegionProposalNetwork):  # type: ignore[misc]
    """torchvision's, with unlabelled anchors where the truth is not exhaustive."""

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Label anchors 1 (opacity), 0 (background) or -1 (no loss)."""
        labels, boxes = super().assign_targets_to_anchors(anchors, targets)
        for label, target, placed in zip(labels, targets, anchors, strict=True):
            label[_undecided(label, placed, target)] = -1
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
        for label, placed, target in zip(labels, proposals, self._targets, strict=True):
            label[_undecided(label, placed, target)] = -1
        return matched, labels

    def losses(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        sizes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]],
    ) -> dict[str, Tensor]:
        """Sample regions and compute the box and mask losses."""
        self._targets = targets
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


def _undecided(label: Tensor, boxes: Tensor, target: Mapping[str, Tensor]) -> Tensor:
    """Find the boxes that would be background if that were known.

    Parameters
    ----------
    label
        (N,): 0 is background.
    boxes
        (N, 4).
    target
        Of their image.
    """
    background = label == 0
    if not target["exhaustive"]:
        return background
    if not len(target["ignored"]):
        return torch.zeros_like(background)
    low = torch.maximum(boxes[:, None, :2], target["ignored"][None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], target["ignored"][None, :, 2:])
    shared = (high - low).clamp(min=0).prod(dim=2).amax(dim=1)
    return background & (shared > _MOSTLY * (boxes[:, 2:] - boxes[:, :2]).prod(dim=1))


def proposal_network(recipe: MaskRcnnNetwork) -> ProposalNetwork:
    """Build the network that proposes regions."""
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


def opacity_heads(recipe: MaskRcnnNetwork) -> OpacityHeads:
    """Build the box and mask heads."""
    width, wide = recipe.fpn_channels, recipe.representation
    layers = (recipe.mask_channels,) * 4
    levels = list(anchored_levels(recipe)[:-1])
    return OpacityHeads(
        MultiScaleRoIAlign(levels, 7, 2),
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
        MultiScaleRoIAlign(levels, 14, 2),
        MaskRCNNHeads(width, layers, 1),
        MaskRCNNPredictor(recipe.mask_channels, recipe.mask_channels, 2),
    )
