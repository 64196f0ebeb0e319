"""Loss and score curves of a run, as CSV and as a picture."""

import csv
from collections.abc import Mapping
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_SCORES = ("right_lung_dice", "left_lung_dice", "opacity_dice", "auroc", "auroc_mixed")


def append_row(path: Path, row: Mapping[str, float]) -> None:
    """Add a row to a CSV file, with its header when it is new."""
    fresh = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(row))
        if fresh:
            writer.writeheader()
        writer.writerow({name: f"{value:.6g}" for name, value in row.items()})


def read_columns(path: Path) -> dict[str, list[float]]:
    """Read a CSV file of numbers by column; empty when there is none."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def draw_curves(folder: Path) -> None:
    """Draw ``losses.csv`` and ``validation.csv`` into ``curves.png``."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    losses = read_columns(folder / "losses.csv")
    steps = losses.pop("step", [])
    for name, values in losses.items():
        if name != "learning_rate" and any(values):
            left.plot(steps, values, label=name, linewidth=0.8)
    left.set(title="Losses", xlabel="step", yscale="log")
    scores = read_columns(folder / "validation.csv")
    for name in _SCORES:
        if name in scores:
            right.plot(scores["step"], scores[name], marker=".", label=name)
    right.set(title="Held-out scores", xlabel="step")
    for axes in (left, right):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7, loc="best")
        axes.grid(alpha=0.3)
    figure.savefig(folder / "curves.png", dpi=110)
