"""A drawing surface in film coordinates: strokes, thicknesses, noise and blur."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

Plane = NDArray[np.float32]
Point = tuple[float, float]
Line = tuple[Sequence[Point], float, float]
"""Points, width in film widths, value."""

DRAWING_SIDE_PX = 1024
"""Anatomy is drawn no finer than this; a larger film is resized and gets its noise."""


class Paper:
    """A drawing surface in film coordinates: x and y run from 0 to 1."""

    def __init__(self, rows: int, columns: int, seed: int) -> None:
        scale = min(1.0, DRAWING_SIDE_PX / max(rows, columns))
        self.rows = max(8, round(rows * scale))
        self.columns = max(8, round(columns * scale))
        self.random = np.random.default_rng(seed)
        self.y, self.x = np.meshgrid(
            np.linspace(0, 1, self.rows, dtype=np.float32),
            np.linspace(0, 1, self.columns, dtype=np.float32),
            indexing="ij",
        )

    def blur(self, plane: NDArray[np.generic], sigma: float) -> Plane:
        """Gaussian of ``sigma`` film widths."""
        out = ndimage.gaussian_filter(
            plane.astype(np.float32), sigma * self.columns, truncate=3
        )
        return np.asarray(out, dtype=np.float32)

    def noise(self, sigma: float) -> Plane:
        """Band-limited noise, zero mean, unit deviation, grain of ``sigma``."""
        step = max(1, round(sigma * self.columns / 3))
        shape = (self.rows // step + 3, self.columns // step + 3)
        coarse = self.random.standard_normal(shape, dtype=np.float32)
        coarse = ndimage.gaussian_filter(coarse, sigma * self.columns / step)
        fine = resize(coarse, shape[0] * step, shape[1] * step)
        fine = fine[: self.rows, : self.columns]
        return np.asarray((fine - fine.mean()) / (fine.std() + 1e-6), dtype=np.float32)

    def stroke(self, lines: Sequence[Line]) -> Plane:
        """Draw polylines of (points, width, value), thin ones first."""
        image = Image.new("F", (self.columns, self.rows))
        draw = ImageDraw.Draw(image)
        for points, width, value in sorted(lines, key=lambda line: line[2]):
            pixels = [(x * self.columns, y * self.rows) for x, y in points]
            draw.line(pixels, value, max(1, round(width * self.columns)), "curve")
        return np.asarray(image, dtype=np.float32)

    def ellipse(self, centre: Point, radii: Point, turn_degrees: float = 0.0) -> Plane:
        """Thickness in [0, 1] of an ellipsoid along the beam."""
        return sphere(self.radius(centre, radii, turn_degrees))

    def radius(self, centre: Point, radii: Point, turn_degrees: float = 0.0) -> Plane:
        """Distance from a centre, 1 on the ellipse."""
        turn = math.radians(turn_degrees)
        x, y = self.x - centre[0], self.y - centre[1]
        along = x * math.cos(turn) + y * math.sin(turn)
        across = y * math.cos(turn) - x * math.sin(turn)
        return np.asarray(
            np.hypot(along / radii[0], across / radii[1]), dtype=np.float32
        )


def resize(plane: NDArray[np.generic], rows: int, columns: int) -> Plane:
    """Bicubic interpolation to another pixel grid."""
    image = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    resized = image.resize((columns, rows), Image.Resampling.BICUBIC)
    return np.asarray(resized, dtype=np.float32)


def sphere(radius: NDArray[np.floating]) -> Plane:
    """Thickness of a unit sphere at a distance from its centre."""
    return np.asarray(np.sqrt(np.clip(1 - np.square(radius), 0, 1)), dtype=np.float32)


def step(plane: NDArray[np.floating], low: float, high: float) -> Plane:
    """Rise smoothly from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((plane - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)
