"""``cxr-node evaluate``: a model, annotated films, and honest numbers.

Runs the serving path on the chosen folds and writes ``metrics.json``, ``report.md``,
plots, the challenge's CSV, and ``cases.json`` from which folds can be pooled.
"""

import argparse
import csv
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from inference.errors import InferenceError, TrainingError
from inference.frame import Frame
from inference.manifest import ModelManifest
from inference.onnx_runner import Device, OnnxModelRunner
from inference.runner import ModelRunner
from inference.training.dataset import (
    ReadFrame,
    Sample,
    digest,
    read_picture,
    read_samples,
)
from inference.training.evaluation import plots, report
from inference.training.evaluation.bootstrap import REPLICATES
from inference.training.evaluation.cases import (
    Case,
    Stranger,
    read_cases,
    write_cases,
)
from inference.training.evaluation.checkpoint import CheckpointRunner
from inference.training.evaluation.serving import judge, look, meet
from inference.training.recipe import CocoSource, DataRecipe, RsnaSource

Turn = Callable[[NDArray[np.float32]], NDArray[np.float32]]

# Frontal films that arrive the wrong way; at most so many of each are tried.
SPOILT: Mapping[str, Turn] = {
    "inverted": lambda pixels: 1 - pixels,
    "upside down": lambda pixels: pixels[::-1],
    "on its side": lambda pixels: pixels.T,
}
_SPOILT_FILMS = 40


