"""The seam to a network: all that the training house asks of one.

Loop, checkpoints, validation, overlays, export and evaluation see a network through
these verbs, and its answers as the named arrays of its task: just what the exported
graph gives. A new network is a folder here, its row in ``table`` and its member in the
recipe's union.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from inference.tasks.task import Outputs
from inference.training.data.samples import Sample
from inference.training.data.transforms import Example
from inference.training.recipe.table import NetworkTable

Shape_contra = TypeVar("Shape_contra", bound=NetworkTable, contravariant=True)
Net = TypeVar("Net", bound=nn.Module)


class ParameterGroup(TypedDict):
    """Parameters that learn at this share of the heads' rate.

    ``pretrained`` ones may rest at first, while the heads catch up.
    """

    params: list[nn.Parameter]
    factor: float
    pretrained: bool


@dataclass(frozen=True, slots=True)
class Answering:
    """What the answers of a network hold.

    Parameters
    ----------
    instances
        K: instances per image at most.
    least_score
        Score below which no instance is told.
    taught
        Names of the outputs whose heads are trained; the others say nothing.
    """

    instances: int
    least_score: float
    taught: frozenset[str]


@dataclass(frozen=True, slots=True)
class Graph:
    """What the manifest must say of an exported graph."""

    instances: int
    opset: int


class Architecture(Protocol[Shape_contra, Net]):
    """A kind of network: how it is made, taught, asked and exported."""

    @property
    def task(self) -> str:
        """Name of the task whose outputs it gives."""
        ...

    def shaped(self, recipe: Shape_contra) -> Net:
        """Make one at random, for the weights of a checkpoint."""
        ...

    def build(self, recipe: Shape_contra) -> Net:
        """Make one that starts from the recipe's weights, its frozen stages frozen.

        Raises
        ------
        TrainingError
            The weights are missing or do not fit.
        """
        ...

    def lacking(self, learned: Sequence[Sample]) -> str | None:
        """Say which labels such a network needs and these films do not have."""
        ...

    def answering(self, recipe: Shape_contra) -> Answering:
        """Say what the answers of such a network hold."""
        ...

    def parameter_groups(self, net: Net, trunk_factor: float) -> list[ParameterGroup]:
        """Tell what was pretrained from what was not; frozen parameters are left out.

        Parameters
        ----------
        net
            The network.
        trunk_factor
            What was pretrained learns at this share of the heads' rate.
        """
        ...

    def collate(self, shown: Sequence[Example]) -> tuple[Tensor, Any]:
        """Stack examples: images (N, 1, S, S) and the truth as ``losses`` wants it."""
        ...

    def losses(self, net: Net, images: Tensor, targets: Any) -> dict[str, Tensor]:
        """Losses of a batch, by their names in the recipe's ``[losses]``."""
        ...

    def outputs(self, net: Net, images: Tensor) -> list[Outputs]:
        """Answer a batch (N, 1, S, S), each image as the exported graph would."""
        ...

    def export(self, net: Net, path: Path) -> Graph:
        """Write the network as one ONNX graph of float32, its batch size free.

        Weights and nodes of the pretrained part stand under ``/backbone/``, which is
        what an 8-bit graph is 8-bit in.
        """
        ...

    def narrowed(
        self, net: Net, width: int, films: Sequence[NDArray[np.float32]]
    ) -> Net:
        """Copy a network with a narrower trunk, fitted on films to answer as before.

        Raises
        ------
        TrainingError
            The width does not fit, or there is nothing to narrow.
        """
        ...
