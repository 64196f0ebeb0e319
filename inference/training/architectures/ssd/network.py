"""torchvision's SSDLite320 with MobileNetV3, its answers batched.

torchvision selects boxes image by image in a loop that no graph with a free batch size
holds; here the same selection is done for all images at once.
"""

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou

from inference.errors import TrainingError
from inference.tasks.opacity.prediction import MASK_SIZE_PX
from inference.training.architectures.ssd.recipe import SsdNetwork
from inference.training.architectures.stored import read_state
from inference.training.architectures.targets import InstanceTarget

_CENTRE, _SIDES = 10.0, 5.0  # torchvision's BoxCoder of SSD
_LARGEST_GROWTH = 4.135166556742356  # log(1000 / 16), its clip
_GREY = 0.5  # mean and standard deviation that MobileNetV3 was trained with


class SsdNet(nn.Module):
    """Boxes in one pass.

    Parameters
    ----------
    recipe
        Its shape.
    """

    def __init__(self, recipe: SsdNetwork) -> None:
        super().__init__()
        self.recipe = recipe
        model = ssdlite320_mobilenet_v3_large(
            weights=None, weights_backbone=None, num_classes=2
        )
        self.backbone = model.backbone
        self.head = model.head
        self._model = [model]  # its loss and its anchors; not a module of this one
        anchors = self._anchors(recipe.input_px)
        self.register_buffer("anchors", anchors, persistent=False)

    def _anchors(self, size_px: int) -> Tensor:
        with torch.inference_mode():
            self.backbone.eval()
            maps = list(self.backbone(torch.zeros(1, 3, size_px, size_px)).values())
            self.backbone.train()
        listed = ImageList(torch.zeros(1, 3, size_px, size_px), [(size_px, size_px)])
        (placed,) = self._model[0].anchor_generator(listed, maps)
        return cast("Tensor", placed.clone())

    def raw(self, images: Tensor) -> dict[str, Tensor]:
        """Offsets (N, A, 4) and logits (N, A, 2) of every anchor."""
        colour = ((images - _GREY) / _GREY).repeat(1, 3, 1, 1)
        maps = list(self.backbone(colour).values())
        found = cast("dict[str, Tensor]", self.head(maps))
        return {name: value.float() for name, value in found.items()}

    def losses(
        self, images: Tensor, targets: list[InstanceTarget]
    ) -> dict[str, Tensor]:
        """Torchvision's own; films on which not every opacity is boxed are left out.

        A background that is sought among what nobody annotated would be none.
        """
        whole = [
            k for k, one in enumerate(targets) if one["known"] and one["exhaustive"]
        ]
        # a batch norm wants more than one value of its 1 x 1 maps
        batch = images if len(images) > 1 else images.repeat(2, 1, 1, 1)
        every = self.raw(batch)
        if not whole:
            return {"detection_class": every["cls_logits"].sum() * 0}
        raw = {name: value[whole] for name, value in every.items()}
        model = self._model[0]
        anchors = self._anchors(images.shape[-1]).to(images.device)
        truth = [cast("dict[str, Tensor]", targets[k]) for k in whole]
        matched = [_matched(model, anchors, one["boxes"]) for one in truth]
        found = model.compute_loss(truth, raw, [anchors] * len(whole), matched)
        return {
            "detection_class": found["classification"],
            "detection_box": found["bbox_regression"],
        }

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Give the surest boxes, suppressed, and the best score as the film's."""
        raw, recipe = self.raw(images), self.recipe
        surest = raw["cls_logits"].softmax(dim=-1)[..., 1]
        count = min(recipe.candidates, surest.shape[1])
        scores, place = surest.topk(count, dim=1)
        offsets = raw["bbox_regression"].gather(1, place[..., None].repeat(1, 1, 4))
        anchors = cast("Tensor", self.anchors)[place]
        boxes = _decoded(offsets, anchors).clamp(0, recipe.input_px)
        scores = scores * (scores > recipe.score_threshold)
        scores = scores * _kept(boxes, scores, recipe.nms_iou)
        scores, order = scores.topk(min(recipe.detections, count), dim=1)
        boxes = boxes.gather(1, order[..., None].repeat(1, 1, 4))
        best = scores[:, :1]
        inside = torch.ones(1, 1, MASK_SIZE_PX, MASK_SIZE_PX, device=images.device)
        return {
            "boxes": boxes,
            "scores": scores,
            "masks": (scores > 0)[..., None, None] * inside,
            "image": torch.cat((best, torch.ones_like(best)), dim=1),
        }


def _matched(model: Any, anchors: Tensor, boxes: Tensor) -> Tensor:
    if not len(boxes):
        return torch.full((len(anchors),), -1, dtype=torch.int64, device=anchors.device)
    return cast("Tensor", model.proposal_matcher(box_iou(boxes, anchors)))


def _decoded(offsets: Tensor, anchors: Tensor) -> Tensor:
    """Move anchors (N, K, 4) x1 y1 x2 y2 by their offsets."""
    sides = anchors[..., 2:] - anchors[..., :2]
    centre = anchors[..., :2] + sides / 2 + offsets[..., :2] / _CENTRE * sides
    growth = (offsets[..., 2:] / _SIDES).clamp(max=_LARGEST_GROWTH)
    half = growth.exp() * sides / 2
    return torch.cat((centre - half, centre + half), dim=-1)


def _kept(boxes: Tensor, scores: Tensor, most_iou: float) -> Tensor:
    """Suppress greedily, best first, all images at once: float (N, K) of 0 and 1.

    Written out step by step, so that a graph holds it with its batch size free.
    """
    low = torch.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    high = torch.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    area = (boxes[..., 2:] - boxes[..., :2]).prod(dim=-1)
    joined = area[:, :, None] + area[:, None] - shared
    close = (shared > most_iou * joined).float()
    kept = (scores > 0).float()
    count = boxes.shape[1]
    later = torch.ones(count, count, device=boxes.device).triu(1)
    for place in range(count):
        beaten = close[:, place] * later[place] * kept[:, place : place + 1]
        kept = kept * (1 - beaten)
    return kept


def build(recipe: SsdNetwork) -> SsdNet:
    """Make the network and, when the recipe names weights, start from them.

    Raises
    ------
    TrainingError
        The weights are missing or do not fit.
    """
    net = SsdNet(recipe)
    if recipe.weights is not None:
        _initialise(net, recipe.weights)
    return net


def _initialise(net: SsdNet, path: Path) -> None:
    """Take what fits; of the trunk all must."""
    state, own = read_state(path), net.state_dict()
    fits = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    for name in own:
        if name.startswith("backbone.features") and name not in fits:
            raise TrainingError(f"{path}: no weights that fit {name} of the trunk")
    net.load_state_dict(fits, strict=False)
