"""The picture: the film with thin outlines, and the numbers on a panel beside it.

Used for the Secondary Capture, for files and for demonstrations. The film stands
upright, the patient's right at the left; nothing is filled and no text but a finding's
number lies on it.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from dicom_node.evidence.outline import Points, trace
from dicom_node.evidence.pictures.drawing import Brush, Colour, font, grey, smooth
from dicom_node.evidence.pictures.panel import (
    BACKGROUND,
    COOL,
    MUTED,
    QUIET,
    WARM,
    Panel,
)
from dicom_node.evidence.subject import Subject
from dicom_node.evidence.wording.sentences import film_line
from inference.findings import Analysis, Call, Region
from inference.frame import Frame, Orientation

WIDTH_PX = 1600
_BLACK: Colour = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things lie, in pixels of a picture; everything scales with its width."""

    width: int
    height: int
    unit: float
    film_left: int
    film_top: int
    film_width: int
    film_height: int
    panel_left: int
    panel_width: int

    @classmethod
    def of(cls, frame: Frame, width_px: int) -> "_Layout":
        unit = width_px / WIDTH_PX
        margin, panel, strip = (round(each * unit) for each in (28, 420, 44))
        room_width = width_px - panel - 3 * margin
        room_height = round(1.25 * room_width)
        tall = frame.rows * frame.aspect
        scale = min(room_width / frame.columns, room_height / tall)
        film_width = max(1, round(frame.columns * scale))
        film_height = max(1, round(tall * scale))
        inner = max(film_height, round(1010 * unit) - strip)
        return cls(
            width=width_px,
            height=inner + strip + margin,
            unit=unit,
            film_left=margin + (room_width - film_width) // 2,
            film_top=strip + (inner - film_height) // 2,
            film_width=film_width,
            film_height=film_height,
            panel_left=width_px - margin - panel,
            panel_width=panel,
        )


def draw(
    frame: Frame,
    analysis: Analysis,
    *,
    subject: Subject,
    width_px: int = WIDTH_PX,
) -> Image.Image:
    """Draw the film, its outlines and the panel.

    Parameters
    ----------
    frame
        Upright film.
    analysis
        What was found, on the source grid.
    subject
        For its maker, moment and prior.
    width_px
        Of the whole picture; the height follows from the film.
    """
    layout = _Layout.of(frame, width_px)
    picture = Image.new("RGB", (layout.width, layout.height), BACKGROUND)
    film = grey(frame.pixels, (layout.film_width, layout.film_height))
    picture.paste(film, (layout.film_left, layout.film_top))
    brush = Brush(picture)
    _sides(brush, layout, film_line(subject).removesuffix("."))
    _outlines(brush, layout, frame, analysis)
    Panel(brush, layout.panel_left, layout.panel_width, layout.unit).draw(
        analysis, subject, bottom=layout.height - round(28 * layout.unit)
    )
    return picture


def draw_film(frame: Frame, analysis: Analysis, *, width_px: int) -> Image.Image:
    """Draw the film with its outlines alone."""
    unit = 2 * width_px / WIDTH_PX
    height = max(1, round(frame.rows * frame.aspect * width_px / frame.columns))
    layout = _Layout(
        width=width_px,
        height=height,
        unit=unit,
        film_left=0,
        film_top=0,
        film_width=width_px,
        film_height=height,
        panel_left=width_px,
        panel_width=0,
    )
    picture = grey(frame.pixels, (width_px, height)).convert("RGB")
    _outlines(Brush(picture), layout, frame, analysis)
    return picture


def _sides(brush: Brush, layout: _Layout, film: str) -> None:
    """Name the patient's sides, and the film, above it and not on it."""
    type_ = font("Medium", round(20 * layout.unit))
    baseline = layout.film_top - round(12 * layout.unit)
    right = layout.film_left + layout.film_width
    brush.text((layout.film_left, baseline), "R", type_, MUTED)
    brush.text((right, baseline), "L", type_, MUTED, anchor="rs")
    middle = (layout.film_left + right) / 2
    brush.text((middle, baseline), film, font("Regular", type_.size_px), MUTED, "ms")


def _outlines(brush: Brush, layout: _Layout, frame: Frame, analysis: Analysis) -> None:
    unit = layout.unit
    for lung in analysis.lungs:
        points = _on_picture(lung.region, frame, layout)
        brush.line(points, _BLACK, 3.0 * unit, 0.25)
        brush.line(points, COOL, 1.4 * unit, 0.8)
    outlines = [
        _on_picture(finding.region, frame, layout) for finding in analysis.findings
    ]
    sure = analysis.call is Call.OPACITY
    colour = WARM if sure else QUIET
    for points in outlines:
        brush.line(points, _BLACK, 4.6 * unit, 0.35 if sure else 0.2)
        if sure:
            brush.line(points, colour, 2.4 * unit)
        else:
            brush.dashes(points, colour, 2.4 * unit, dash_px=14 * unit)
    type_ = font("Medium", round(21 * unit))
    for number, points in enumerate(outlines, start=1):
        brush.mark(_label_position(points, layout), str(number), type_, colour)


def _label_position(points: Points, layout: _Layout) -> tuple[float, float]:
    """Just above an outline's highest point, or inside where the film ends."""
    x, y = points[int(points[:, 1].argmin())]
    gap = 8 * layout.unit
    left, right = layout.film_left, layout.film_left + layout.film_width
    x = min(max(x, left + 2 * gap), right - 2 * gap)
    above = y - gap
    too_high = above < layout.film_top + 3 * gap
    return float(x), float(y + 4 * gap if too_high else above)


def _on_picture(region: Region, frame: Frame, layout: _Layout) -> Points:
    """Outline of a source region in picture coordinates."""
    points = upright(trace(region), frame.orientation, frame.rows, frame.columns)
    scale = layout.film_width / frame.columns
    square = points * np.array([1.0, frame.aspect])
    # Rounds the pixel stairs of the source, and never less than those of the picture.
    soft = smooth(square, max(2.5, 1.5 / scale), step_px=max(1.0, 1.0 / scale))
    shift = np.array([layout.film_left, layout.film_top], dtype=np.float64)
    return np.asarray(soft * scale + shift)


def upright(
    points: Points, orientation: Orientation, rows: int, columns: int
) -> Points:
    """Turn source points to the upright film, as ``Orientation.upright`` turns pixels.

    Parameters
    ----------
    points
        float64 (n, 2) of (column, row) on the source grid.
    rows, columns
        Size of the upright film.
    """
    out = points[:, ::-1].copy() if orientation.transpose else points.copy()
    if orientation.flip_rows:
        out[:, 1] = rows - out[:, 1]
    if orientation.flip_columns:
        out[:, 0] = columns - out[:, 0]
    return out
