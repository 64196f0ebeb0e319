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
    heads = ["run", "differs in", "learned from", "looked at", "steps"]
    heads += SCORES.values()
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for run, recipe in zip(runs, recipes, strict=True):
        scores = _last_scores(run)
        cells = [run.name, ", ".join(_differences(recipes[0], recipe)) or "-"]
        cells += [*_films(run, recipe), f"{scores['step']:.0f}"]
        cells += [_shown(scores.get(name, math.nan)) for name in SCORES]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, *_cautions(runs)]) + "\n"


def _about(run: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((run / "run.json").read_text(encoding="utf-8")))
    except OSError:
        return {}  # of an older program
    except (ValueError, TypeError) as error:
        raise TrainingError(f"{run / 'run.json'}: not JSON") from error


def _films(run: Path, recipe: Mapping[str, Any]) -> tuple[str, str]:
    """Say what a run learned from, and whether what it looked at was held out."""
    about = _about(run)
    fold = recipe.get("data", {}).get("validation_fold")
    folds = "all folds" if fold is None else f"all folds but {fold}"
    learned = f"{folds}, {about.get('films_learned', '?')} films"
    known = about.get("held_out_but_learned_from")
    films = about.get("films_held_out", "?")
    looked = f"{'no fold' if fold is None else f'fold {fold}'}, {films} films"
    if known is None or about.get("held_out_but_unknown"):
        return learned, f"{looked}, held out or not: not told"
    if known:
        return learned, f"{looked}, **not held out: {known} learned from**"
    return learned, f"{looked}, held out"


def _cautions(runs: Sequence[Path]) -> list[str]:
    """Say it when runs were not looked at on the same films."""
    looked = {_about(run).get("held_out_digest") for run in runs}
    if len(looked) == 1 and None not in looked:
        return []
    if None in looked:
        return ["", "Not every run tells which films it was looked at on."]
    return ["", "Not looked at on the same films: the scores do not compare."]


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
