"""``cxr-node evaluate``: a model, annotated films, and honest numbers.

Runs the serving path on the chosen folds and writes ``metrics.json``, ``report.md``,
plots, the challenge's CSV, and ``cases.json`` from which folds can be pooled.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from inference.manifest import ModelManifest
from inference.runners.ensemble import Ensemble
from inference.runners.onnx import Device, OnnxModelRunner
from inference.runners.runner import ModelRunner
from inference.training.checkpoint import learned_of
from inference.training.data.dataset import ReadFrame, Sample, digest, read_picture
from inference.training.evaluation import plots, report
from inference.training.evaluation.cases import (
    Case,
    Stranger,
    read_cases,
    write_cases,
)
from inference.training.evaluation.checkpoint import CheckpointRunner
from inference.training.evaluation.films import read_data, told
from inference.training.evaluation.gain import gain, gain_markdown
from inference.training.evaluation.remember import RememberingRunner
from inference.training.evaluation.scores.bootstrap import REPLICATES
from inference.training.evaluation.serving import judge, look, meet
from inference.training.evaluation.strangers import (
    count_strangers,
    look_at_strangers,
)
from inference.training.learned import Learned


def evaluate(  # noqa: PLR0913  the command's options, one for one
    model: Path | ModelRunner,
    data: Path | Sequence[Path],
    output: Path,
    *,
    folds: Sequence[int] = (),
    learned: Learned | None = None,
    read_frame: ReadFrame = read_picture,
    device: Device = "auto",
    replicates: int = REPLICATES,
) -> dict[str, Any]:
    """Measure a model on annotated films and write the report.

    Parameters
    ----------
    model
        A model folder, the checkpoint of a training run (``.pt``), or a runner that
        was loaded by the caller, such as an ensemble; it is closed in the end.
    data
        A folder with ``annotations.json`` (COCO) and ``images/``, or the RSNA
        challenge's own layout, or several; ``lateral/``, ``not_analysable/`` and
        ``dicom/index.csv`` hold what must be refused.
    output
        Folder for the results; made when missing.
    folds
        Folds to measure; empty means all.
    learned
        What a runner's weights have seen; of a path it is looked up.
    read_frame
        Reads pictures; DICOM too, when the caller can.
    device
        Where the network runs.
    replicates
        Of the bootstrap.

    Returns
    -------
        The table that stands in ``metrics.json``.

    Raises
    ------
    TrainingError
        In one line, naming what is missing or wrong.
    """
    if learned is None:
        learned = learned_of(model) if isinstance(model, Path) else Learned()
    films, strangers = read_data(
        data, folds, dicom=read_frame is not read_picture, dealt_into=learned.folds
    )
    opened = open_runner(model, device) if isinstance(model, Path) else model
    with closing(opened) as runner:
        cases, met = measure(runner, films, strangers, read_frame)
        cases = marked(cases, films, learned)
        about = describe(runner.manifest) | {
            "data": told(data),
            "folds": list(folds) or "all",
            "data_digest": digest(films),
        }
    return write(output, cases, met, about, replicates)


def learned_by(models: Sequence[Path]) -> Learned:
    """Tell what several models together have seen.

    Raises
    ------
    TrainingError
        A checkpoint or a record is corrupt.
    """
    first, *rest = [learned_of(model) for model in models]
    for other in rest:
        first = first.joined(other)
    return first


def marked(
    cases: Sequence[Case], films: Sequence[Sample], learned: Learned
) -> list[Case]:
    """Say of every film whether the model, or one of an ensemble, learned from it."""
    known = {film.key: learned.knows(film) for film in films}
    return [replace(case, learned=known.get(case.key)) for case in cases]


def pool(
    files: Sequence[Path],
    output: Path,
    replicates: int = REPLICATES,
    *,
    against: Sequence[Path] = (),
) -> dict[str, Any]:
    """Summarise folds that were measured apart (cross-validation).

    Parameters
    ----------
    files
        ``cases.json`` of evaluations.
    output
        Folder for the results.
    replicates
        Of the bootstrap.
    against
        ``cases.json`` of another model on the same films: ``gain.json`` and
        ``gain.md`` tell the differences, film by film.

    Raises
    ------
    TrainingError
        A file is missing or is not the cases of an evaluation.
    """
    parts = [read_cases(path) for path in files]
    cases = [case for some, _ in parts for case in some]
    strangers = [one for _, some in parts for one in some]
    about = {"pooled": [path.parent.name for path in files]}
    table = write(output, cases, strangers, about, replicates)
    if against:
        before = [case for path in against for case in read_cases(path)[0]]
        found = gain(before, cases, replicates)
        report.write_json(output / "gain.json", found)
        text = gain_markdown(found)
        (output / "gain.md").write_text(text, encoding="utf-8")
    return table


def write(
    output: Path,
    cases: Sequence[Case],
    strangers: Sequence[Stranger],
    about: Mapping[str, Any],
    replicates: int = REPLICATES,
) -> dict[str, Any]:
    """Write every file of a report."""
    output.mkdir(parents=True, exist_ok=True)
    write_cases(output / "cases.json", cases, strangers)
    table = report.tabulate(cases, strangers, about, replicates)
    report.write_json(output / "metrics.json", table)
    (output / "report.md").write_text(report.markdown(table), encoding="utf-8")
    report.write_challenge(output / "submission.csv", cases)
    plots.draw(output, cases)
    return table


def open_runner(
    model: Path, device: Device = "auto", remember: Path | None = None
) -> ModelRunner:
    """Load a model folder, or a checkpoint behind the same three verbs.

    Parameters
    ----------
    model
        The folder, or a ``.pt`` file.
    device
        Where the network runs.
    remember
        Folder in which its answers are kept and looked up.
    """
    is_checkpoint = model.suffix == ".pt"
    runner: ModelRunner = (
        CheckpointRunner(model) if is_checkpoint else OnnxModelRunner(model, device)
    )
    runner.load()
    return runner if remember is None else RememberingRunner(runner, remember)


def open_models(
    models: Sequence[Path],
    device: Device = "auto",
    remember: Path | None = None,
    *,
    flip: bool = False,
) -> ModelRunner:
    """Load one model, or several and their mirror images as one.

    Parameters
    ----------
    models
        Model folders or checkpoints.
    device, remember
        As for ``open_runner``.
    flip
        Whether each is asked about the mirror image of every film too.
    """
    runners = [open_runner(one, device, remember) for one in models]
    several = flip or len(runners) > 1
    return Ensemble(runners, flip=flip) if several else runners[0]


def measure(
    runner: ModelRunner,
    films: Sequence[Sample],
    strangers: Sequence[Sample],
    read_frame: ReadFrame = read_picture,
) -> tuple[list[Case], list[Stranger]]:
    """Run the serving path on everything, with a progress bar."""
    total = len(films) + count_strangers(films, strangers)
    with tqdm(total=total, desc="evaluate", unit="film") as bar:
        cases = []
        for seen in look(runner, films, read_frame):
            cases.append(judge(seen, runner.manifest))
            bar.update()
        met = []
        for seen in look_at_strangers(runner, films, strangers, read_frame):
            met.append(meet(seen, runner.manifest))
            bar.update()
    return cases, met


def describe(manifest: ModelManifest) -> dict[str, Any]:
    """Tell which model was measured, and with which settings."""
    return {
        "model": manifest.name,
        "version": manifest.version,
        "sha256": manifest.sha256,
        "precision": manifest.precision,
        "thresholds": asdict(manifest.thresholds),
        "calibration": asdict(manifest.calibration),
    }
