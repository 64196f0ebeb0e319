"""The rows as Markdown, as JSON, and as pictures."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from inference.training.bench.row import BenchRow
from inference.training.evaluation.scores import classification

_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("accuracy", "accuracy", ".3f"),
    ("recall", "recall", ".3f"),
    ("precision", "precision", ".3f"),
    ("f1", "F1", ".3f"),
    ("iou", "IoU", ".3f"),
    ("dice", "Dice", ".3f"),
    ("lung_dice", "lung Dice", ".3f"),
    ("ap0.4", "AP@0.4", ".3f"),
    ("ap0.5", "AP@0.5", ".3f"),
    ("rsna", "RSNA score", ".3f"),
    ("parameters", "parameters", ",d"),
    ("steps", "steps", "d"),
    ("training_minutes", "min", ".1f"),
    ("ms_a_film", "ms a film", ".0f"),
)

_CALLED = (
    "- called: from the score that was best (sensitivity and specificity) on films that"
    " were learned from"
)
_HOW = (
    _CALLED,
    "- AUROC: with its 95 % interval, patients resampled",
    "- ms a film: ONNX on the CPU, one film at a time",
)


def write_table(output: Path, rows: Sequence[BenchRow], about: dict[str, Any]) -> str:
    """Write ``table.md``, ``table.json``, ``roc.png`` and ``confusion.png``."""
    output.mkdir(parents=True, exist_ok=True)
    found = {"about": about, "rows": [_plain(asdict(one)) for one in rows]}
    text = json.dumps(found, indent=1, allow_nan=False) + "\n"
    (output / "table.json").write_text(text, encoding="utf-8")
    markdown = _markdown(rows, about)
    (output / "table.md").write_text(markdown, encoding="utf-8")
    told = [one for one in rows if one.truth]
    if told:
        _draw_roc(output / "roc.png", told)
        _draw_confusion(output / "confusion.png", told)
    return markdown


def _plain(value: Any) -> Any:
    """JSON knows no NaN: what is not defined is null."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _markdown(rows: Sequence[BenchRow], about: dict[str, Any]) -> str:
    lines = [
        "# Every recipe under one budget",
        "",
        *(f"- {key}: {value}" for key, value in about.items()),
        *_HOW,
        "",
        "| recipe | network | from | AUROC |"
        + "".join(f" {head} |" for _, head, _ in _COLUMNS)
        + " cannot |",
        "|---" * (len(_COLUMNS) + 5) + "|",
    ]
    lines += [_line(one) for one in rows]
    return "\n".join(lines) + "\n"


def _line(row: BenchRow) -> str:
    figures = row.figures or {}
    cells = [row.name, row.what, row.started, _area(figures)]
    for key, _, form in _COLUMNS:
        value = figures.get(key)
        shown = value is not None and math.isfinite(value)
        cells.append(format(value, form) if shown else "-")
    cells.append(row.error or row.lacks)
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _area(figures: dict[str, Any]) -> str:
    value = figures.get("auroc")
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.3f} ({figures['auroc_low']:.2f} to {figures['auroc_high']:.2f})"


def _draw_roc(path: Path, rows: Sequence[BenchRow]) -> None:
    figure = Figure(figsize=(7, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    for row in rows:
        truth, scores = np.array(row.truth, np.bool_), np.array(row.scores)
        if truth.any() and not truth.all():
            false, true = classification.roc_curve(scores, truth)
            area = classification.auroc(scores, truth)
            axes.plot(false, true, label=f"{row.name}: {area:.3f}", linewidth=1.2)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", title="Any opacity")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="x-small", loc="lower right")
    figure.savefig(path, dpi=110)


def _draw_confusion(path: Path, rows: Sequence[BenchRow]) -> None:
    across = min(4, len(rows))
    down = -(-len(rows) // across)
    figure = Figure(figsize=(2.9 * across, 2.9 * down), layout="constrained")
    FigureCanvasAgg(figure)
    for place, row in enumerate(rows):
        axes = figure.add_subplot(down, across, place + 1)
        matrix = np.array((row.figures or {})["confusion"])
        axes.imshow(matrix, cmap="Blues", vmin=0)
        for (line, column), count in np.ndenumerate(matrix):
            tone = "white" if count > matrix.max() / 2 else "black"
            axes.text(column, line, str(count), ha="center", va="center", color=tone)
        axes.set(xticks=(0, 1), yticks=(0, 1), xlabel="called", ylabel="truth")
        axes.set_xticklabels(("none", "opacity"))
        axes.set_yticklabels(("none", "opacity"), rotation=90, va="center")
        axes.set_title(row.name, fontsize=9)
    figure.savefig(path, dpi=110)
