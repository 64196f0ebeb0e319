"""The seam to what a model is for: what its graph gives, and what that means.

A runner gives named arrays and knows no more; the manifest names the task that reads
them.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference.manifest import ModelManifest

Outputs = Mapping[str, NDArray[np.float32]]
"""What a graph gives for one image, by the names in the manifest."""
Shapes = Mapping[str, tuple[int, ...]]
"""Shape of each of them."""


class Task(Protocol):
    """What the outputs of a model mean."""

    def check(self, manifest: ModelManifest) -> None:
        """Refuse a manifest that does not fit the task.

        Raises
        ------
        ManifestInvalid
            Its labels or the names of its outputs are others.
        """
        ...

    def shapes(self, manifest: ModelManifest) -> Shapes:
        """Say what the graph of such a model must give for one image."""
        ...

    def decode(self, outputs: Outputs) -> object:
        """Read the outputs of one image: the task's own prediction."""
        ...

    def unflipped(self, outputs: Outputs, size_px: int) -> Outputs:
        """Turn what was said of a mirror image of that size into one of the film."""
        ...

    def fuse(self, answers: Sequence[Outputs]) -> Outputs:
        """Make one answer of several about the same film; one or more."""
        ...
