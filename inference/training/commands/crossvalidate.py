"""``cxr-node crossvalidate``: a model per fold, one honest report.

Every film is shown to the network that never learned from its fold, and judged with
thresholds, calibration and intervals that were fixed on the films of the other folds.
With ``fix`` a model folder's manifest gets what is fixed on all of them together.
In place of folds there may be sources: what a network is worth at a place that it never
saw.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from inference.errors import TrainingError
from inference.manifest import ModelManifest, read_manifest, write_manifest
from inference.runners.runner import ModelRunner
from inference.training.commands.card import write_card
from inference.training.commands.evaluate import learned_by, open_models, write
from inference.training.commands.tune import see, sharp
from inference.training.data.dataset import ReadFrame, Sample, read_picture
from inference.training.evaluation.cases import Case, Stranger
from inference.training.evaluation.films import read_data, told
from inference.training.evaluation.scores.bootstrap import REPLICATES
from inference.training.evaluation.serving import Look, judge, meet
from inference.training.evaluation.tuning.conformal import (
    crosswise,
    measured_intervals,
)
from inference.training.evaluation.tuning.studies import Study
from inference.training.evaluation.tuning.tune import tune
from inference.training.learned import Learned
from inference.training.recipe.recipe import RECIPE_FILE

logger = logging.getLogger(__name__)

_LEAST_FOLDS = 2

Part = int | tuple[int, ...] | str
"""A fold, several that are held out together, or a source by its name."""


def crossvalidate(  # noqa: PLR0913  the command's options, one for one
    models: Mapping[Part, Sequence[Path] | ModelRunner],
    data: Path | Sequence[Path],
    output: Path,
    *,
    flip: bool = False,
    fix: Path | None = None,
    remember: Path | None = None,
    read_frame: ReadFrame = read_picture,
    replicates: int = REPLICATES,
) -> dict[str, Any]:
    """Measure one model per held-out fold and write one report.

    Parameters
    ----------
    models
        Part -> model folders or checkpoints that were trained without it (several
        answer as one), or a loaded runner.
    data
        As for ``evaluate``.
    output
        Folder for the report.
    flip
        Whether models from paths are asked about the mirror image of every film too.
    fix
        Model folder whose thresholds and calibration are fixed on all folds.
    remember
        Folder in which the networks' answers are kept and looked up.
    read_frame
        Reads pictures.
    replicates
        Of the bootstrap.

    Returns
    -------
        The table that stands in ``metrics.json``.

    Raises
    ------
    TrainingError
        Fewer than two parts, or data that are wrong or too few.
    """
    if len(models) < _LEAST_FOLDS:
        raise TrainingError("cross-validation wants the models of two folds or more")
    learned = _checked(models)
    looked: dict[Part, tuple[list[Study], list[Look]]] = {}
    manifests: list[ModelManifest] = []
    known: dict[str, bool | None] = {}
    for part, model in models.items():
        films, others = _films_of(
            part, data, learned[part], dicom=read_frame is not read_picture
        )
        _refuse_learned(part, films, learned[part])
        known |= {film.key: learned[part].knows(film) for film in films}
        if isinstance(model, Sequence):
            runner = open_models(model, remember=remember, flip=flip)
        else:
            runner = model
        with closing(runner):
            manifests.append(runner.manifest)
            looked[part] = see(runner, films, others, read_frame)
    start = manifests[0] if fix is None else read_manifest(fix)
    judged, met = _judge(looked, start, read_frame)
    cases = [replace(case, learned=known[case.key]) for _, case in judged]
    cases = crosswise(cases, [part for part, _ in judged])
    if fix is not None:
        intervals = measured_intervals(cases)
        tuned = tune(*_together(looked), start)
        write_manifest(fix, replace(tuned, severity_intervals=intervals))
    about = {
        "model": _told(models, flip=flip),
        "fused": flip or max(map(_size, models.values())) > 1,
        "cross_validated": True,
        "data": told(data),
        "folds": _listed(models),
        "thresholds": "fixed on the other folds",
        "calibration": "fixed on the other folds",
    }
    table = write(output, cases, met, about, replicates)
    if fix is not None:
        _renew_card(fix, output / "metrics.json", models)
    return table


def _films_of(
    part: Part, data: Path | Sequence[Path], learned: Learned, *, dicom: bool
) -> tuple[list[Sample], list[Sample]]:
    """Find the films of a part, and the pictures to be refused that go with it."""
    if isinstance(part, str):
        films, _ = read_data(data, sources=[part], dealt_into=learned.folds)
        return films, []
    folds = (part,) if isinstance(part, int) else part
    return read_data(data, folds, dicom=dicom, dealt_into=learned.folds)


def _listed(parts: Iterable[Part]) -> list[int | str]:
    """List folds and sources, folds that are held out together one by one."""
    folds = [one for one in parts if not isinstance(one, str)]
    each = [(one,) if isinstance(one, int) else one for one in folds]
    sources = sorted(one for one in parts if isinstance(one, str))
    return [*sorted(fold for some in each for fold in some), *sources]


def _checked(
    models: Mapping[Part, Sequence[Path] | ModelRunner],
) -> dict[Part, Learned]:
    return {
        part: learned_by(model) if isinstance(model, Sequence) else Learned()
        for part, model in models.items()
    }


def _refuse_learned(part: Part, films: Sequence[Sample], learned: Learned) -> None:
    """Refuse a model that learned from the part that it shall be judged on."""
    seen = sum(learned.knows(film) is True for film in films)
    if seen:
        raise TrainingError(
            f"{_named(part)}: its model learned from {seen} of its {len(films)} films,"
            " or from others of their patients: they are not held out"
        )


def _named(part: Part) -> str:
    return f"source {part}" if isinstance(part, str) else f"fold {part}"


def _renew_card(
    fix: Path, metrics: Path, models: Mapping[Part, Sequence[Path] | ModelRunner]
) -> None:
    """Write the card of thresholds and figures that hold now; keep its remarks."""
    recipe = fix / RECIPE_FILE
    if not recipe.is_file():
        paths = [one for m in models.values() if isinstance(m, Sequence) for one in m]
        beside = [one.with_name(RECIPE_FILE) for one in paths]
        recipe = next((one for one in beside if one.is_file()), recipe)
    if not recipe.is_file() or json.loads(metrics.read_text())["about"]["fused"]:
        logger.warning(
            "%s: its MODEL_CARD.md no longer fits its manifest: write it anew with"
            " cxr-node card",
            fix,
            extra={"action": "crossvalidate"},
        )
        return
    write_card(fix, metrics, recipe, keep_remarks=True)


def _told(models: Mapping[Part, Sequence[Path] | ModelRunner], *, flip: bool) -> str:
    """Say what was measured."""
    sizes = [_size(one) for one in models.values()]
    what = f"{sum(sizes)} networks of one recipe, each on its held-out fold"
    if max(sizes) > 1:
        what += ", those of a fold as one"
    return what + ", mirror images too" * flip


def _size(model: Sequence[Path] | ModelRunner) -> int:
    return len(model) if isinstance(model, Sequence) else 1


def _judge(
    looked: Mapping[Part, tuple[list[Study], list[Look]]],
    start: ModelManifest,
    read_frame: ReadFrame,
) -> tuple[list[tuple[Part, Case]], list[Stranger]]:
    """Judge each part with what was fixed on the rest."""
    cases: list[tuple[Part, Case]] = []
    met: list[Stranger] = []
    for part, (studies, strangers) in tqdm(looked.items(), desc="fix", unit="fold"):
        rest = {other: seen for other, seen in looked.items() if other != part}
        tuned = tune(*_together(rest), start)
        sharpened = (sharp(one.seen, read_frame) for one in studies)
        cases += [(part, judge(one, tuned)) for one in sharpened]
        met += [meet(one, tuned) for one in strangers]
    return cases, met


def _together(
    looked: Mapping[Part, tuple[list[Study], list[Look]]],
) -> tuple[list[Study], list[Look]]:
    """Films and strangers of several parts; a stranger of no fold is for judging."""
    studies = [one for some, _ in looked.values() for one in some]
    strangers = [one for _, some in looked.values() for one in some]
    return studies, [one for one in strangers if one.sample.fold >= 0]
