"""The task as runners and ensembles see it."""

from collections.abc import Sequence

from inference.errors import ManifestInvalid
from inference.manifest import ModelManifest
from inference.tasks.opacity.fuse import fuse, unflipped
from inference.tasks.opacity.prediction import (
    LABEL,
    OUTPUTS,
    Prediction,
    shapes_of,
)
from inference.tasks.task import Outputs, Shapes


class OpacityTask:
    """Outline lungs and opacities, and score the film as a whole."""

    def check(self, manifest: ModelManifest) -> None:
        """Refuse other labels and other outputs."""
        rules = (
            (f"labels are not [{LABEL!r}]", manifest.labels == (LABEL,)),
            (f"outputs are not {list(OUTPUTS)}", manifest.outputs == OUTPUTS),
        )
        wrong = [text for text, holds in rules if not holds]
        if wrong:
            raise ManifestInvalid(f"{manifest.name}: {'; '.join(wrong)}")

    def shapes(self, manifest: ModelManifest) -> Shapes:
        """Say what the graph of such a model must give for one image."""
        return shapes_of(manifest)

    def decode(self, outputs: Outputs) -> Prediction:
        """Read the outputs of one image."""
        return Prediction.of(outputs)

    def unflipped(self, outputs: Outputs, size_px: int) -> Outputs:
        """Turn what was said of a mirror image into an answer about the film."""
        return unflipped(Prediction.of(outputs), size_px).outputs

    def fuse(self, answers: Sequence[Outputs]) -> Outputs:
        """Average maps and film scores, fuse boxes."""
        return fuse([Prediction.of(one) for one in answers]).outputs
