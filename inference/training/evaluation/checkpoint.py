"""A training checkpoint behind the runner's four verbs, for a look before export."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from inference.manifest import ModelManifest
from inference.models import sha256_of
from inference.runners.runner import RunnerDescription
from inference.tasks.task import Outputs
from inference.training.architectures.table import architecture_of
from inference.training.checkpoint import load_to_serve


class CheckpointRunner:
    """Runs a checkpoint in torch, eagerly.

    Parameters
    ----------
    checkpoint
        ``best.pt`` or ``last.pt`` of a run.

    Raises
    ------
    TrainingError
        The checkpoint is missing or corrupt, or was trained on equalised films.
    """

    def __init__(self, checkpoint: Path) -> None:
        net, recipe = load_to_serve(checkpoint)
        self._net = net.eval()
        self._architecture = architecture_of(recipe.network)
        self._manifest = ModelManifest(
            name=checkpoint.stem,
            version="checkpoint",
            sha256=sha256_of(checkpoint),
            input_size_px=recipe.network.input_px,
            max_instances=self._architecture.answering(recipe.network).instances,
            intended_use="evaluation of a training run",
            licence="not for distribution",
            training_data_digest="",
            task=self._architecture.task,
        )

    @property
    def manifest(self) -> ModelManifest:
        """Default thresholds: none have been fixed yet."""
        return self._manifest

    def load(self) -> None:
        """Do nothing: it was loaded when made."""

    def close(self) -> None:
        """Do nothing: nothing is held."""

    def describe(self) -> RunnerDescription:
        """Name torch; a checkpoint is looked at on the CPU."""
        return RunnerDescription(f"torch {torch.__version__}", ("CPU",))

    def run(self, batch: NDArray[np.float32]) -> list[Outputs]:
        """Answer a batch, in its order."""
        with torch.inference_mode():
            return self._architecture.outputs(self._net, torch.from_numpy(batch))
