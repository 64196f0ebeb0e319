"""The curves of an evaluation as pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from inference.training.evaluation.cases import Boxes, Case
from inference.training.evaluation.scores import agreement, classification, detection

_RATES = tuple(float(rate) for rate in np.geomspace(0.05, 8, 40))


def draw(folder: Path, cases: Sequence[Case]) -> list[Path]:
    """Draw what these films allow; returns the PNG files."""
    films = _films(folder / "films.png", cases)
    return [films, _severity(folder / "severity.png", cases)]


def _figure(count: int) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(4.5 * count, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, [figure.add_subplot(1, count, k + 1) for k in range(count)]


def _films(path: Path, cases: Sequence[Case]) -> Path:
    figure, (roc, froc, reliability) = _figure(3)
    known = [case for case in cases if case.positive is not None]
    _roc(roc, "all", known)
    for source in sorted({case.source for case in known}):
        _roc(roc, source, [case for case in known if case.source == source])
    roc.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    roc.set(xlabel="1 - specificity", ylabel="sensitivity", title="Any opacity")
    if roc.get_legend_handles_labels()[0]:
        roc.legend(fontsize="x-small")
    _froc(froc, [case for case in known if case.exhaustive])
    _reliability(reliability, known)
    figure.savefig(path, dpi=110)
    return path


def _roc(axes: Axes, name: str, cases: Sequence[Case]) -> None:
    positive = np.array([case.positive for case in cases], bool)
    if positive.size == 0 or positive.all() or not positive.any():
        return
    scores = np.array([case.score for case in cases])
    false, true = classification.roc_curve(scores, positive)
    area = classification.auroc(scores, positive)
    axes.plot(false, true, label=f"{name}: {area:.3f}")


def _froc(axes: Axes, cases: Sequence[Case]) -> None:
    for at_iou in (0.4, 0.5):
        matches = [
            detection.match(
                *case.detections.arrays, Boxes(case.truths).arrays[0], at_iou
            )
            for case in cases
        ]
        found = detection.froc(matches, _RATES)
        axes.plot(_RATES, found, label=f"IoU {at_iou}")
    axes.set(
        xscale="log",
        ylim=(0, 1),
        xlabel="false positives per film",
        ylabel="sensitivity per opacity",
        title="FROC",
    )
    axes.legend()


def _reliability(axes: Axes, cases: Sequence[Case]) -> None:
    positive = np.array([case.positive for case in cases], bool)
    bins = classification.reliability(
        np.array([case.score for case in cases], np.float64), positive
    )
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=0.8, label="perfect")
    predicted = [one.predicted for one in bins]
    axes.plot(
        predicted, [one.observed for one in bins], marker="o", label="films, in bins"
    )
    for one in bins:
        axes.annotate(str(one.count), (one.predicted, one.observed), fontsize=7)
    axes.set(
        xlabel="predicted probability", ylabel="share with opacity", title="Calibration"
    )
    axes.legend(fontsize="x-small")


def _severity(path: Path, cases: Sequence[Case]) -> Path:
    figure, (scatter, differences, readers) = _figure(3)
    pairs = np.array(
        [
            (case.percent[2], case.true_percent[2])
            for case in cases
            if case.percent is not None and case.true_percent is not None
        ],
        np.float64,
    ).reshape(-1, 2)
    _scatter(scatter, pairs)
    _bland_altman(differences, pairs)
    read = [
        (case.extent, case.reader_extent)
        for case in cases
        if case.extent is not None and case.reader_extent is not None
    ]
    readers.plot([0, 8], [0, 8], color="0.7", linewidth=0.8, label="same score")
    said, wanted = [one for one, _ in read], [two for _, two in read]
    readers.plot(wanted, said, "o", alpha=0.6, label=f"{len(read)} films")
    readers.set(
        xlabel="mean of three readers", ylabel="node", title="Extent score, 0 to 8"
    )
    for axes in (scatter, differences, readers):
        axes.legend(fontsize="x-small")
    figure.savefig(path, dpi=110)
    return path


def _scatter(axes: Axes, pairs: NDArray[np.float64]) -> None:
    axes.plot([0, 100], [0, 100], color="0.7", linewidth=0.8, label="same")
    axes.plot(pairs[:, 1], pairs[:, 0], "o", alpha=0.6, label=f"{len(pairs)} films")
    axes.set(
        xlabel="outlined, % of lung", ylabel="reported, % of lung", title="Severity"
    )


def _bland_altman(axes: Axes, pairs: NDArray[np.float64]) -> None:
    label = f"{len(pairs)} films"
    axes.plot(
        pairs.mean(axis=1), pairs[:, 0] - pairs[:, 1], "o", alpha=0.6, label=label
    )
    limits = agreement.limits_of_agreement(pairs[:, 0], pairs[:, 1])
    middle = agreement.bias(pairs[:, 0], pairs[:, 1])
    lines = (
        (middle, "-", "bias"),
        (limits.low, "--", "limits of agreement"),
        (limits.high, "--", None),
    )
    for level, style, name in lines:
        if np.isfinite(level):
            axes.axhline(level, color="0.4", linestyle=style, linewidth=0.8, label=name)
    axes.set(
        xlabel="mean of both, % of lung",
        ylabel="reported - outlined, points",
        title="Bland-Altman",
    )
