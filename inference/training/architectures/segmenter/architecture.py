"""U-Nets behind the seam of the training house."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from inference.errors import TrainingError
from inference.tasks.task import Outputs
from inference.training.architectures.architecture import (
    Answering,
    Graph,
    ParameterGroup,
)
from inference.training.architectures.graph import asked, grouped, write_laid
from inference.training.architectures.losses import dense_losses
from inference.training.architectures.segmenter.network import SegmenterNet, build
from inference.training.architectures.segmenter.recipe import SegmenterNetwork
from inference.training.architectures.targets import Targets, collate
from inference.training.data.samples import Sample
from inference.training.data.transforms import Example


class Segmenter:
    """A film to maps of opacity and lungs; it counts no opacities."""

    @property
    def task(self) -> str:
        """The task whose outputs it gives."""
        return "opacity"

    def shaped(self, recipe: SegmenterNetwork) -> SegmenterNet:
        """Make one at random."""
        return SegmenterNet(recipe)

    def build(self, recipe: SegmenterNetwork) -> SegmenterNet:
        """Make one that starts from the recipe's weights."""
        return build(recipe)

    def lacking(self, learned: Sequence[Sample]) -> str | None:
        """Want a region: an opacity or a lung."""
        drawn = any(one.kind in {"mask", "box", "lungs"} for one in learned)
        lungs = any(one.right_lung or one.left_lung for one in learned)
        return None if drawn or lungs else "no opacity and no lung is outlined"

    def answering(self, recipe: SegmenterNetwork) -> Answering:
        """Say what its answers hold: maps, and film scores that follow from them."""
        del recipe
        taught = frozenset({"dense", "image"})
        return Answering(instances=1, least_score=0.0, taught=taught)

    def parameter_groups(
        self, net: SegmenterNet, trunk_factor: float
    ) -> list[ParameterGroup]:
        """Tell the encoder from the rest."""
        encoder = getattr(net.backbone, "encoder", nn.Module())  # none: all are heads
        started = net.recipe.weights is not None
        return grouped(net, encoder, trunk_factor if started else 1.0)

    def collate(self, shown: Sequence[Example]) -> tuple[Tensor, Targets]:
        """Stack examples."""
        return collate(shown)

    def losses(
        self, net: SegmenterNet, images: Tensor, targets: Targets
    ) -> dict[str, Tensor]:
        """Cross-entropy and Dice of the maps."""
        return dense_losses(net.logits(images).float(), targets["dense"])

    def outputs(self, net: SegmenterNet, images: Tensor) -> list[Outputs]:
        """Answer as the graph would."""
        return asked(net, images)

    def export(self, net: SegmenterNet, path: Path) -> Graph:
        """Write the graph."""
        return write_laid(net, path, net.recipe.input_px, 1)

    def narrowed(
        self, net: SegmenterNet, width: int, films: Sequence[NDArray[np.float32]]
    ) -> SegmenterNet:
        """Refuse: only residual trunks of the Mask R-CNN are narrowed."""
        del net, films
        raise TrainingError(f"a U-Net is not narrowed to {width}")
