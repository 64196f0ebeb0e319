"""``cxr-node recipes``: every recipe of a folder, its source and what it gives."""

from pathlib import Path

from inference.errors import TrainingError
from inference.training.recipe.recipe import Recipe, read_recipe, variants_of
from inference.training.recipe.shape import shape_of


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
