"""The network as one batched graph: dynamic N, everything else static.

torchvision's own export loops over images, pastes 100 masks and takes a batch of one.
Here proposals are a fixed number per image (best first, padded), RoIAlign is told the
image of every box, one ONNX NonMaxSuppression serves a whole batch, the mask head sees
only the instances that are left, and nothing is pasted. The answers are torchvision's.
"""

from copy import deepcopy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import nms, roi_align
from torchvision.ops.poolers import MultiScaleRoIAlign

from inference.training.architectures.mask_rcnn.network import CxrNet

_SMALLEST_INSTANCE_PX = 1e-2  # torchvision's RoIHeads
_CANONICAL_PX, _CANONICAL_LEVEL = 224, 4  # Lin et al. 2017, FPN, equation 1
_COARSEST_LEVEL = 5  # P5, the last that regions are pooled from


class _Suppression(torch.autograd.Function):
    """ONNX's NonMaxSuppression, and the same in torch for running it eagerly."""

    @staticmethod
    def forward(
        _: Any, boxes: Tensor, scores: Tensor, iou: float, least: float
    ) -> Tensor:
        """Select from (N, M, 4) and (N, C, M): int64 (R, 3) of image, class, box."""
        rows = []
        for image in range(scores.shape[0]):
            for kind in range(scores.shape[1]):
                wanted = (scores[image, kind] > least).nonzero()[:, 0]
                kept = nms(boxes[image, wanted], scores[image, kind, wanted], iou)
                box = wanted[kept]
                place = [torch.full_like(box, image), torch.full_like(box, kind), box]
                rows.append(torch.stack(place, dim=1))
        return torch.cat(rows)

    @staticmethod
    def symbolic(g: Any, boxes: Any, scores: Any, iou: float, least: float) -> Any:
        """Write the node."""
        return g.op(
            "NonMaxSuppression",
            boxes,
            scores,
            g.op("Constant", value_t=torch.tensor([2**30], dtype=torch.int64)),
            g.op("Constant", value_t=torch.tensor([iou], dtype=torch.float32)),
            g.op("Constant", value_t=torch.tensor([least], dtype=torch.float32)),
        )


def _survivors(boxes: Tensor, scores: Tensor, iou: float, least: float) -> Tensor:
    """Suppress within each image and class; float (N, M), 1 where a box is left."""
    selected = _Suppression.apply(boxes, scores, iou, least)
    count = boxes.shape[1]
    flat = selected[:, 0] * count + selected[:, 2]
    left = torch.zeros_like(boxes[:, :, 0]).reshape(-1)
    ones = torch.ones_like(flat, dtype=torch.float32)
    return left.scatter(0, flat, ones).reshape(-1, count)


