"""``cxr-node crossvalidate``: a model per fold, one honest report.

Every film is shown to the network that never learned from its fold, and judged with
thresholds and calibration that were fixed on the films of the other folds. With
``fix`` a model folder's manifest gets what is fixed on all of them together.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tqdm import tqdm

from inference.errors import TrainingError
from inference.manifest import ModelManifest, read_manifest, write_manifest
from inference.runners.runner import ModelRunner
from inference.training.commands.evaluate import open_models, write
from inference.training.commands.tune import see, sharp
from inference.training.data.dataset import ReadFrame, read_picture
from inference.training.evaluation.cases import Case, Stranger
from inference.training.evaluation.films import read_data
from inference.training.evaluation.scores.bootstrap import REPLICATES
from inference.training.evaluation.serving import Look, judge, meet
from inference.training.evaluation.tuning.studies import Study
from inference.training.evaluation.tuning.tune import tune

_LEAST_FOLDS = 2


def crossvalidate(  # noqa: PLR0913  the command's options, one for one
    models: Mapping[int, Sequence[Path] | ModelRunner],
    data: Path,
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
        Fold -> model folders or checkpoints that were trained without it (several
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
        Fewer than two folds, or data that are wrong or too few.
    """
    if len(models) < _LEAST_FOLDS:
        raise TrainingError("cross-validation wants the models of two folds or more")
    looked: dict[int, tuple[list[Study], list[Look]]] = {}
    manifests: list[ModelManifest] = []
    for fold, model in models.items():
        films, others = read_data(data, [fold], dicom=read_frame is not read_picture)
        if isinstance(model, Sequence):
            runner = open_models(model, remember=remember, flip=flip)
        else:
            runner = model
        with closing(runner):
            manifests.append(runner.manifest)
            looked[fold] = see(runner, films, others, read_frame)
    start = manifests[0] if fix is None else read_manifest(fix)
    cases, met = _judge(looked, start, read_frame)
    if fix is not None:
        write_manifest(fix, tune(*_together(looked), start))
    about = {
        "model": _told(models, flip=flip),
        "fused": flip or max(map(_size, models.values())) > 1,
        "cross_validated": True,
        "data": data.name,
        "folds": sorted(models),
        "thresholds": "fixed on the other folds",
        "calibration": "fixed on the other folds",
    }
    return write(output, cases, met, about, replicates)


def _told(models: Mapping[int, Sequence[Path] | ModelRunner], *, flip: bool) -> str:
    """Say what was measured."""
    sizes = [_size(one) for one in models.values()]
    what = f"{sum(sizes)} networks of one recipe, each on its held-out fold"
    if max(sizes) > 1:
        what += ", those of a fold as one"
    return what + ", mirror images too" * flip


def _size(model: Sequence[Path] | ModelRunner) -> int:
    return len(model) if isinstance(model, Sequence) else 1


def _judge(
    looked: Mapping[int, tuple[list[Study], list[Look]]],
    start: ModelManifest,
    read_frame: ReadFrame,
) -> tuple[list[Case], list[Stranger]]:
    """Judge each fold with what was fixed on the rest."""
    cases: list[Case] = []
    met: list[Stranger] = []
    for fold, (studies, strangers) in tqdm(looked.items(), desc="fix", unit="fold"):
        rest = {other: seen for other, seen in looked.items() if other != fold}
        tuned = tune(*_together(rest), start)
        cases += [judge(sharp(one.seen, read_frame), tuned) for one in studies]
        met += [meet(one, tuned) for one in strangers]
    return cases, met


def _together(
    looked: Mapping[int, tuple[list[Study], list[Look]]],
) -> tuple[list[Study], list[Look]]:
    """Films and strangers of several folds; a stranger of no fold is for judging."""
    studies = [one for some, _ in looked.values() for one in some]
    strangers = [one for _, some in looked.values() for one in some]
    return studies, [one for one in strangers if one.sample.fold >= 0]
