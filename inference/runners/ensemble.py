"""Several models, or one model on a film and its mirror image, as one ModelRunner.

How several answers become one is the task's business. It costs as many runs of the
network as it has members.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inference.errors import ManifestInvalid
from inference.manifest import ModelManifest
from inference.runners.runner import ModelRunner, RunnerDescription
from inference.tasks.table import task_of
from inference.tasks.task import Outputs


class Ensemble:
    """Asks every member and gives one answer.

    Parameters
    ----------
    members
        Models of one task and one input size; thresholds and calibration are the
        first one's.
    flip
        Whether each is asked about the mirror image too.

    Raises
    ------
    ManifestInvalid
        There is no member, they want inputs of different sizes, or they are not for
        one task.
    """

    def __init__(self, members: Sequence[ModelRunner], *, flip: bool = False) -> None:
        if len({one.manifest.input_size_px for one in members}) != 1:
            raise ManifestInvalid("an ensemble wants models of one input size")
        if len({one.manifest.task for one in members}) != 1:
            raise ManifestInvalid("an ensemble wants models of one task")
        self._members = tuple(members)
        self._flip = flip

    @property
    def manifest(self) -> ModelManifest:
        """The first member's, with the name and the digest of all together."""
        members = [one.manifest for one in self._members]
        parts = [one.name for one in members] + ["flip"] * self._flip
        digests = [one.sha256 for one in members] + ["flip"] * self._flip
        return replace(
            members[0],
            name=".".join(parts)[:64],
            sha256=hashlib.sha256(" ".join(digests).encode()).hexdigest(),
        )

    def load(self) -> None:
        """Make every member ready."""
        for one in self._members:
            one.load()

    def run(self, batch: NDArray[np.float32]) -> list[Outputs]:
        """Answer a batch, in its order."""
        task = task_of(self._members[0].manifest)
        answers = [one.run(batch) for one in self._members]
        if self._flip:
            mirrored = np.ascontiguousarray(batch[..., ::-1])
            size = batch.shape[-1]
            answers += [
                [task.unflipped(answer, size) for answer in one.run(mirrored)]
                for one in self._members
            ]
        return [task.fuse(several) for several in zip(*answers, strict=True)]

    def describe(self) -> RunnerDescription:
        """Say where the first member runs; the others run beside it."""
        return self._members[0].describe()

    def close(self) -> None:
        """Give every member back."""
        for one in self._members:
            one.close()
