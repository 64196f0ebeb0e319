"""Which films are learned from, and which are only looked at."""

from collections.abc import Sequence
from hashlib import sha256

from inference.errors import TrainingError
from inference.training.data.samples import Sample


def split(
    samples: Sequence[Sample],
    validation_folds: Sequence[int],
    left_out: Sequence[str] = (),
) -> tuple[list[Sample], list[Sample]]:
    """Learned from, and only looked at.

    Raises
    ------
    TrainingError
        Nothing is left to learn from, or nothing is in a fold or of a source to look
        at.
    """

    def aside(sample: Sample) -> bool:
        return sample.fold in validation_folds or sample.source in left_out

    learned = [sample for sample in samples if not aside(sample)]
    held_out = [sample for sample in samples if aside(sample)]
    if absent := set(left_out) - {sample.source for sample in held_out}:
        raise TrainingError(
            f"recipe: data.left_out: no image is of the source {min(absent)}"
        )
    if not learned:
        raise TrainingError("recipe: data.validation_fold: no image is in another")
    if empty := set(validation_folds) - {sample.fold for sample in held_out}:
        raise TrainingError(
            f"recipe: data.validation_fold: no image is in fold {min(empty)}"
        )
    return learned, held_out


def some(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Take so many of the samples, in an order that means nothing; 0 takes all."""
    if not count:
        return list(samples)
    dealt = sorted(samples, key=lambda one: sha256(one.key.encode()).digest())
    return dealt[:count]
