"""Everything a training run is told: data, network, sampling, augmentation, schedule.

A recipe is a TOML file; unknown keys are refused with their path. Tables under
``[variant.NAME]`` are laid over the rest of the file, so that the published choices
stand ready side by side.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Discriminator, Tag, ValidationError

from inference.errors import TrainingError
from inference.training.architectures.classifier.recipe import ClassifierNetwork
from inference.training.architectures.mask_rcnn.from_graph import model_of
from inference.training.architectures.mask_rcnn.recipe import MaskRcnnNetwork
from inference.training.architectures.segmenter.recipe import SegmenterNetwork
from inference.training.architectures.ssd.recipe import SsdNetwork
from inference.training.columns.recipe import ColumnsNetwork
from inference.training.recipe.about import About
from inference.training.recipe.data import DataRecipe
from inference.training.recipe.schedule import LossWeights, ScheduleRecipe
from inference.training.recipe.showing import AugmentationRecipe, SamplingRecipe
from inference.training.recipe.table import Table

RECIPE_FILE = "recipe.json"
"""A recipe with all defaults written out, in the folder of a run or of a model."""

_KINDS = ("mask_rcnn", "classifier", "segmenter", "ssd", "columns")


def _kind(table: object) -> object:
    """Tell which member of the union a table is of; no ``kind`` is Mask R-CNN."""
    if isinstance(table, Mapping):
        return table.get("kind", _KINDS[0])
    return getattr(table, "kind", _KINDS[0])


Network = Annotated[
    Annotated[MaskRcnnNetwork, Tag("mask_rcnn")]
    | Annotated[ClassifierNetwork, Tag("classifier")]
    | Annotated[SegmenterNetwork, Tag("segmenter")]
    | Annotated[SsdNetwork, Tag("ssd")]
    | Annotated[ColumnsNetwork, Tag("columns")],
    Discriminator(
        _kind,
        custom_error_type="unknown_kind",
        custom_error_message=f"not one of: {', '.join(_KINDS)}",
    ),
]
"""The tables of all architectures, told apart by ``kind``."""


class Recipe(Table):
    """A whole training run.

    ``losses.one_sided_source`` is the weight of the image-level opacity loss for
    images of a source that shows (nearly) only sick or only healthy films: such a
    source teaches its own looks rather than the disease.
    """

    name: str = "reference"
    about: About = About()
    data: DataRecipe = DataRecipe()
    network: Network = MaskRcnnNetwork()
    sampling: SamplingRecipe = SamplingRecipe()
    augmentation: AugmentationRecipe = AugmentationRecipe()
    schedule: ScheduleRecipe = ScheduleRecipe()
    losses: LossWeights = LossWeights()

    def holding_out(self, fold: int | tuple[int, ...] | None) -> Self:
        """Give the same recipe with another validation fold, or several."""
        data = self.data.model_copy(update={"validation_fold": fold})
        return self.model_copy(update={"data": data})

    def portable(self) -> Self:
        """Leave of every path what means something on another machine."""
        data = self.data.model_copy(
            update={
                "coco": tuple(_shortened(one) for one in self.data.coco),
                "rsna": tuple(_shortened(one) for one in self.data.rsna),
                "classes": tuple(_shortened(one) for one in self.data.classes),
                "not_frontal": tuple(_last(one) for one in self.data.not_frontal),
                "cache": None,
            }
        )
        update = {"data": data, "network": _shortened(self.network)}
        return self.model_copy(update=update)


def _shortened(table: Table) -> Table:
    paths = {name: _last(value) for name, value in table if isinstance(value, Path)}
    return table.model_copy(update=paths)


def _last(path: Path) -> Path:
    return Path(*path.parts[-2:])


def read_recipe(path: Path, variant: str | None = None) -> Recipe:
    """Read a TOML recipe, with one of its variants laid over it.

    Raises
    ------
    TrainingError
        The file is missing or malformed, or has an unknown key or variant.
    """
    table = _read_table(path)
    variants = table.pop("variant", {})
    if variant is not None:
        if variant not in variants:
            known = ", ".join(sorted(variants)) or "none"
            raise TrainingError(f"{path}: no variant {variant!r} (there are: {known})")
        table = _laid_over(table, {"name": variant} | variants[variant])
    return recipe_of(_started(table, path), str(path))


def variants_of(path: Path) -> list[str]:
    """Name the variants of a recipe.

    Raises
    ------
    TrainingError
        The file is missing or malformed.
    """
    return sorted(_read_table(path).get("variant", {}))


def _read_table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"{path}: no such recipe") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: not TOML: {error}") from error


def _started(table: dict[str, Any], place: Path) -> dict[str, Any]:
    """Take the shape of a network that starts from a model from that model."""
    network = table.get("network")
    if not isinstance(network, Mapping):
        return table
    weights = network.get("weights")
    if not isinstance(weights, str) or not weights:
        return table
    folder = model_of(Path(weights))
    if folder is None or not (folder / RECIPE_FILE).is_file():
        return table
    try:
        shape = json.loads((folder / RECIPE_FILE).read_text("utf-8"))["network"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{place}: {folder / RECIPE_FILE}: no recipe") from error
    return table | {"network": {**shape, **network}}


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
        key = ".".join(_named(first["loc"]))
        if first["type"] == "unknown_kind":
            key += ".kind"
        unknown = first["type"] == "extra_forbidden"
        what = "unknown key" if unknown else first["msg"]
        raise TrainingError(f"{place}: {key}: {what}") from error


def _named(place: Sequence[int | str]) -> list[str]:
    """Name the keys on the way to a value; the member of the union is none."""
    keys = [str(part) for part in place]
    union = len(keys) > 1 and keys[0] == "network" and keys[1] in _KINDS
    return [keys[0], *keys[2:]] if union else keys


def _laid_over(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = _laid_over(below, value)
        else:
            merged[key] = value
    return merged
