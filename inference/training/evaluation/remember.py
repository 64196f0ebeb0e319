"""Answers kept on disk, so that a film is shown to a network once.

Tuning, measuring and measuring again with other thresholds ask the same network about
the same films; only the first time costs anything.
"""

import hashlib
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from inference.manifest import ModelManifest
from inference.runners.runner import ModelRunner, RunnerDescription
from inference.tasks.task import Outputs


class RememberingRunner:
    """Asks the runner behind it only what it was never asked before.

    Parameters
    ----------
    runner
        The network; loaded.
    folder
        Where answers are kept, by digest of model and input; made when missing.
    """

    def __init__(self, runner: ModelRunner, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._runner = runner
        self._folder = folder

    @property
    def manifest(self) -> ModelManifest:
        """The one of the runner behind it."""
        return self._runner.manifest

    def load(self) -> None:
        """Make the runner behind it ready."""
        self._runner.load()

    def describe(self) -> RunnerDescription:
        """Say where the runner behind it runs."""
        return self._runner.describe()

    def close(self) -> None:
        """Give the runner behind it back; what is kept stays."""
        self._runner.close()

    def run(self, batch: NDArray[np.float32]) -> list[Outputs]:
        """Answer a batch, in its order."""
        paths = [self._path(image) for image in batch]
        new = [place for place, path in enumerate(paths) if not path.is_file()]
        if new:
            for place, answer in zip(new, self._runner.run(batch[new]), strict=True):
                _keep(paths[place], answer)
        return [_recall(path) for path in paths]

    def _path(self, image: NDArray[np.float32]) -> Path:
        told = self.manifest.sha256.encode() + np.ascontiguousarray(image).tobytes()
        return self._folder / f"{hashlib.sha256(told).hexdigest()[:32]}.npz"


def _keep(path: Path, answer: Outputs) -> None:
    partial = path.with_suffix(".part.npz")
    np.savez(partial, **cast("Any", answer))
    partial.replace(path)


def _recall(path: Path) -> Outputs:
    with np.load(path, allow_pickle=False) as kept:
        return {name: kept[name] for name in kept.files}
