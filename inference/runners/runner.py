"""The seam to whatever runs the network: arrays in, one Prediction per image out.

Letters: N images, S the side of the square input, K instances per image.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference.manifest import ModelManifest

MASK_SIZE_PX = 28
DENSE_CHANNELS = ("opacity", "right lung", "left lung")


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


class ModelRunner(Protocol):
    """Three verbs: load, run, close."""

    @property
    def manifest(self) -> ModelManifest:
        """The model's manifest; there before ``load``."""
        ...

    def load(self) -> None:
        """Make ready to run; again is harmless.

        Raises
        ------
        DigestMismatch
            The model file is not the one its manifest describes.
        ModelFailed
            The network cannot be loaded.
        """
        ...

    def run(self, batch: NDArray[np.float32]) -> list[Prediction]:
        """Answer a batch, in its order.

        Parameters
        ----------
        batch
            float32 (N, 1, S, S) in [0, 1], N >= 1.

        Raises
        ------
        OutOfMemory
            The batch is too large for the device; the caller may split it.
        ModelFailed
            Not loaded, a batch of another shape, or the network failed.
        """
        ...

    def close(self) -> None:
        """Give everything back; again is harmless."""
        ...


def check_batch(batch: NDArray[np.float32], size_px: int) -> str | None:
    """Say what is wrong with a batch; ``None`` when nothing is."""
    if batch.dtype != np.float32:
        return f"the batch is {batch.dtype}, not float32"
    if not batch.shape or not len(batch) or batch.shape[1:] != (1, size_px, size_px):
        return f"the batch is {batch.shape}, not (N, 1, {size_px}, {size_px})"
    return None
