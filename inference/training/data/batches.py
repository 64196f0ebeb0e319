"""Which examples are shown at which step, and the batches made of them.

Nothing here has memory: step and seed decide everything, so that a resumed run is
shown what the uninterrupted one would have been.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.errors import TrainingError
from inference.training.data.dataset import Sample
from inference.training.data.render import RenderCache
from inference.training.data.transforms import Example, example
from inference.training.recipe.recipe import Recipe
from inference.training.recipe.showing import SamplingRecipe

Collate = Callable[[Sequence[Example]], tuple[Tensor, Any]]

_CACHE_MARGIN = 1.125  # rendered a little larger than shown, for zoom and rotation


def sampling_weights(
    samples: Sequence[Sample], recipe: SamplingRecipe
) -> NDArray[np.float64]:
    """Probability of each sample at every draw."""
    cells = Counter((sample.kind, sample.source) for sample in samples)
    share: dict[str, float] = defaultdict(float)
    for (kind, _), count in cells.items():
        share[kind] += float(np.sqrt(count))
    weights = np.array(
        [
            getattr(recipe, sample.kind)
            / (np.sqrt(cells[sample.kind, sample.source]) * share[sample.kind])
            for sample in samples
        ],
        np.float64,
    )
    if weights.sum() <= 0:
        raise TrainingError("recipe: sampling: no image has a weight above 0")
    return np.asarray(weights / weights.sum(), np.float64)


def one_sided_sources(samples: Sequence[Sample]) -> set[str]:
    """Name the sources that show under a tenth of sick, or of healthy, known films."""
    sick: Counter[str] = Counter()
    known: Counter[str] = Counter()
    for sample in samples:
        if sample.opacity_known:
            known[sample.source] += 1
            sick[sample.source] += bool(sample.opacities)
    return {
        source
        for source, count in known.items()
        if not 0.1 <= sick[source] / count <= 0.9  # noqa: PLR2004  the tenths of the docstring
    }


class Batches:
    """Training batches by step.

    Parameters
    ----------
    samples
        Training samples.
    recipe
        The run's recipe.
    cache
        Rendered samples.
    collate
        Stacks examples as the network wants them.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        recipe: Recipe,
        cache: RenderCache,
        collate: Collate,
    ) -> None:
        self._collate = collate
        self._samples = samples
        self._recipe = recipe
        self._cache = cache
        self._weights = sampling_weights(samples, recipe.sampling)
        self._one_sided = one_sided_sources(samples)
        step = recipe.network.input_px * _CACHE_MARGIN
        self._cache_px = int(np.ceil(step / 64) * 64)

    def size_px(self, step: int) -> int:
        """Input size of this step."""
        schedule = self._recipe.schedule
        small = step < schedule.small_steps
        return schedule.small_px if small else self._recipe.network.input_px

    def at(self, step: int) -> tuple[Tensor, Any]:
        """Images (N, 1, S, S) and targets of a step."""
        schedule = self._recipe.schedule
        rng = np.random.default_rng([schedule.seed, step])
        indices = rng.choice(len(self._samples), schedule.batch, p=self._weights)
        shown = [
            self._example(
                self._samples[index],
                self.size_px(step),
                np.random.default_rng([schedule.seed, step, slot]),
            )
            for slot, index in enumerate(indices)
        ]
        return self._collate(shown)

    def _example(
        self, sample: Sample, size_px: int, rng: np.random.Generator
    ) -> Example:
        rendered = self._cache.get(sample, self._cache_px)
        recipe = self._recipe
        made = example(sample, rendered, size_px, recipe.data, recipe.augmentation, rng)
        if sample.source in self._one_sided:
            made.image_weight[0] *= recipe.losses.one_sided_source
        return made


def to_device(value: Any, device: torch.device) -> Any:
    """Move every tensor of a batch, however its truth is nested."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, Mapping):
        return {name: to_device(part, device) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [to_device(part, device) for part in value]
    return value
