"""A training checkpoint behind the runner's three verbs, for a look before export."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from inference.manifest import ModelManifest, sha256_of
from inference.runners.runner import MASK_SIZE_PX, Prediction
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
        self._manifest = ModelManifest(
            name=checkpoint.stem,
            version="checkpoint",
            sha256=sha256_of(checkpoint),
            input_size_px=recipe.network.input_px,
            max_instances=recipe.network.detections,
            intended_use="evaluation of a training run",
            licence="not for distribution",
            training_data_digest="",
        )

    @property
    def manifest(self) -> ModelManifest:
        """Default thresholds: none have been fixed yet."""
        return self._manifest

    def load(self) -> None:
        """Do nothing: it was loaded when made."""

    def close(self) -> None:
        """Do nothing: nothing is held."""

    def run(self, batch: NDArray[np.float32]) -> list[Prediction]:
        """Answer a batch, in its order."""
        with torch.inference_mode():
            answer = self._net(torch.from_numpy(batch))
        return [
            self._prediction(
                found, answer["dense"][place].numpy(), answer["image"][place].numpy()
            )
            for place, found in enumerate(answer["detections"])
        ]

    def _prediction(
        self,
        found: dict[str, torch.Tensor],
        dense: NDArray[np.float32],
        image: NDArray[np.float32],
    ) -> Prediction:
        count = self._manifest.max_instances
        boxes = np.zeros((count, 4), np.float32)
        scores = np.zeros(count, np.float32)
        masks = np.zeros((count, MASK_SIZE_PX, MASK_SIZE_PX), np.float32)
        order = found["scores"].argsort(descending=True)[:count]
        boxes[: len(order)] = found["boxes"][order].numpy()
        scores[: len(order)] = found["scores"][order].numpy()
        masks[: len(order)] = found["masks"][order, 0].numpy()
        return Prediction(boxes, scores, masks, dense, image)
