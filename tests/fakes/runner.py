"""A ModelRunner that answers as told, and lifelike answers to tell it."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from inference.errors import InferenceError, ModelFailed
from inference.manifest import Calibration, ModelManifest, Thresholds
from inference.runners.runner import RunnerDescription, check_batch
from inference.tasks.opacity.prediction import MASK_SIZE_PX, Prediction
from inference.tasks.task import Outputs

# A box as fractions of the picture: x1, y1, x2, y2.
FractionBox = tuple[float, float, float, float]
RIGHT_LUNG: FractionBox = (0.14, 0.14, 0.46, 0.84)
LEFT_LUNG: FractionBox = (0.54, 0.14, 0.86, 0.84)


def scripted_manifest(
    *, input_size_px: int = 128, max_instances: int = 8, **changes
) -> ModelManifest:
    """A manifest for models that exist only in tests."""
    values = {
        "name": "scripted",
        "version": "1",
        "sha256": "0" * 64,
        "intended_use": "tests",
        "licence": "Apache-2.0",
        "training_data_digest": "0" * 64,
        "thresholds": Thresholds(),
        "calibration": Calibration(),
    }
    return ModelManifest(
        input_size_px=input_size_px, max_instances=max_instances, **(values | changes)
    )


def ellipse(size: int, box: FractionBox) -> NDArray[np.float32]:
    """A soft-edged ellipse that fills the box, probability 0.02 to 0.98."""
    x1, y1, x2, y2 = (value * size for value in box)
    rows, columns = np.mgrid[:size, :size] + 0.5
    radius = np.hypot(
        (columns - (x1 + x2) / 2) / ((x2 - x1) / 2),
        (rows - (y1 + y2) / 2) / ((y2 - y1) / 2),
    )
    edge = (1 - radius) * min(x2 - x1, y2 - y1) / 2
    return np.clip(0.5 + edge / 4, 0.02, 0.98).astype(np.float32)


def chest_prediction(
    manifest: ModelManifest,
    opacities: Sequence[tuple[FractionBox, float]] = (),
    *,
    right_lung: FractionBox = RIGHT_LUNG,
    left_lung: FractionBox = LEFT_LUNG,
    any_opacity: float | None = None,
    frontal: float = 0.99,
) -> Prediction:
    """What a good network says of a chest with these (box, score) opacities.

    Boxes are fractions of the square input; opacities and lungs are ellipses.
    """
    size, count = manifest.input_size_px, manifest.max_instances
    ordered = sorted(opacities, key=lambda item: -item[1])[:count]
    boxes = np.zeros((count, 4), dtype=np.float32)
    scores = np.zeros(count, dtype=np.float32)
    masks = np.zeros((count, MASK_SIZE_PX, MASK_SIZE_PX), dtype=np.float32)
    dense = np.zeros((3, size // 2, size // 2), dtype=np.float32)
    for index, (box, score) in enumerate(ordered):
        boxes[index] = np.multiply(box, size)
        scores[index] = score
        masks[index] = ellipse(MASK_SIZE_PX, (0, 0, 1, 1))
        dense[0] = np.maximum(dense[0], ellipse(size // 2, box))
    dense[1] = ellipse(size // 2, right_lung)
    dense[2] = ellipse(size // 2, left_lung)
    if any_opacity is None:
        any_opacity = float(scores.max(initial=0.02))
    image = np.array([any_opacity, frontal], dtype=np.float32)
    return Prediction(boxes, scores, masks, dense, image)


Answer = Prediction | InferenceError
Script = Callable[[NDArray[np.float32]], Answer]


class ScriptedRunner:
    """Answers every image through a script.

    Parameters
    ----------
    script
        From one image (1, S, S) to its Prediction, or an error to raise for the whole
        batch; by default every image is a chest with one opacity.
    manifest
        What it claims to be.
    """

    def __init__(
        self, script: Script | None = None, manifest: ModelManifest | None = None
    ) -> None:
        self._manifest = manifest or scripted_manifest()
        self._script = script or self._one_opacity
        self._loaded = False
        self.batches: list[int] = []

    def _one_opacity(self, image: NDArray[np.float32]) -> Prediction:
        del image
        return chest_prediction(self._manifest, [((0.2, 0.5, 0.38, 0.7), 0.9)])

    @property
    def manifest(self) -> ModelManifest:
        """What it claims to be."""
        return self._manifest

    def describe(self) -> RunnerDescription:
        """Where it runs: nowhere."""
        return RunnerDescription("script", ("Scripted",) if self._loaded else ())

    def load(self) -> None:
        """Make ready."""
        self._loaded = True

    def run(self, batch: NDArray[np.float32]) -> list[Outputs]:
        """Answer; ``batches`` remembers the sizes."""
        if not self._loaded:
            raise ModelFailed("the model is not loaded")
        wrong = check_batch(batch, self._manifest.input_size_px)
        if wrong is not None:
            raise ModelFailed(wrong)
        self.batches.append(len(batch))
        return [self._answer(image) for image in batch]

    def _answer(self, image: NDArray[np.float32]) -> Outputs:
        answer = self._script(image)
        if isinstance(answer, InferenceError):
            raise answer
        return answer.outputs

    def close(self) -> None:
        """Forget that it was loaded."""
        self._loaded = False
