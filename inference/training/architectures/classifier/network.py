"""Trunks, their pooled features joined, and one new head of two scores."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from inference.errors import TrainingError
from inference.training.architectures.classifier.recipe import ClassifierNetwork
from inference.training.architectures.classifier.trunks import FeatureTrunk
from inference.training.architectures.stored import read_state

_OWN = "backbone."


class JoinedTrunks(nn.ModuleDict):
    """Trunks by name, all asked about the same films."""

    def forward(self, colour: Tensor) -> list[Tensor]:
        """Give the features of each trunk."""
        return [trunk(colour) for trunk in self.values()]


class ClassifierNet(nn.Module):
    """Any opacity, and frontal; one logit each.

    Parameters
    ----------
    recipe
        Its shape.
    """

    def __init__(self, recipe: ClassifierNetwork) -> None:
        super().__init__()
        self.recipe = recipe
        self.backbone = JoinedTrunks(
            {
                name: FeatureTrunk(name, stride_in_1x1=recipe.stride_in_1x1)
                for name in dict.fromkeys(recipe.trunks)
            }
        )
        width = sum(trunk.channels for trunk in self.trunks)
        self.dropout = nn.Dropout(recipe.dropout)
        self.head = nn.Linear(width, 2)

    @property
    def trunks(self) -> Sequence[FeatureTrunk]:
        """The trunks, in the order of the recipe."""
        return [one for one in self.backbone.values() if isinstance(one, FeatureTrunk)]

    def maps(self, images: Tensor) -> list[Tensor]:
        """Give the features of each trunk (N, C, H, W)."""
        grey = (images - self.recipe.grey_mean) / self.recipe.grey_std
        colour = grey.repeat(1, 3, 1, 1)
        found: list[Tensor] = self.backbone(colour)
        return found

    def logits(self, maps: Sequence[Tensor]) -> Tensor:
        """Pool the maps, join them, and answer (N, 2)."""
        pooled = torch.cat([one.mean(dim=(2, 3)) for one in maps], dim=1)
        answer: Tensor = self.head(self.dropout(pooled))
        return answer

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Score films (N, 1, S, S) in [0, 1]."""
        return {"image": self.logits(self.maps(images)).sigmoid()}


def build(recipe: ClassifierNetwork) -> ClassifierNet:
    """Make the network and, when the recipe names weights, start from them.

    Raises
    ------
    TrainingError
        The weights are missing or do not fit.
    """
    net = ClassifierNet(recipe)
    if recipe.weights is not None:
        _initialise(net, recipe.weights)
    return net


def _initialise(net: ClassifierNet, path: Path) -> None:
    if path.is_dir():
        for name, trunk in zip(net.backbone, net.trunks, strict=True):
            trunk.initialise(path / f"{name}.pth")
        return
    if path.suffix != ".npz" and any(one.startswith(_OWN) for one in read_state(path)):
        try:
            net.load_state_dict(read_state(path))
        except RuntimeError as error:
            raise TrainingError(f"{path}: of another network than this") from error
        return
    if len(net.trunks) > 1:
        raise TrainingError(
            f"{path}: one file for {len(net.trunks)} trunks; name a folder with"
            f" {', '.join(f'{name}.pth' for name in net.backbone)}"
        )
    net.trunks[0].initialise(path)
