"""Every architecture, by the ``kind`` that stands in recipes."""

from collections.abc import Mapping
from typing import Any

from inference.errors import TrainingError
from inference.training.architectures.architecture import Architecture
from inference.training.architectures.classifier.architecture import Classifier
from inference.training.architectures.mask_rcnn.architecture import MaskRcnn
from inference.training.architectures.segmenter.architecture import Segmenter
from inference.training.architectures.ssd.architecture import Ssd
from inference.training.recipe.table import NetworkTable

ARCHITECTURES: Mapping[str, Architecture[Any, Any]] = {
    "mask_rcnn": MaskRcnn(),
    "classifier": Classifier(),
    "segmenter": Segmenter(),
    "ssd": Ssd(),
}


def architecture_of(network: NetworkTable) -> Architecture[Any, Any]:
    """Give the architecture that a recipe's network is of.

    Raises
    ------
    TrainingError
        It is of none: the baseline without pixels has no network.
    """
    if network.kind not in ARCHITECTURES:
        raise TrainingError(f"recipe: network.kind: {network.kind} has no network")
    return ARCHITECTURES[network.kind]
