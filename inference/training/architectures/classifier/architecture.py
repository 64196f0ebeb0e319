"""Classifiers behind the seam of the training house."""

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
from inference.training.architectures.classifier.network import ClassifierNet, build
from inference.training.architectures.classifier.recipe import ClassifierNetwork
from inference.training.architectures.graph import asked, grouped, write_laid
from inference.training.architectures.losses import image_losses
from inference.training.architectures.targets import Targets, collate
from inference.training.data.samples import Sample
from inference.training.data.transforms import Example


class Classifier:
    """A film to two scores; it says nothing of where."""

    @property
    def task(self) -> str:
        """The task whose outputs it gives."""
        return "opacity"

    def shaped(self, recipe: ClassifierNetwork) -> ClassifierNet:
        """Make one at random."""
        return ClassifierNet(recipe)

    def build(self, recipe: ClassifierNetwork) -> ClassifierNet:
        """Make one that starts from the recipe's weights."""
        return build(recipe)

    def lacking(self, learned: Sequence[Sample]) -> str | None:
        """Want films that show opacity, and films verified to show none."""
        told = {one.positive for one in learned if one.frontal}
        for wanted, words in ((True, "shows opacity"), (False, "is verified clean")):
            if wanted not in told:
                return f"no film {words}"
        return None

    def answering(self, recipe: ClassifierNetwork) -> Answering:
        """Say what its answers hold: the film's scores."""
        del recipe
        return Answering(instances=1, least_score=0.0, taught=frozenset({"image"}))

    def parameter_groups(
        self, net: ClassifierNet, trunk_factor: float
    ) -> list[ParameterGroup]:
        """Trunks and head."""
        started = net.recipe.weights is not None
        return grouped(net, net.backbone, trunk_factor if started else 1.0)

    def collate(self, shown: Sequence[Example]) -> tuple[Tensor, Targets]:
        """Stack examples."""
        return collate(shown)

    def losses(
        self, net: ClassifierNet, images: Tensor, targets: Targets
    ) -> dict[str, Tensor]:
        """Cross-entropy of both scores, sick films weighing as the recipe says."""
        truth, weight = targets["image"], targets["image_weight"].clone()
        weight[:, 0] *= 1 + (net.recipe.positive_weight - 1) * truth[:, 0]
        return image_losses(net.logits(net.maps(images)).float(), truth, weight)

    def outputs(self, net: ClassifierNet, images: Tensor) -> list[Outputs]:
        """Answer as the graph would."""
        return asked(net, images)

    def export(self, net: ClassifierNet, path: Path) -> Graph:
        """Write the graph."""
        return write_laid(net, path, net.recipe.input_px, 1)

    def narrowed(
        self, net: ClassifierNet, width: int, films: Sequence[NDArray[np.float32]]
    ) -> ClassifierNet:
        """Refuse: only residual trunks of the Mask R-CNN are narrowed."""
        del net, films
        raise TrainingError(f"a classifier is not narrowed to {width}")
