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
from inference.training.data.dataset import Kind, Sample
from inference.training.data.render import RenderCache
from inference.training.data.transforms import Example, example
from inference.training.recipe.recipe import Recipe
from inference.training.recipe.showing import SamplingRecipe

Collate = Callable[[Sequence[Example]], tuple[Tensor, Any]]

_SICK: tuple[Kind, ...] = ("mask", "box")
_CACHE_MARGIN = 1.125  # rendered a little larger than shown, for zoom and rotation


def sampling_weights(
    samples: Sequence[Sample], recipe: SamplingRecipe
) -> NDArray[np.float64]:
    """Probability of each sample at every draw."""
    if recipe.by == "source":
        return _weights_by_source(samples, recipe)
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
    factors = [recipe.sources.get(sample.source, 1.0) for sample in samples]
    return _normalised(weights * factors)


def _weights_by_source(
    samples: Sequence[Sample], recipe: SamplingRecipe
) -> NDArray[np.float64]:
    """Draw a source, then whether sick or clean, then a film of a kind of these."""
    cells = Counter((sample.source, sample.kind) for sample in samples)
    sizes = Counter(sample.source for sample in samples)
    one_sided = one_sided_sources(samples, recipe.one_sided)
    share = {
        source: _kind_shares(
            {kind: count for (name, kind), count in cells.items() if name == source},
            recipe,
            balanced=source not in one_sided,
        )
        for source in sizes
    }
    weights = [
        recipe.sources.get(sample.source, 1.0)
        * np.sqrt(sizes[sample.source])
        * share[sample.source][sample.kind]
        / cells[sample.source, sample.kind]
        for sample in samples
    ]
    return _normalised(np.array(weights, np.float64))


def _kind_shares(
    counts: Mapping[Kind, int], recipe: SamplingRecipe, *, balanced: bool
) -> dict[Kind, float]:
    """Share of each kind in its source, 1 in all.

    Sick films are shown as often as clean ones; in a source that has hardly any of one
    of both, every known film as often as any other, lest a few be learned by heart.
    """
    share: dict[Kind, float] = {kind: float(getattr(recipe, kind)) for kind in counts}
    sick = sum(share.get(kind, 0.0) for kind in _SICK)
    clean = share.get("negative", 0.0)
    if sick > 0 and clean > 0:
        ill = sum(counts.get(kind, 0) for kind in _SICK)
        part = 0.5 if balanced else ill / (ill + counts["negative"])
        factors = dict.fromkeys(_SICK, part * (sick + clean) / sick)
        factors["negative"] = (1 - part) * (sick + clean) / clean
        share = {kind: value * factors.get(kind, 1.0) for kind, value in share.items()}
    total = sum(share.values())
    return {kind: value / total if total else 0.0 for kind, value in share.items()}


def _normalised(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    if weights.sum() <= 0:
        raise TrainingError("recipe: sampling: no image has a weight above 0")
    return np.asarray(weights / weights.sum(), np.float64)


def one_sided_sources(samples: Sequence[Sample], named: Sequence[str] = ()) -> set[str]:
    """Name the sources that show under a tenth of sick, or of healthy, known films.

    Parameters
    ----------
    samples
        Films of all sources.
    named
        Sources that are taken for such whatever they show.
    """
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
    } | set(named)


def cached_px(input_px: int) -> int:
    """Side of the square that films are kept at for a network of this input."""
    return int(np.ceil(input_px * _CACHE_MARGIN / 64) * 64)


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
        self._one_sided = one_sided_sources(samples, recipe.sampling.one_sided)
        self._cache_px = cached_px(recipe.network.input_px)

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
