"""Every architecture, by the ``kind`` that stands in recipes."""

from collections.abc import Mapping
from typing import Any

from inference.training.architectures.architecture import Architecture
from inference.training.architectures.mask_rcnn.architecture import MaskRcnn
from inference.training.recipe.table import NetworkTable

ARCHITECTURES: Mapping[str, Architecture[Any, Any]] = {
    "mask_rcnn": MaskRcnn(),
}


def architecture_of(network: NetworkTable) -> Architecture[Any, Any]:
    """Give the architecture that a recipe's network is of."""
    return ARCHITECTURES[network.kind]
