"""``cxr-node bench-models``: every recipe under the same budget, one table."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inference.errors import TrainingError
from inference.training.bench.row import BenchRow
from inference.training.bench.run import Budget, tried
from inference.training.bench.table import write_table
from inference.training.commands.recipes import read_all
from inference.training.data.dataset import ReadFrame
from inference.training.evaluation.films import on_data, told
from inference.training.recipe.recipe import Recipe

ROW = "row.json"
"""A recipe's figures, in its folder: what has one is not trained again."""


def bench_models(  # noqa: PLR0913  the command's options, one for one
    folder: Path,
    data: Sequence[Path],
    output: Path,
    budget: Budget,
    *,
    folds: tuple[int, ...],
    only: Sequence[str] = (),
    read_frame: ReadFrame,
) -> str:
    """Train and measure the recipes of a folder; gives the table as Markdown.

    Raises
    ------
    TrainingError
        There is no such recipe, or one of them is wrong.
    """
    recipes = [recipe for _, recipe in read_all(folder)]
    names = [recipe.name for recipe in recipes]
    if unknown := sorted(set(only) - set(names)):
        raise TrainingError(f"{folder}: no recipe {unknown[0]!r}")
    wanted = [one for one in recipes if not only or one.name in only]
    rows = [
        _one(_fitted(recipe, data, folds, output), budget, output, read_frame)
        for recipe in wanted
    ]
    about = {
        "films": told(data),
        "held-out folds": ", ".join(map(str, folds)),
        "budget": f"{budget.minutes:g} minutes of training each"
        if budget.steps is None
        else f"{budget.steps} steps each",
        "seed": wanted[0].schedule.seed,
    }
    return write_table(output, rows, about)


def _fitted(
    recipe: Recipe, data: Sequence[Path], folds: tuple[int, ...], output: Path
) -> Recipe:
    """Put a recipe on the films of the bench, which it shares with the others."""
    fold = folds[0] if len(folds) == 1 else folds
    moved = on_data(recipe, data).holding_out(fold)
    shared = moved.data.model_copy(update={"cache": output / "films"})
    return moved.model_copy(update={"data": shared})


def _one(
    recipe: Recipe, budget: Budget, output: Path, read_frame: ReadFrame
) -> BenchRow:
    kept = output / recipe.name / ROW
    if kept.is_file():
        return _read_row(kept)
    row = tried(recipe, budget, output / recipe.name, read_frame)
    if not row.error:
        text = json.dumps(asdict(row), indent=1) + "\n"
        kept.write_text(text, encoding="utf-8")
    return row


def _read_row(path: Path) -> BenchRow:
    try:
        table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return BenchRow(**table)
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(f"{path}: not a row of the table") from error
