"""``cxr-node tune``: fix a model's thresholds on validation films.

Writes thresholds and calibration into the model folder's manifest. With
``--cross-fit`` it also says, without touching other films, what they are worth: each
half of the patients is judged with what was fixed on the other half.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

from tqdm import tqdm

from inference.manifest import ModelManifest, write_manifest
from inference.preprocess import Letterbox
from inference.runners.runner import ModelRunner
from inference.training.commands.evaluate import describe, open_runner, write
from inference.training.data.dataset import ReadFrame, Sample, read_picture
from inference.training.evaluation.cases import Case, Stranger
from inference.training.evaluation.films import read_data
from inference.training.evaluation.serving import Look, judge, look, meet
from inference.training.evaluation.strangers import (
    count_strangers,
    look_at_strangers,
)
from inference.training.evaluation.tuning.studies import Study, study
from inference.training.evaluation.tuning.tune import tune

HALVES = 2


def tune_model(  # noqa: PLR0913  the command's options, one for one
    model: Path,
    data: Path,
    *,
    folds: Sequence[int],
    limit: int = 0,
    outlines: bool = True,
    cross_fit: Path | None = None,
    remember: Path | None = None,
    read_frame: ReadFrame = read_picture,
) -> ModelManifest:
    """Tune on some folds and write the manifest.

    Parameters
    ----------
    model
        A model folder; a checkpoint is tuned but has no manifest to write.
    data
        As for ``evaluate``.
    folds
        Validation folds.
    limit
        At most so many films of each kind and source; 0 takes all.
    outlines
        False keeps the thresholds that draw outlines, fixed before on other films.
    cross_fit
        Folder for a report on these very films, each judged with what was fixed on
        the other half of the patients.
    remember
        Folder in which the network's answers are kept and looked up.
    read_frame
        Reads pictures.

    Raises
    ------
    TrainingError
        The data are wrong or too few.
    """
    films, others = read_data(data, folds, dicom=read_frame is not read_picture)
    with closing(open_runner(model, remember=remember)) as runner:
        studies, strangers = see(runner, _some(films, limit), others, read_frame)
        tuned = tune(studies, strangers, runner.manifest, outlines=outlines)
        if cross_fit is not None:
            cases, met = judge_crosswise(
                studies, strangers, runner.manifest, read_frame, outlines=outlines
            )
            about = describe(runner.manifest) | {
                "data": data.name,
                "folds": list(folds),
                "thresholds": "of the other half of the patients",
                "calibration": "of the other half of the patients",
            }
            write(cross_fit, cases, met, about)
    if model.is_dir():
        write_manifest(model, tuned)
    return tuned


def told(manifest: ModelManifest) -> str:
    """Write thresholds and calibration as the manifest's tables."""
    tables = (
        ("thresholds", asdict(manifest.thresholds)),
        ("calibration", asdict(manifest.calibration)),
    )
    return "".join(
        f"[{name}]\n"
        + "".join(f"{key} = {value:.4f}\n" for key, value in table.items())
        for name, table in tables
    )


def _some(films: Sequence[Sample], limit: int) -> list[Sample]:
    """Take the first of each kind and source, in an order that means nothing."""
    if not limit:
        return list(films)
    kept: list[Sample] = []
    seen: dict[tuple[str, str], int] = {}
    for film in sorted(films, key=lambda one: _digest(one.key)):
        kind = (film.kind, film.source)
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= limit:
            kept.append(film)
    return kept


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def see(
    runner: ModelRunner,
    films: Sequence[Sample],
    strangers: Sequence[Sample],
    read_frame: ReadFrame,
) -> tuple[list[Study], list[Look]]:
    """Run the network once on everything, with a progress bar."""
    total = len(films) + count_strangers(films, strangers)
    with tqdm(total=total, desc="look", unit="film") as bar:
        studies, others = [], []
        for seen in look(runner, films, read_frame):
            studies.append(study(seen))
            bar.update()
        for seen in look_at_strangers(runner, films, strangers, read_frame):
            others.append(seen)
            bar.update()
    return studies, others


def judge_crosswise(
    studies: Sequence[Study],
    strangers: Sequence[Look],
    manifest: ModelManifest,
    read_frame: ReadFrame = read_picture,
    *,
    outlines: bool = True,
) -> tuple[list[Case], list[Stranger]]:
    """Judge each half of the patients with what was fixed on the other half."""
    half_of = _halves({one.group for one in studies})
    cases: list[Case] = []
    met: list[Stranger] = []
    for half in range(HALVES):
        mine = [one for one in studies if half_of[one.group] == half]
        rest = [one for one in studies if half_of[one.group] != half]
        others = strangers[1 - half :: HALVES]
        tuned = tune(rest, others, manifest, outlines=outlines)
        cases += [judge(sharp(one.seen, read_frame), tuned) for one in mine]
        met += [meet(one, tuned) for one in strangers[half::HALVES]]
    return cases, met


def _halves(groups: set[str]) -> Mapping[str, int]:
    ordered = sorted(groups, key=_digest)
    return {group: place % HALVES for place, group in enumerate(ordered)}


def sharp(seen: Look, read_frame: ReadFrame) -> Look:
    """Bring back the film's own resolution."""
    frame = read_frame(seen.sample.path)
    box = Letterbox(frame.rows, frame.columns, seen.letterbox.size_px)
    return replace(seen, frame=frame, letterbox=box)
