"""Outlines over a film as an SVG of their own, on the film's pixel grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

_COLOURS = {
    "opacities": ("#ff5d8f", "#ff9f45", "#ffd84d", "#d68bff", "#ff7b6b"),
    "lungs": ("#56d4ff", "#8ea8ff"),
}
_FILL = {"opacities": 0.22, "lungs": 0.06}


@dataclass(frozen=True, slots=True)
class Outline:
    """One region.

    Parameters
    ----------
    name
        What it is, in words.
    points
        float64 (n, 2), column and row, the first repeated last.
    """

    name: str
    points: NDArray[np.float64]


def outlines(
    regions: Sequence[Outline], columns: int, rows: int, kind: str, label: str
) -> str:
    """Draw regions; ``kind`` says in which colours."""
    colours = _COLOURS[kind]
    width = max(columns, rows) / 400
    drawn = []
    for number, region in enumerate(regions):
        colour = colours[number % len(colours)]
        path = "L".join(f"{column:g} {row:g}" for column, row in region.points)
        drawn.append(
            f'<path d="M{path}Z" fill="{colour}" fill-opacity="{_FILL[kind]}"'
            f' stroke="{colour}" stroke-width="{width:.2f}" stroke-linejoin="round">'
            f"<title>{escape(region.name)}</title></path>"
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {columns} {rows}"'
        f' preserveAspectRatio="none"><title>{escape(label)}</title>'
        f"{''.join(drawn)}</svg>"
    )
