"""Brush and type for the overlay: anti-aliased lines, legible text, nothing more.

Lines are drawn four times too large on a small mask and scaled down, because Pillow's
own are jagged; type is Roboto, which lies in ``fonts`` beside this
file with its licence.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter1d

from dicom_node.evidence.outline import Points

Colour = tuple[int, int, int]
Weight = Literal["Light", "Regular", "Medium"]

_OVERSAMPLING = 4
_SMOOTH_FROM_POINTS = 24


@dataclass(frozen=True, slots=True)
class Type:
    """A weight at a size, four times too large, so that letters space evenly."""

    size_px: int
    large: ImageFont.FreeTypeFont

    def length(self, text: str) -> float:
        """Width of a line in pixels of the picture."""
        return float(self.large.getlength(text)) / _OVERSAMPLING


@cache
def font(weight: Weight, size_px: int) -> Type:
    """Load the type at a size; one object for all pictures."""
    path = files("dicom_node.evidence.pictures").joinpath(
        "fonts", f"Roboto-{weight}.ttf"
    )
    stream = BytesIO(path.read_bytes())
    return Type(size_px, ImageFont.truetype(stream, size_px * _OVERSAMPLING))


def blend(one: Colour, other: Colour, share: float) -> Colour:
    """Mix two colours; ``share`` in [0, 1] of the other."""
    mixed = [round(a + (b - a) * share) for a, b in zip(one, other, strict=True)]
    return (mixed[0], mixed[1], mixed[2])


def smooth(closed: Points, sigma_px: float, step_px: float = 1.0) -> Points:
    """Round off the pixel stairs of an outline, for the eye only.

    Parameters
    ----------
    closed
        float64 (n, 2) along pixel edges, first point repeated last.
    sigma_px
        How far along the outline the rounding reaches.
    step_px
        Distance of the points that come out.
    """
    steps = np.hypot(*np.diff(closed, axis=0).T)
    way = np.concatenate([[0.0], np.cumsum(steps)])
    count = int(way[-1] / step_px)
    if count < _SMOOTH_FROM_POINTS:
        return closed
    at = np.linspace(0.0, way[-1], count, endpoint=False)
    even = np.stack([np.interp(at, way, closed[:, axis]) for axis in (0, 1)], axis=1)
    soft = gaussian_filter1d(even, sigma_px / step_px, axis=0, mode="wrap")
    return np.concatenate([soft, soft[:1]])


@dataclass(frozen=True, slots=True)
class Brush:
    """Paints on one RGB picture.

    Parameters
    ----------
    picture
        Changed in place.
    """

    picture: Image.Image

    def line(
        self, points: Points, colour: Colour, width_px: float, alpha: float = 1.0
    ) -> None:
        """Draw a polyline of any width and opacity."""
        pad = int(width_px) + 2
        low = np.floor(points.min(axis=0)).astype(int) - pad
        high = np.ceil(points.max(axis=0)).astype(int) + pad
        size = (int(high[0] - low[0]), int(high[1] - low[1]))
        scale = _OVERSAMPLING
        mask = Image.new("L", (size[0] * scale, size[1] * scale))
        path = ((points - low) * scale).ravel().tolist()
        ImageDraw.Draw(mask).line(
            path, fill=255, width=max(1, round(width_px * scale)), joint="curve"
        )
        soft = mask.resize(size, Image.Resampling.BOX)
        if alpha < 1:
            soft = soft.point([round(value * alpha) for value in range(256)])
        self.picture.paste(colour, (int(low[0]), int(low[1])), soft)

    def dashes(
        self,
        points: Points,
        colour: Colour,
        width_px: float,
        *,
        dash_px: float,
        alpha: float = 1.0,
    ) -> None:
        """Draw a polyline as dashes with gaps two thirds as long."""
        steps = np.hypot(*np.diff(points, axis=0).T)
        way = np.concatenate([[0.0], np.cumsum(steps)])
        period = dash_px * 5 / 3
        for start in np.arange(0.0, way[-1], period):
            stop = min(start + dash_px, way[-1])
            inner = way[(way > start) & (way < stop)]
            at = np.concatenate([[start], inner, [stop]])
            dash = np.stack(
                [np.interp(at, way, points[:, axis]) for axis in (0, 1)], axis=1
            )
            self.line(dash, colour, width_px, alpha)

    def bar(
        self, box: tuple[float, float, float, float], colour: Colour, radius_px: float
    ) -> None:
        """Draw a filled rectangle with round corners, (left, top, right, bottom)."""
        left, top, right, bottom = (round(edge) for edge in box)
        if right <= left or bottom <= top:
            return
        scale = _OVERSAMPLING
        size = (right - left, bottom - top)
        mask = Image.new("L", (size[0] * scale, size[1] * scale))
        ImageDraw.Draw(mask).rounded_rectangle(
            (0, 0, size[0] * scale - 1, size[1] * scale - 1),
            radius=radius_px * scale,
            fill=255,
        )
        self.picture.paste(colour, (left, top), mask.resize(size, Image.Resampling.BOX))

    def text(
        self,
        at: tuple[float, float],
        text: str,
        type_: Type,
        colour: Colour,
        anchor: str = "ls",
    ) -> float:
        """Write one line; returns its width. Anchors are Pillow's (left baseline)."""
        scale = _OVERSAMPLING
        large = type_.large
        left, top, right, bottom = large.getbbox(text, anchor=anchor)
        low = [int((edge // scale) - 2) for edge in (left, top)]
        size = [
            int(edge // scale) + 4 - first
            for edge, first in zip((right, bottom), low, strict=True)
        ]
        mask = Image.new("L", (size[0] * scale, size[1] * scale))
        whole = [int(place // 1) for place in at]
        offset = [
            (place - each - first) * scale
            for place, each, first in zip(at, whole, low, strict=True)
        ]
        ImageDraw.Draw(mask).text(
            (offset[0], offset[1]), text, font=large, fill=255, anchor=anchor
        )
        soft = mask.resize((size[0], size[1]), Image.Resampling.BOX)
        self.picture.paste(colour, (whole[0] + low[0], whole[1] + low[1]), soft)
        return type_.length(text)

    def mark(
        self, at: tuple[float, float], text: str, type_: Type, colour: Colour
    ) -> None:
        """Write centred on the film, with a dark rim so that it reads on any grey."""
        rim = max(1.0, type_.size_px / 12)
        for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False):
            shifted = (at[0] + rim * np.cos(angle), at[1] + rim * np.sin(angle))
            self.text(shifted, text, type_, (0, 0, 0), "ms")
        self.text(at, text, type_, colour, "ms")


def wrap(text: str, type_: Type, width_px: float) -> list[str]:
    """Break a sentence into lines that fit."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and type_.length(longer) <= width_px:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def grey(pixels: NDArray[np.float32], size: tuple[int, int]) -> Image.Image:
    """Make a picture of the film at a size (width, height)."""
    eight_bit = np.multiply(pixels, 255, dtype=np.float32)
    np.clip(np.rint(eight_bit, out=eight_bit), 0, 255, out=eight_bit)
    return Image.fromarray(eight_bit.astype(np.uint8)).resize(
        size, Image.Resampling.LANCZOS, reducing_gap=3.0
    )
