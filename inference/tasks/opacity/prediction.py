"""What a network of this task says about one image, and how it is laid out.

Letters: S the side of the square input, K instances per image.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.manifest import ModelManifest
from inference.tasks.task import Outputs, Shapes

LABEL = "lung_opacity"
OUTPUTS = ("boxes", "scores", "masks", "dense", "image")
MASK_SIZE_PX = 28
DENSE_CHANNELS = ("opacity", "right lung", "left lung")
_IMAGE_SCORES = ("any opacity", "frontal")


def shapes_of(manifest: ModelManifest) -> Shapes:
    """Shape of every output for one image."""
    count, half = manifest.max_instances, manifest.input_size_px // 2
    return {
        "boxes": (count, 4),
        "scores": (count,),
        "masks": (count, MASK_SIZE_PX, MASK_SIZE_PX),
        "dense": (len(DENSE_CHANNELS), half, half),
        "image": (len(_IMAGE_SCORES),),
    }


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the network says about one image.

    Parameters
    ----------
    boxes
        float32 (K, 4): x1, y1, x2, y2 in network pixels, 0 <= x1 <= x2 <= S.
    scores
        float32 (K,) in [0, 1], descending; 0 marks padding.
    masks
        float32 (K, 28, 28) in [0, 1]: probability inside the box.
    dense
        float32 (3, S/2, S/2) in [0, 1]: opacity, right lung, left lung.
    image
        float32 (2,) in [0, 1]: any opacity, frontal chest radiograph.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    masks: NDArray[np.float32]
    dense: NDArray[np.float32]
    image: NDArray[np.float32]

    @classmethod
    def of(cls, outputs: Outputs) -> "Prediction":
        """Read what the graph gave."""
        return cls(**{name: outputs[name] for name in OUTPUTS})

    @property
    def outputs(self) -> Outputs:
        """As the graph would give it."""
        return {name: getattr(self, name) for name in OUTPUTS}
