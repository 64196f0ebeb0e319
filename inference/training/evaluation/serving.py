"""Films through the very path of the node: preprocess, run, segment, quantify.

Nothing here knows better than serving does; what serving refuses counts as refused.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.errors import TrainingError, UnsuitableImage
from inference.findings import Analysis
from inference.frame import Frame
from inference.manifest import ModelManifest
from inference.preprocess import Letterbox, preprocess
from inference.quantify import quantify
from inference.runners.runner import ModelRunner
from inference.tasks.opacity.prediction import Prediction
from inference.tasks.opacity.segment import segment
from inference.training.data.dataset import ReadFrame, Sample
from inference.training.data.render import full_mask
from inference.training.evaluation.cases import Box, Boxes, ByLung, Case, Stranger
from inference.training.evaluation.scores.agreement import dice

BATCH = 4
_LEAST_SCORE = 0.01


@dataclass(frozen=True, slots=True)
class Look:
    """One film and what the network says about it."""

    sample: Sample
    frame: Frame
    letterbox: Letterbox
    prediction: Prediction


def look(
    runner: ModelRunner,
    samples: Iterable[Sample],
    read_frame: ReadFrame,
    batch: int = BATCH,
) -> Iterator[Look]:
    """Read films and run the network, a few at a time.

    Raises
    ------
    TrainingError
        A film is missing, or not of the size that its annotation says.
    """
    size = runner.manifest.input_size_px
    waiting = iter(samples)
    while several := list(islice(waiting, batch)):
        frames = [read_frame(sample.path) for sample in several]
        for sample, frame in zip(several, frames, strict=True):
            _check_size(sample, frame)
        inputs, boxes = zip(*(preprocess(frame, size) for frame in frames), strict=True)
        predictions = map(Prediction.of, runner.run(np.stack(inputs)))
        for parts in zip(several, frames, boxes, predictions, strict=True):
            yield Look(*parts)


def source_size(frame: Frame) -> tuple[int, int]:
    """Rows and columns of the source grid."""
    turned = frame.orientation.transpose
    return (frame.columns, frame.rows) if turned else (frame.rows, frame.columns)


def _check_size(sample: Sample, frame: Frame) -> None:
    rows, columns = source_size(frame)
    if sample.rows and (sample.rows, sample.columns) != (rows, columns):
        raise TrainingError(
            f"{sample.path}: {columns} x {rows} pixels, its annotation says"
            f" {sample.columns} x {sample.rows}"
        )


def analyse(seen: Look, manifest: ModelManifest) -> Analysis | UnsuitableImage:
    """Decide as the node would; a refusal is an answer too."""
    try:
        found = segment(seen.prediction, seen.letterbox, seen.frame, manifest)
    except UnsuitableImage as refusal:
        return refusal
    return quantify(found, seen.frame, manifest)


def judge(seen: Look, manifest: ModelManifest) -> Case:
    """Compare what the node reports with what people drew.

    Raises
    ------
    TrainingError
        The frame is not of the size that the outlines were drawn at.
    """
    _check_size(seen.sample, seen.frame)
    answer = analyse(seen, manifest)
    analysis = answer if isinstance(answer, Analysis) else None
    sample, facts = seen.sample, seen.sample.facts
    score = analysis.opacity_score if analysis else _score(seen, manifest)
    detections = _detections(seen) if analysis else Boxes()
    case = Case(
        key=sample.key,
        group=str(facts.get("split_group") or sample.patient),
        fold=sample.fold,
        source=sample.source,
        sex=facts.get("sex"),
        view=facts.get("view"),
        age=_number(facts.get("age")),
        positive=bool(sample.opacities) if sample.opacity_known else None,
        exhaustive=sample.exhaustive,
        truths=tuple(one.box for one in sample.opacities),
        ignored=sample.ignored,
        score=score,
        called=analysis is not None and score >= manifest.thresholds.any_opacity,
        refused=answer.code if isinstance(answer, UnsuitableImage) else None,
        detections=detections,
        accepted=sum(one >= manifest.thresholds.score for one in detections.scores),
        findings=_findings(analysis),
        opacity_dice=_opacity_dice(seen, analysis),
        lung_dice=_lung_dice(seen, analysis),
        heart_excluded=sample.heart_excluded,
        percent=_percent(analysis),
        true_percent=_true_percent(facts.get("affected_lung_pct")),
        extent=analysis.severity.extent_score if analysis else None,
        reader_extent=_number(
            (facts.get("severity") or {}).get("geographic_extent_0_8")
        ),
    )
    return case.within(manifest.severity_intervals)


def meet(seen: Look, manifest: ModelManifest) -> Stranger:
    """See whether the node refuses what it must not analyse."""
    answer = analyse(seen, manifest)
    refused = answer.code if isinstance(answer, UnsuitableImage) else None
    return Stranger(seen.sample.source, seen.sample.key, refused)


def _number(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None


def _score(seen: Look, manifest: ModelManifest) -> float:
    """Score a refused film: without lungs, the peak is the whole picture's."""
    cells = seen.prediction.dense[0].ravel()
    count = max(1, cells.size // 100)
    return manifest.calibration.film(
        image=float(seen.prediction.image[0]),
        instance=float(seen.prediction.scores.max(initial=0.0)),
        dense=float(np.partition(cells, cells.size - count)[-count:].mean()),
    )


def _detections(seen: Look) -> Boxes:
    scores = seen.prediction.scores
    order = np.argsort(-scores, kind="stable")
    kept = order[scores[order] >= _LEAST_SCORE]
    corners = seen.prediction.boxes[kept].astype(np.float64) / seen.letterbox.scale
    return Boxes(
        tuple(_to_source(row, seen.frame) for row in corners),
        tuple(float(score) for score in scores[kept]),
    )


def _to_source(corners: NDArray[np.float64], frame: Frame) -> Box:
    """Turn upright x1 y1 x2 y2 into a box on the source grid."""
    xs, ys = corners[[0, 2]], corners[[1, 3]]
    if frame.orientation.flip_columns:
        xs = frame.columns - xs
    if frame.orientation.flip_rows:
        ys = frame.rows - ys
    if frame.orientation.transpose:
        xs, ys = ys, xs
    x, y = float(xs.min()), float(ys.min())
    return (x, y, float(xs.max()) - x, float(ys.max()) - y)


def _findings(analysis: Analysis | None) -> Boxes:
    found = analysis.findings if analysis else ()
    boxes = tuple(one.region.box for one in found)
    return Boxes(
        tuple((float(x), float(y), float(w), float(h)) for x, y, w, h in boxes),
        tuple(one.score for one in found),
    )


def union(outlines: Sequence[Any], rows: int, columns: int) -> NDArray[np.bool_]:
    """Fill COCO outlines into one bool (rows, columns) mask."""
    out = np.zeros((rows, columns), np.bool_)
    for outline in outlines:
        out |= full_mask(outline, rows, columns).astype(np.bool_)
    return out


def drawn_by_people(sample: Sample) -> list[Any]:
    """Give the outlines of a film's opacities; none where one is no truth to judge by.

    A mere box, a mask that is only part of an opacity, and what a network drew are not.
    """
    told = [None if one.machine else one.segmentation for one in sample.opacities]
    whole = sample.outlined and all(outline is not None for outline in told)
    return told if whole else []


def _opacity_dice(seen: Look, analysis: Analysis | None) -> float | None:
    outlines = drawn_by_people(seen.sample)
    if not outlines:
        return None
    rows, columns = source_size(seen.frame)
    found = np.zeros((rows, columns), np.bool_)
    for one in analysis.findings if analysis else ():
        found |= one.region.full(rows, columns)
    return dice(found, union(outlines, rows, columns))


def _lung_dice(
    seen: Look, analysis: Analysis | None
) -> tuple[float | None, float | None]:
    rows, columns = source_size(seen.frame)
    found: list[float | None] = []
    for side, outline in enumerate((seen.sample.right_lung, seen.sample.left_lung)):
        if outline is None:
            found.append(None)
        elif analysis is None:
            found.append(0.0)
        else:
            mine = analysis.lungs[side].region.full(rows, columns)
            found.append(dice(mine, union([outline], rows, columns)))
    return found[0], found[1]


def _percent(analysis: Analysis | None) -> ByLung | None:
    if analysis is None:
        return None
    severity = analysis.severity
    return (severity.right, severity.left, severity.total)


def _true_percent(table: Any) -> ByLung | None:
    if not table:
        return None
    return (float(table["right"]), float(table["left"]), float(table["total"]))