class BatchedNet(nn.Module):
    """A trained CxrNet, answering with tensors of fixed size per image.

    Parameters
    ----------
    net
        In eval mode; it is copied.
    """

    def __init__(self, net: CxrNet) -> None:
        super().__init__()
        self.net = deepcopy(net).to(memory_format=torch.contiguous_format).eval()
        self.size_px = net.recipe.input_px
        anchors, level_of = self._anchors()
        self.best_per_level = [
            min(net.recipe.proposals_before_nms, len(level)) for level in anchors
        ]
        self.register_buffer("anchors", torch.cat(anchors), persistent=False)
        self.register_buffer("level_of", level_of, persistent=False)
        self.anchor_counts = [len(level) for level in anchors]
        self.proposals = min(net.recipe.proposals, sum(self.best_per_level))
        self.instances = min(net.recipe.detections, self.proposals)
        self.eval()

    def _anchors(self) -> tuple[list[Tensor], Tensor]:
        """Anchors of every level, and the level of every candidate."""
        blank = torch.zeros(1, 1, self.size_px, self.size_px)
        with torch.inference_mode():
            _, pyramid = self.net.features(blank)
            maps = [pyramid[key] for key in self.net.levels]
            images = ImageList(blank, [(self.size_px, self.size_px)])
            anchors = self.net.rpn.anchor_generator(images, maps)[0]
        per_cell = self.net.rpn.anchor_generator.num_anchors_per_location()
        counts = [
            level.shape[2] * level.shape[3] * number
            for level, number in zip(maps, per_cell, strict=True)
        ]
        most = self.net.recipe.proposals_before_nms
        numbers = [
            torch.full((min(most, count),), index) for index, count in enumerate(counts)
        ]
        levels = list(anchors.clone().split(counts))
        return levels, torch.cat(numbers)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Answer (N, 1, S, S) in [0, 1].

        Returns
        -------
            boxes (N, K, 4), scores (N, K), masks (N, K, 28, 28),
            dense (N, 3, S/2, S/2), image (N, 2).
        """
        recipe = self.net.recipe
        trunk = self.net.backbone((images - recipe.grey_mean) / recipe.grey_std)
        pyramid = self._pyramid([trunk[key] for key in self.net.pooled_levels])
        dense = self.net.dense_head(pyramid, trunk["0"])
        image = self.net.image_head(trunk["3"], dense)
        proposals, real = self._propose([pyramid[key] for key in self.net.levels])
        maps = [pyramid[key] for key in self.net.pooled_levels]
        boxes, scores = self._detect(maps, proposals, real)
        masks = self._masks(maps, boxes, scores)
        return boxes, scores, masks, dense.sigmoid(), image.sigmoid()

    def _pyramid(self, maps: list[Tensor]) -> dict[str, Tensor]:
        """Build the feature pyramid; its scales are known beforehand."""
        fpn = self.net.fpn
        inner = fpn.inner_blocks[-1](maps[-1])
        levels = [fpn.layer_blocks[-1](inner)]
        for index in reversed(range(len(maps) - 1)):
            grown = functional.interpolate(inner, scale_factor=2.0, mode="nearest")
            inner = fpn.inner_blocks[index](maps[index]) + grown
            levels.insert(0, fpn.layer_blocks[index](inner))
        levels.append(functional.max_pool2d(levels[-1], 1, 2, 0))
        return dict(zip(self.net.levels, levels, strict=True))

    def _propose(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Propose (N, P, 4) boxes; (N, P) is positive where they are no padding."""
        rpn = self.net.rpn
        raw_scores, raw_deltas = rpn.head(maps)
        scores, deltas, anchors = [], [], []
        start = 0
        for level, count in enumerate(self.anchor_counts):
            objectness = raw_scores[level].permute(0, 2, 3, 1).reshape(-1, count)
            delta = _by_anchor(raw_deltas[level], count)
            best, where = objectness.topk(self.best_per_level[level], dim=1)
            scores.append(best)
            deltas.append(delta.gather(1, where[:, :, None].expand(-1, -1, 4)))
            anchors.append(cast("Tensor", self.anchors)[start : start + count][where])
            start += count
        boxes = self._decode(torch.cat(deltas, 1), torch.cat(anchors, 1), (1, 1, 1, 1))
        chance = torch.cat(scores, 1).sigmoid()
        chance = torch.where(_is_larger(boxes, rpn.min_size), chance, -1.0)
        kinds = torch.arange(len(maps))[:, None] == cast("Tensor", self.level_of)
        by_level = torch.where(kinds[None], chance[:, None], -1.0)
        left = _survivors(boxes, by_level, rpn.nms_thresh, 0.0)
        order = torch.where(left > 0, chance, -1.0)
        best, where = order.topk(self.proposals, dim=1)
        return boxes.gather(1, where[:, :, None].expand(-1, -1, 4)), best

    def _decode(
        self, deltas: Tensor, anchors: Tensor, weights: tuple[float, ...]
    ) -> Tensor:
        """Move (..., 4) anchors by their deltas and clip them to the picture."""
        sizes = anchors[..., 2:] - anchors[..., :2]
        centres = anchors[..., :2] + 0.5 * sizes
        moved = deltas[..., :2] / weights[0] * sizes + centres
        most = self.net.rpn.box_coder.bbox_xform_clip
        half = 0.5 * (deltas[..., 2:] / weights[2]).clamp(max=most).exp() * sizes
        return torch.cat((moved - half, moved + half), -1).clamp(0, self.size_px)

    def _detect(
        self, maps: list[Tensor], proposals: Tensor, real: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Score and place the proposals; the best K (N, K, 4) and (N, K)."""
        heads = self.net.roi_heads
        pooled = _pool(heads.box_roi_pool, maps, proposals)
        logits, deltas = heads.box_predictor(heads.box_head(pooled))
        count = self.proposals
        chance = logits.softmax(-1)[:, 1].reshape(-1, count)
        moved = deltas[:, 4:8].reshape(-1, count, 4)
        boxes = self._decode(moved, proposals, heads.box_coder.weights)
        usable = (real > 0) & _is_larger(boxes, _SMALLEST_INSTANCE_PX)
        chance = torch.where(usable, chance, -1.0)
        least = heads.score_thresh
        left = _survivors(boxes, chance[:, None], heads.nms_thresh, least)
        best, where = torch.where(left > 0, chance, 0.0).topk(self.instances, dim=1)
        boxes = boxes.gather(1, where[:, :, None].expand(-1, -1, 4))
        return boxes * (best > 0)[:, :, None], best

    def _masks(self, maps: list[Tensor], boxes: Tensor, scores: Tensor) -> Tensor:
        """Outline the instances that are no padding: (N, K, 28, 28)."""
        heads = self.net.roi_heads
        real = (scores > 0).reshape(-1)
        found = real.nonzero()[:, 0]
        # One box where there is none, so that no convolution sees an empty batch.
        spare = torch.zeros_like(real[:1], dtype=torch.int64)
        found = torch.cat((found, spare))[: real.sum().clamp(min=1)]
        flat = _with_image(boxes)[found]
        pooled = _pool_flat(heads.mask_roi_pool, maps, flat)
        logits = heads.mask_predictor(heads.mask_head(pooled))
        drawn = logits[:, 1].sigmoid()
        side = drawn.shape[-1]
        blank = torch.zeros_like(scores).reshape(-1, 1, 1).expand(-1, side, side)
        where = found[:, None, None].expand(-1, side, side)
        masks = blank.scatter(0, where, drawn) * real[:, None, None]
        return masks.reshape(-1, self.instances, side, side)


def _by_anchor(deltas: Tensor, count: int) -> Tensor:
    """(N, A x 4, H, W) -> (N, H x W x A, 4), in the anchors' order."""
    rows, columns = deltas.shape[2], deltas.shape[3]
    split = deltas.reshape(-1, count // (rows * columns), 4, rows, columns)
    return split.permute(0, 3, 4, 1, 2).reshape(-1, count, 4)


def _is_larger(boxes: Tensor, least: float) -> Tensor:
    sides = boxes[..., 2:] - boxes[..., :2]
    return (sides >= least).all(dim=-1)


def _with_image(boxes: Tensor) -> Tensor:
    """(N, M, 4) -> (N x M, 5): the image's number before each box."""
    number = torch.ones_like(boxes[:, :, :1]).cumsum(0) - 1
    return torch.cat((number, boxes), dim=2).reshape(-1, 5)


def _pool(pool: MultiScaleRoIAlign, maps: list[Tensor], boxes: Tensor) -> Tensor:
    return _pool_flat(pool, maps, _with_image(boxes))


def _pool_flat(pool: MultiScaleRoIAlign, maps: list[Tensor], flat: Tensor) -> Tensor:
    """Pool each box from the level that fits its size, in the order given."""
    area = (flat[:, 3] - flat[:, 1]) * (flat[:, 4] - flat[:, 2])
    exact = _CANONICAL_LEVEL + (area.sqrt() / _CANONICAL_PX).log2() + 1e-6
    finest = _COARSEST_LEVEL + 1 - len(maps)
    level = exact.floor().clamp(finest, _COARSEST_LEVEL)
    pooled, places = [], []
    for index, features in enumerate(maps):
        place = (level == finest + index).nonzero()[:, 0]
        places.append(place)
        pooled.append(
            roi_align(
                features,
                flat[place],
                pool.output_size,
                0.5 ** (finest + index),
                pool.sampling_ratio,
            )
        )
    order = torch.cat(places)
    back = torch.zeros_like(order).scatter(0, order, torch.ones_like(order).cumsum(0))
    return torch.cat(pooled)[back - 1]
