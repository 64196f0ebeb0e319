"""``cxr-node compare``: runs side by side, in a Markdown table.

Says in which settings each run differs from the first, and what their last looks at
the held-out fold were worth.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from inference.errors import TrainingError
from inference.training.curves import read_columns

SCORES: Mapping[str, str] = {
    "right_lung_dice": "right lung Dice",
    "left_lung_dice": "left lung Dice",
    "opacity_dice": "opacity Dice, dense",
    "instance_dice": "opacity Dice, instances",
    "severity_mae": "severity MAE",
    "severity_pearson": "severity r",
    "auroc": "AUROC all",
    "auroc_mixed": "AUROC mixed sources",
}


def compare(runs: Sequence[Path]) -> str:
    """Tabulate runs.

    Parameters
    ----------
    runs
        Folders of finished runs: the first is what the others are compared with.

    Returns
    -------
        Markdown.

    Raises
    ------
    TrainingError
        A folder holds no run, or one that was never validated.
    """
    recipes = [_recipe(run) for run in runs]
    heads = ["run", "differs in", "steps", *SCORES.values()]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for run, recipe in zip(runs, recipes, strict=True):
        scores = _last_scores(run)
        cells = [run.name, ", ".join(_differences(recipes[0], recipe)) or "-"]
        cells += [f"{scores['step']:.0f}"]
        cells += [_shown(scores.get(name, math.nan)) for name in SCORES]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _recipe(run: Path) -> dict[str, Any]:
    path = run / "recipe.json"
    try:
        recipe: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path}: not the recipe of a run") from error
    return recipe


def _last_scores(run: Path) -> dict[str, float]:
    columns = read_columns(run / "validation.csv")
    if not columns:
        raise TrainingError(f"{run}: was never validated")
    return {name: values[-1] for name, values in columns.items()}


def _differences(base: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """Yield ``table.key = value`` of every setting that is another."""
    for table, settings in other.items():
        if not isinstance(settings, Mapping):
            continue
        for key, value in settings.items():
            if value != base.get(table, {}).get(key):
                yield f"{table}.{key} = {json.dumps(value)}"


def _shown(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
