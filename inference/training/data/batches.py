"""Which examples are shown at which step, and the batches made of them.

Nothing here has memory: step and seed decide everything, so that a resumed run is
shown what the uninterrupted one would have been.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.errors import TrainingError
from inference.training.architectures.mask_rcnn.losses import DenseTarget
from inference.training.architectures.mask_rcnn.network import InstanceTarget, Targets
from inference.training.data.dataset import Sample
from inference.training.data.render import RenderCache
from inference.training.data.transforms import Example, example
from inference.training.recipe.recipe import Recipe, SamplingRecipe

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
        if not 0.1 <= sick[source] / count <= 0.9  # noqa: PLR2004
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
    """

    def __init__(
        self, samples: Sequence[Sample], recipe: Recipe, cache: RenderCache
    ) -> None:
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

    def at(self, step: int) -> tuple[torch.Tensor, Targets]:
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
        return collate(shown)

    def _example(
        self, sample: Sample, size_px: int, rng: np.random.Generator
    ) -> Example:
        rendered = self._cache.get(sample, self._cache_px)
        recipe = self._recipe
        made = example(sample, rendered, size_px, recipe.data, recipe.augmentation, rng)
        if sample.source in self._one_sided:
            made.image_weight[0] *= recipe.losses.one_sided_source
        return made


def collate(shown: Sequence[Example]) -> tuple[torch.Tensor, Targets]:
    """Stack examples."""
    images = torch.from_numpy(np.stack([one.image for one in shown])[:, None])
    dense = DenseTarget(
        truth=torch.from_numpy(np.stack([one.truth for one in shown])),
        weight=torch.from_numpy(np.stack([one.weight for one in shown])),
        overlap=torch.from_numpy(np.stack([one.overlap for one in shown])),
    )
    image = np.stack([one.image_truth for one in shown])
    image_weight = np.stack([one.image_weight for one in shown])
    targets = Targets(
        instances=[_instances(one) for one in shown],
        dense=dense,
        image=torch.from_numpy(image),
        image_weight=torch.from_numpy(image_weight),
    )
    return images, targets


def _instances(one: Example) -> InstanceTarget:
    return InstanceTarget(
        boxes=torch.from_numpy(one.boxes),
        labels=torch.ones(len(one.boxes), dtype=torch.int64),
        masks=torch.from_numpy(one.masks),
        has_mask=torch.from_numpy(one.has_mask),
        known=one.known,
        exhaustive=one.exhaustive,
    )


def to_device(
    images: Tensor, targets: Targets, device: torch.device
) -> tuple[Tensor, Targets]:
    """Move a batch."""

    def moved(value: object) -> object:
        return value.to(device) if isinstance(value, Tensor) else value

    instances = [
        {name: moved(value) for name, value in one.items()}
        for one in targets["instances"]
    ]
    dense = {name: moved(value) for name, value in targets["dense"].items()}
    rest = {name: moved(targets[name]) for name in ("image", "image_weight")}
    return images.to(device), cast(
        "Targets", {"instances": instances, "dense": dense, **rest}
    )
