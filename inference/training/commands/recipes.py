"""``cxr-node recipes``: every recipe of a folder, its source and what it gives."""

from pathlib import Path

from inference.errors import TrainingError
from inference.training.architectures.classifier.recipe import ClassifierNetwork
from inference.training.architectures.mask_rcnn.recipe import MaskRcnnNetwork
from inference.training.architectures.segmenter.recipe import SegmenterNetwork
from inference.training.recipe.recipe import Recipe, read_recipe, variants_of


def read_all(folder: Path) -> list[tuple[Path, Recipe]]:
    """Read every recipe of a folder, by name.

    Raises
    ------
    TrainingError
        There is none, or one of them is wrong.
    """
    if not folder.is_dir():
        raise TrainingError(f"{folder}: no such folder of recipes")
    paths = sorted(folder.glob("*.toml"))
    if not paths:
        raise TrainingError(f"{folder}: no recipe (NAME.toml) in it")
    return [(path, read_recipe(path)) for path in paths]


def told_recipes(folder: Path) -> str:
    """List them for people: a paragraph each."""
    return "\n".join(_paragraph(path, recipe) for path, recipe in read_all(folder))


def _paragraph(path: Path, recipe: Recipe) -> str:
    about = recipe.about
    lines = [f"{path.stem}: {shape_of(recipe)}"]
    variants = ", ".join(variants_of(path))
    told = (
        ("from", about.source),
        ("gives", about.gives),
        ("lacks", about.lacks),
        ("variants", variants),
    )
    lines += [f"  {word:8} {text}" for word, text in told if text]
    return "\n".join(lines)


def shape_of(recipe: Recipe) -> str:
    """Name the network in a few words."""
    network = recipe.network
    if isinstance(network, ClassifierNetwork):
        what = "classifier " + " + ".join(network.trunks)
    elif isinstance(network, SegmenterNetwork):
        plain = f"{network.block_layers} x {network.filters} plain"
        what = f"U-Net {plain if network.encoder == 'plain' else network.encoder}"
    elif isinstance(network, MaskRcnnNetwork):
        what = f"Mask R-CNN {network.backbone}"
    elif network.kind == "columns":
        return "support vector machine on columns, no pixels"
    else:
        what = "SSDLite MobileNetV3"
    return f"{what}, {network.input_px} px"
