"""Mask R-CNN behind the seam of the training house."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from inference.tasks.opacity.prediction import MASK_SIZE_PX, OUTPUTS
from inference.tasks.task import Outputs
from inference.training.architectures.architecture import (
    Answering,
    Graph,
    ParameterGroup,
)
from inference.training.architectures.graph import OPSET, write_graph
from inference.training.architectures.mask_rcnn.graph import BatchedNet
from inference.training.architectures.mask_rcnn.narrow import narrowed
from inference.training.architectures.mask_rcnn.network import (
    CxrNet,
    Detections,
    NetworkAnswer,
    build,
)
from inference.training.architectures.mask_rcnn.recipe import MaskRcnnNetwork
from inference.training.architectures.targets import Targets, collate
from inference.training.data.samples import Sample
from inference.training.data.transforms import Example

_INSTANCES = frozenset({"boxes", "scores", "masks"})


class MaskRcnn:
    """Mask R-CNN with a dense and an image head on the same trunk."""

    @property
    def task(self) -> str:
        """The task whose outputs it gives."""
        return "opacity"

    def shaped(self, recipe: MaskRcnnNetwork) -> CxrNet:
        """Make one at random."""
        return CxrNet(recipe)

    def build(self, recipe: MaskRcnnNetwork) -> CxrNet:
        """Make one that starts from the recipe's weights."""
        return build(recipe)

    def lacking(self, learned: Sequence[Sample]) -> str | None:
        """Want any label at all: each head learns from what there is for it."""
        told = any(one.kind != "unknown" for one in learned)
        return None if told else "no opacity and no lung is annotated"

    def answering(self, recipe: MaskRcnnNetwork) -> Answering:
        """Say what its answers hold."""
        silent = frozenset() if recipe.mask_rcnn else _INSTANCES
        silent |= frozenset() if recipe.dense else {"dense"}
        return Answering(
            instances=recipe.detections,
            least_score=recipe.score_threshold,
            taught=frozenset(OUTPUTS) - silent,
        )

    def parameter_groups(
        self, net: CxrNet, trunk_factor: float
    ) -> list[ParameterGroup]:
        """Trunk and heads; the pyramid learns like a head."""
        trunk = [p for p in net.backbone.parameters() if p.requires_grad]
        in_trunk = {id(parameter) for parameter in net.backbone.parameters()}
        heads = [p for p in net.parameters() if id(p) not in in_trunk]
        return [
            {"params": trunk, "factor": trunk_factor, "pretrained": True},
            {"params": heads, "factor": 1.0, "pretrained": False},
        ]

    def collate(self, shown: Sequence[Example]) -> tuple[Tensor, Targets]:
        """Stack examples."""
        return collate(shown)

    def losses(
        self, net: CxrNet, images: Tensor, targets: Targets
    ) -> dict[str, Tensor]:
        """Losses of all heads that are trained."""
        return cast("dict[str, Tensor]", net(images, targets))

    def outputs(self, net: CxrNet, images: Tensor) -> list[Outputs]:
        """Answer by torchvision's own detection, padded as the graph pads."""
        answer: NetworkAnswer = net(images)
        count = net.recipe.detections
        return [
            {
                **_padded(found, count),
                "dense": _array(answer["dense"][place]),
                "image": _array(answer["image"][place]),
            }
            for place, found in enumerate(answer["detections"])
        ]

    def export(self, net: CxrNet, path: Path) -> Graph:
        """Write the batched graph."""
        batched = BatchedNet(net)
        write_graph(batched, path, batched.size_px, batched.instances)
        return Graph(instances=batched.instances, opset=OPSET)

    def narrowed(
        self, net: CxrNet, width: int, films: Sequence[NDArray[np.float32]]
    ) -> CxrNet:
        """Narrow the bottlenecks of a ResNet-50 or -101."""
        return narrowed(net, width, films)


def _padded(found: Detections, count: int) -> dict[str, NDArray[np.float32]]:
    """Put the instances, surest first, into arrays of K."""
    order = found["scores"].argsort(descending=True)[:count]
    boxes = np.zeros((count, 4), np.float32)
    scores = np.zeros(count, np.float32)
    masks = np.zeros((count, MASK_SIZE_PX, MASK_SIZE_PX), np.float32)
    boxes[: len(order)] = _array(found["boxes"][order])
    scores[: len(order)] = _array(found["scores"][order])
    masks[: len(order)] = _array(found["masks"][order, 0])
    return {"boxes": boxes, "scores": scores, "masks": masks}


def _array(values: Tensor) -> NDArray[np.float32]:
    # autocast leaves bfloat16, which numpy does not know
    return np.asarray(values.float().cpu().numpy(), np.float32)
