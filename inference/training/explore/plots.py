"""The plots of the page: classes, boxes, facts against the class."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from inference.training.explore.gather import Glance

LABELS = ("opacity", "none", "unknown")
_COLOURS = {"opacity": "#c0392b", "none": "#2980b9", "unknown": "#95a5a6"}
_GRID, _MOST_WORDS = 20, 8


def draw_plots(folder: Path, seen: Sequence[Glance]) -> dict[str, Path]:
    """Draw every plot that these films allow; gives the files by their titles."""
    drawn: dict[str, Callable[[Figure, Sequence[Glance]], bool]] = {
        "Classes by source": _classes,
        "Boxes": _boxes,
        "Where opacities lie, by view": _centres,
        "Age, sex, view and pixel spacing against the class": _facts,
        "Sizes of the pictures": _sizes,
        "Greys": _greys,
    }
    paths = {}
    for number, (title, draw) in enumerate(drawn.items(), start=1):
        figure = Figure(figsize=(11, 4.2), layout="constrained")
        FigureCanvasAgg(figure)
        if draw(figure, seen):
            paths[title] = folder / f"plot-{number}.png"
            figure.savefig(paths[title], dpi=90)
    return paths


def _stacked(axes: Axes, words: Sequence[tuple[str, str]]) -> None:
    """Bars of words, each split by class."""
    names = [word for word, _ in Counter(word for word, _ in words).most_common()]
    shown = names[:_MOST_WORDS]
    left = np.zeros(len(shown))
    for label in LABELS:
        count = Counter(word for word, one in words if one == label)
        width = np.array([count[name] for name in shown], float)
        axes.barh(shown, width, left=left, color=_COLOURS[label], label=label)
        left += width
    axes.invert_yaxis()
    axes.legend(fontsize="x-small")
    axes.set_xlabel("films")


def _classes(figure: Figure, seen: Sequence[Glance]) -> bool:
    left, right = figure.subplots(1, 2)
    _stacked(left, [(_short(one.sample.source), one.label) for one in seen])
    kinds = Counter(one.sample.kind for one in seen).most_common()
    right.bar([kind for kind, _ in kinds], [count for _, count in kinds], color="0.5")
    right.set(title="What a film can teach", ylabel="films")
    return True


def _boxes(figure: Figure, seen: Sequence[Glance]) -> bool:
    sick = [one for one in seen if one.sample.opacities]
    if not sick:
        return False
    left, right = figure.subplots(1, 2)
    count = Counter(len(one.sample.opacities) for one in sick)
    left.bar(list(count), list(count.values()), color=_COLOURS["opacity"])
    left.set(title="Opacities of a film that shows some", ylabel="films")
    sides = _shares(sick)
    right.plot(sides[:, 2], sides[:, 3], ".", color=_COLOURS["opacity"], alpha=0.5)
    right.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    right.set(xlabel="width, share of the film", ylabel="height", title="Boxes")
    return True


def _shares(sick: Sequence[Glance]) -> NDArray[np.float64]:
    """Boxes x, y, width, height as shares of their films."""
    rows = [
        np.array(box.box) / (one.columns, one.rows, one.columns, one.rows)
        for one in sick
        for box in one.sample.opacities
    ]
    return np.array(rows, np.float64).reshape(-1, 4)


def _centres(figure: Figure, seen: Sequence[Glance]) -> bool:
    sick = [one for one in seen if one.sample.opacities]
    views = Counter(one.view or "not told" for one in sick).most_common(4)
    if not views:
        return False
    panels: Any = figure.subplots(1, len(views), squeeze=False)[0]
    for axes, (view, count) in zip(panels, views, strict=True):
        shares = _shares([one for one in sick if (one.view or "not told") == view])
        centre = shares[:, :2] + shares[:, 2:] / 2
        heat, _, _ = np.histogram2d(
            centre[:, 1], centre[:, 0], bins=_GRID, range=((0, 1), (0, 1))
        )
        axes.imshow(heat, cmap="inferno", interpolation="bilinear", extent=(0, 1, 1, 0))
        axes.set(title=f"{view}: {count} films", xticks=(), yticks=())
    return True


def _facts(figure: Figure, seen: Sequence[Glance]) -> bool:
    age, sex, view, spacing = figure.subplots(1, 4)
    _by_class(age, seen, lambda one: one.age, "age")
    _stacked(sex, [(one.sex or "not told", one.label) for one in seen])
    _stacked(view, [(one.view or "not told", one.label) for one in seen])
    _by_class(spacing, seen, lambda one: one.spacing_mm, "pixel spacing, mm")
    return True


def _by_class(
    axes: Axes,
    seen: Sequence[Glance],
    fact: Callable[[Glance], float | None],
    name: str,
) -> None:
    every = [value for one in seen if (value := fact(one)) is not None]
    if every:
        bins = np.linspace(min(every), max(every) + 1e-6, 21).tolist()
        for label in LABELS:
            told = [fact(one) for one in seen if one.label == label]
            values = [value for value in told if value is not None]
            axes.hist(values, bins, alpha=0.5, color=_COLOURS[label], label=label)
        axes.legend(fontsize="x-small")
    told_of = f"{len(every)} of {len(seen)} films"
    axes.set(xlabel=name, ylabel="films", title=told_of)


def _sizes(figure: Figure, seen: Sequence[Glance]) -> bool:
    axes = figure.subplots()
    for label in LABELS:
        some = [one for one in seen if one.label == label]
        axes.plot(
            [one.columns for one in some],
            [one.rows for one in some],
            "o",
            alpha=0.3,
            color=_COLOURS[label],
            label=label,
        )
    axes.set(xlabel="columns", ylabel="rows")
    axes.legend(fontsize="x-small")
    return True


def _greys(figure: Figure, seen: Sequence[Glance]) -> bool:
    for axes, name, fact in zip(
        figure.subplots(1, 3),
        ("mean grey", "contrast", "share of black"),
        (lambda one: one.mean, lambda one: one.spread, lambda one: one.dark),
        strict=True,
    ):
        _by_class(axes, seen, fact, name)
    return True


def _short(source: str) -> str:
    return source if len(source) <= 28 else source[:27] + "…"  # noqa: PLR2004  fits the axis
