"""SSDLite behind the seam of the training house."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from inference.errors import TrainingError
from inference.tasks.task import Outputs
from inference.training.architectures.architecture import (
    Answering,
    Graph,
    ParameterGroup,
)
from inference.training.architectures.graph import asked, grouped, write_laid
from inference.training.architectures.ssd.network import SsdNet, build
from inference.training.architectures.ssd.recipe import SsdNetwork
from inference.training.architectures.targets import Targets, collate
from inference.training.data.samples import Sample
from inference.training.data.transforms import Example


class Ssd:
    """A film to boxes; it outlines nothing and knows no lungs."""

    @property
    def task(self) -> str:
        """The task whose outputs it gives."""
        return "opacity"

    def shaped(self, recipe: SsdNetwork) -> SsdNet:
        """Make one at random."""
        return SsdNet(recipe)

    def build(self, recipe: SsdNetwork) -> SsdNet:
        """Make one that starts from the recipe's weights."""
        return build(recipe)

    def lacking(self, learned: Sequence[Sample]) -> str | None:
        """Want films on which every opacity is boxed."""
        boxed = any(one.opacities and one.exhaustive for one in learned)
        return None if boxed else "no film has all its opacities boxed"

    def answering(self, recipe: SsdNetwork) -> Answering:
        """Say what its answers hold: boxes, and film scores that follow from them."""
        return Answering(
            instances=recipe.detections,
            least_score=recipe.score_threshold,
            taught=frozenset({"boxes", "scores", "image"}),
        )

    def parameter_groups(
        self, net: SsdNet, trunk_factor: float
    ) -> list[ParameterGroup]:
        """Trunk and heads."""
        started = net.recipe.weights is not None
        return grouped(net, net.backbone, trunk_factor if started else 1.0)

    def collate(self, shown: Sequence[Example]) -> tuple[Tensor, Targets]:
        """Stack examples."""
        return collate(shown)

    def losses(
        self, net: SsdNet, images: Tensor, targets: Targets
    ) -> dict[str, Tensor]:
        """Losses of anchors; zero where no film of the batch is fully boxed."""
        return net.losses(images, list(targets["instances"]))

    def outputs(self, net: SsdNet, images: Tensor) -> list[Outputs]:
        """Answer as the graph would."""
        return asked(net, images)

    def export(self, net: SsdNet, path: Path) -> Graph:
        """Write the graph."""
        return write_laid(net, path, net.recipe.input_px, net.recipe.detections)

    def narrowed(
        self, net: SsdNet, width: int, films: Sequence[NDArray[np.float32]]
    ) -> SsdNet:
        """Refuse: only residual trunks of the Mask R-CNN are narrowed."""
        del net, films
        raise TrainingError(f"an SSD is not narrowed to {width}")
