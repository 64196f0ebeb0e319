"""The seam to whatever runs a network: arrays in, named arrays per image out.

What the named arrays mean is for the task that the manifest names, not for a runner.
Letters: N images, S the side of the square input.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference.manifest import ModelManifest
from inference.tasks.task import Outputs


@dataclass(frozen=True, slots=True)
class RunnerDescription:
    """Where a network runs.

    Parameters
    ----------
    engine
        What runs it, such as ``ONNX Runtime 1.20.1``.
    devices
        What it runs on, the first choice first, such as ``CPU``; empty until loaded.
    threads
        Of one run on the CPU; 0 when the engine chooses.
    """

    engine: str
    devices: tuple[str, ...] = ()
    threads: int = 0


class ModelRunner(Protocol):
    """Four verbs: load, run, describe, close."""

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
        ManifestInvalid
            No task can read what such a model gives.
        ModelFailed
            The network cannot be loaded.
        ModelUnreachable
            The engine does not answer.
        """
        ...

    def run(self, batch: NDArray[np.float32]) -> list[Outputs]:
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
        ModelUnreachable
            The engine does not answer; no smaller batch would fare better.
        """
        ...

    def describe(self) -> RunnerDescription:
        """Say where the network runs."""
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
