"""Everything a training run is told: data, network, sampling, augmentation, schedule.

A recipe is a TOML file; unknown keys are refused with their path. Tables under
``[variant.NAME]`` are laid over the rest of the file, so that the published choices
stand ready side by side.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from inference.errors import TrainingError
from inference.training.architectures.mask_rcnn.recipe import MaskRcnnNetwork
from inference.training.recipe.data import DataRecipe
from inference.training.recipe.schedule import LossWeights, ScheduleRecipe
from inference.training.recipe.showing import AugmentationRecipe, SamplingRecipe
from inference.training.recipe.table import Table

# The union, on ``kind``, of the tables of all architectures: one so far.
Network = MaskRcnnNetwork


class Recipe(Table):
    """A whole training run.

    ``losses.one_sided_source`` is the weight of the image-level opacity loss for
    images of a source that shows (nearly) only sick or only healthy films: such a
    source teaches its own looks rather than the disease.
    """

    name: str = "reference"
    data: DataRecipe = DataRecipe()
    network: Network = Network()
    sampling: SamplingRecipe = SamplingRecipe()
    augmentation: AugmentationRecipe = AugmentationRecipe()
    schedule: ScheduleRecipe = ScheduleRecipe()
    losses: LossWeights = LossWeights()

    def holding_out(self, fold: int | None) -> Self:
        """Give the same recipe with another validation fold."""
        data = self.data.model_copy(update={"validation_fold": fold})
        return self.model_copy(update={"data": data})


def read_recipe(path: Path, variant: str | None = None) -> Recipe:
    """Read a TOML recipe, with one of its variants laid over it.

    Raises
    ------
    TrainingError
        The file is missing or malformed, or has an unknown key or variant.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"{path}: no such recipe") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: not TOML: {error}") from error
    variants = table.pop("variant", {})
    if variant is not None:
        if variant not in variants:
            known = ", ".join(sorted(variants)) or "none"
            raise TrainingError(f"{path}: no variant {variant!r} (there are: {known})")
        table = _laid_over(table, {"name": variant} | variants[variant])
    return recipe_of(table, str(path))


def recipe_of(table: Mapping[str, Any], place: str) -> Recipe:
    """Check a recipe given as plain data.

    Raises
    ------
    TrainingError
        With the path of the first key that is wrong.
    """
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        unknown = first["type"] == "extra_forbidden"
        what = "unknown key" if unknown else first["msg"]
        raise TrainingError(f"{place}: {key}: {what}") from error


def _laid_over(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = _laid_over(below, value)
        else:
            merged[key] = value
    return merged