def evaluate(  # noqa: PLR0913 - the command's options, one for one
    model: Path,
    data: Path,
    output: Path,
    *,
    folds: Sequence[int] = (),
    read_frame: ReadFrame = read_picture,
    device: Device = "auto",
    replicates: int = REPLICATES,
) -> dict[str, Any]:
    """Measure a model on annotated films and write the report.

    Parameters
    ----------
    model
        A model folder, or the checkpoint of a training run (``.pt``).
    data
        A folder with ``annotations.json`` (COCO) and ``images/``, or the RSNA
        challenge's own layout; ``lateral/`` and ``dicom/index.csv`` hold what must
        be refused.
    output
        Folder for the results; made when missing.
    folds
        Folds to measure; empty means all.
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
    films, strangers = read_data(data, folds, dicom=read_frame is not read_picture)
    with closing(open_runner(model, device)) as runner:
        cases, met = measure(runner, films, strangers, read_frame)
        about = _about(runner.manifest) | {
            "data": data.name,
            "folds": list(folds) or "all",
            "data_digest": digest(films),
        }
    return write(output, cases, met, about, replicates)


def pool(
    files: Sequence[Path], output: Path, replicates: int = REPLICATES
) -> dict[str, Any]:
    """Summarise folds that were measured apart (cross-validation).

    Raises
    ------
    TrainingError
        A file is missing or is not the cases of an evaluation.
    """
    parts = [read_cases(path) for path in files]
    cases = [case for some, _ in parts for case in some]
    strangers = [one for _, some in parts for one in some]
    about = {"pooled": [path.parent.name for path in files]}
    return write(output, cases, strangers, about, replicates)


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


def open_runner(model: Path, device: Device = "auto") -> ModelRunner:
    """Load a model folder, or a checkpoint behind the same three verbs."""
    if model.suffix == ".pt":
        return CheckpointRunner(model)
    runner = OnnxModelRunner(model, device)
    runner.load()
    return runner


def read_data(
    data: Path, folds: Sequence[int] = (), *, dicom: bool = False
) -> tuple[list[Sample], list[Sample]]:
    """Find the frontal films of some folds, and the pictures to be refused.

    Raises
    ------
    TrainingError
        There is no annotation, or no film in these folds.
    """
    samples = read_samples(_recipe(data))
    if folds:
        samples = [one for one in samples if one.fold in folds]
    films = [one for one in samples if one.frontal]
    if not films:
        raise TrainingError(f"{data}: no frontal film in folds {list(folds)}")
    strangers = [one for one in samples if not one.frontal]
    return films, strangers + (_other_dicom(data) if dicom else [])


def _recipe(data: Path) -> DataRecipe:
    lateral = data / "lateral"
    others = (lateral,) if lateral.is_dir() else ()
    labels = data / "stage_2_train_labels.csv"
    if labels.is_file():
        rsna = RsnaSource(
            labels=labels,
            classes=data / "stage_2_detailed_class_info.csv",
            images=data / "stage_2_train_images",
        )
        return DataRecipe(rsna=(rsna,), not_frontal=others)
    coco = CocoSource(annotations=data / "annotations.json", images=data / "images")
    return DataRecipe(coco=(coco,), not_frontal=others)


def _other_dicom(data: Path) -> list[Sample]:
    """DICOM files that are no chest radiographs."""
    index = data / "dicom" / "index.csv"
    if not index.is_file():
        return []
    with index.open(encoding="utf-8", newline="") as stream:
        names = [
            row["file"]
            for row in csv.DictReader(stream)
            if row["is_chest_xray"] == "no"
        ]
    return [_stranger(index.parent / name, "not a chest radiograph") for name in names]


def _stranger(path: Path, kind: str) -> Sample:
    return Sample(path.name, path, 0, 0, path.stem, -1, kind, frontal=False)


def measure(
    runner: ModelRunner,
    films: Sequence[Sample],
    strangers: Sequence[Sample],
    read_frame: ReadFrame = read_picture,
) -> tuple[list[Case], list[Stranger]]:
    """Run the serving path on everything, with a progress bar."""
    spoilt = films[:: max(1, len(films) // _SPOILT_FILMS)][:_SPOILT_FILMS]
    total = len(films) + len(strangers) + len(SPOILT) * len(spoilt)
    with tqdm(total=total, desc="evaluate", unit="film") as bar:
        cases = []
        for seen in look(runner, films, read_frame):
            cases.append(judge(seen, runner.manifest))
            bar.update()
        met = []
        for stranger in _meet_all(runner, strangers, spoilt, read_frame):
            met.append(stranger)
            bar.update()
    return cases, met


def _meet_all(
    runner: ModelRunner,
    strangers: Sequence[Sample],
    spoilt: Sequence[Sample],
    read_frame: ReadFrame,
) -> Iterator[Stranger]:
    for seen in look(runner, strangers, read_frame):
        yield meet(seen, runner.manifest)
    for kind, turn in SPOILT.items():
        films = [replace(one, source=kind, rows=0, columns=0) for one in spoilt]
        for seen in look(runner, films, _turned(read_frame, turn)):
            yield meet(seen, runner.manifest)


def _turned(read_frame: ReadFrame, turn: Turn) -> ReadFrame:
    def read(path: Path) -> Frame:
        return Frame(np.ascontiguousarray(turn(read_frame(path).pixels)))

    return read


def _about(manifest: ModelManifest) -> dict[str, Any]:
    return {
        "model": manifest.name,
        "version": manifest.version,
        "sha256": manifest.sha256,
        "precision": manifest.precision,
        "thresholds": asdict(manifest.thresholds),
        "calibration": asdict(manifest.calibration),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="evaluate", description=__doc__)
    parser.add_argument("--model", type=Path, help="model folder or checkpoint")
    parser.add_argument("--data", type=Path, help="annotated films")
    parser.add_argument("--folds", type=int, nargs="*", default=[], help="default: all")
    parser.add_argument("--output", type=Path, required=True, help="results go here")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--replicates", type=int, default=REPLICATES)
    parser.add_argument(
        "--pool", type=Path, nargs="+", help="cases.json of other runs, instead"
    )
    options = parser.parse_args(arguments)
    if not options.pool and not (options.model and options.data):
        parser.error("either --model and --data, or --pool")
    try:
        if options.pool:
            pool(options.pool, options.output, options.replicates)
        else:
            evaluate(
                options.model,
                options.data,
                options.output,
                folds=options.folds,
                device=options.device,
                replicates=options.replicates,
            )
    except InferenceError as error:
        sys.stderr.write(f"evaluate: {error}\n")
        return 1
    sys.stdout.write((options.output / "report.md").read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
