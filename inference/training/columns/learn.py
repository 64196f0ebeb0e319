"""A support vector machine on columns, and the report that says what it is worth.

Its near-perfect figures come from the box columns, which are the answer: the report
drops them, and shuffles each column in turn.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from inference.errors import TrainingError
from inference.training.columns.features import (
    BOX,
    FILM,
    NAMES,
    PERSON,
    ColumnTable,
    Floats,
    tabulate,
)
from inference.training.columns.recipe import ColumnsNetwork
from inference.training.data.dataset import read_samples
from inference.training.data.split import split
from inference.training.evaluation.scores import classification
from inference.training.evaluation.scores.bootstrap import (
    ConfidenceInterval,
    interval,
)
from inference.training.recipe.recipe import Recipe

CHOICES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("all columns", NAMES),
    ("without the box columns", (*PERSON, *FILM)),
    ("age, sex and view alone", PERSON),
)
REPLICATES = 500
_REPEATS = 10
_LEAK = (
    "The box columns are the answer: a film has a box if, and only if, somebody found"
    " opacity on it, and no film comes with one. Whatever is reached with them is a"
    " leak, not a diagnosis. The other rows tell how far a network could come by the"
    " look of patient and device alone: an image model must beat them."
)


@dataclass(frozen=True, slots=True)
class ColumnScore:
    """Held-out figures of one choice of columns."""

    columns: str
    accuracy: float
    f1: float
    auroc: ConfidenceInterval


def learn_columns(
    recipe: Recipe, output: Path, *, replicates: int = REPLICATES
) -> Path:
    """Learn, measure on the held-out folds, and write ``report.md`` and its data.

    Returns
    -------
        The report.

    Raises
    ------
    TrainingError
        The recipe is of a network, nothing is held out, or one class is missing.
    """
    if not isinstance(recipe.network, ColumnsNetwork):
        raise TrainingError("recipe: network.kind: not the baseline without pixels")
    samples = read_samples(recipe.data)
    mine, theirs = split(samples, recipe.data.held_out, recipe.data.left_out)
    table, held_out = tabulate(mine), tabulate(theirs)
    for name, part in (("learned from", table), ("held out", held_out)):
        if not part.positive.any() or part.positive.all():
            raise TrainingError(
                f"recipe: data: the films that are {name} do not show both: opacity,"
                " and verified none"
            )
    scores = [
        measure_columns(recipe, (table, held_out), choice, names, replicates)
        for choice, names in CHOICES
    ]
    found: dict[str, Any] = {
        "films_learned": len(table.positive),
        "films_held_out": len(held_out.positive),
        "scores": [asdict(one) for one in scores],
        "importance": _importance(recipe, table, held_out),
    }
    output.mkdir(parents=True, exist_ok=True)
    stored = recipe.model_dump_json(indent=2) + "\n"
    (output / "recipe.json").write_text(stored, encoding="utf-8")
    text = json.dumps(found, indent=1) + "\n"
    (output / "columns.json").write_text(text, encoding="utf-8")
    report = output / "report.md"
    report.write_text(_markdown(found, scores), encoding="utf-8")
    return report


def measure_columns(
    recipe: Recipe,
    tables: tuple[ColumnTable, ColumnTable],
    choice: str,
    names: Sequence[str],
    replicates: int = REPLICATES,
) -> ColumnScore:
    """Learn from some columns and judge on films that were held out."""
    table, held_out = tables
    machine = _machine(recipe).fit(table.only(names), table.positive)
    said = machine.decision_function(held_out.only(names))
    rows = list(zip(said.tolist(), held_out.positive.tolist(), strict=True))
    called = machine.predict(held_out.only(names)).astype(bool)
    return ColumnScore(
        choice,
        float((called == held_out.positive).mean()),
        float(f1_score(held_out.positive, called, zero_division=0.0)),
        interval(rows, held_out.groups, _auroc, replicates=replicates),
    )


def _auroc(rows: Sequence[tuple[float, bool]]) -> float:
    scores, positive = (np.array(part) for part in zip(*rows, strict=True))
    return classification.auroc(scores.astype(np.float64), positive.astype(bool))


def _machine(recipe: Recipe) -> Any:
    network = recipe.network
    assert isinstance(network, ColumnsNetwork)  # noqa: S101  learn_columns has looked
    return make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(),
        SVC(
            C=network.cost,
            kernel=network.kernel,
            class_weight="balanced",
            random_state=recipe.schedule.seed,
        ),
    )


def _importance(
    recipe: Recipe, table: ColumnTable, held_out: ColumnTable
) -> dict[str, float]:
    """Tell how much AUROC is lost when values change places among the films.

    Of each column, and of the box columns together: any of these tells what the others
    do, so that one alone is not missed.
    """
    machine = _machine(recipe).fit(table.values, table.positive)
    rng = np.random.default_rng(recipe.schedule.seed)

    def area(values: Floats) -> float:
        said = machine.decision_function(values)
        return classification.auroc(said, held_out.positive)

    whole = area(held_out.values)
    groups = {name: [name] for name in NAMES} | {"all box columns": list(BOX)}
    lost = {}
    for title, names in groups.items():
        places = [NAMES.index(name) for name in names]
        areas = []
        for _ in range(_REPEATS):
            shuffled = held_out.values.copy()
            order = rng.permutation(len(shuffled))
            shuffled[:, places] = shuffled[order][:, places]
            areas.append(area(shuffled))
        lost[title] = whole - float(np.mean(areas))
    return lost


def _markdown(found: dict[str, Any], scores: Sequence[ColumnScore]) -> str:
    lines = [
        "# What columns tell without the film",
        "",
        f"Films: {found['films_learned']} learned, {found['films_held_out']} held out.",
        "",
        "| columns | accuracy | F1 | AUROC | 95 % |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.columns} | {one.accuracy:.3f} | {one.f1:.3f} |"
        f" {one.auroc.value:.3f} | {one.auroc.low:.3f} to {one.auroc.high:.3f} |"
        for one in scores
    ]
    lines += [
        "",
        _LEAK,
        "",
        "AUROC lost when values are shuffled among the held-out films:",
        "",
        "| column | lost |",
        "|---|---|",
    ]
    ranked = sorted(found["importance"].items(), key=lambda one: -one[1])
    lines += [f"| {name} | {lost:.3f} |" for name, lost in ranked]
    return "\n".join(lines) + "\n"
