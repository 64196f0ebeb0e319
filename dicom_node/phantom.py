"""A drawn chest: a radiograph that never had a patient, with its truth.

The demonstration, the doctor's golden image and the tests need a film that a network
trained on real ones understands. Tissue is summed along the beam as attenuation and
shown bright = dense, upright, the patient's right at the picture's left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]
Point = tuple[float, float]

DRAWING_SIDE_PX = 1024
"""Anatomy is drawn no finer than this; a larger film is resized and gets its noise."""

CAPILLARY = 0.0016
"""Vessels thinner than this, in film widths, are not drawn."""

EDGE = 0.4
"""Coverage from which a pixel counts as inside, in the truth."""

RIGHT, LEFT = -1.0, 1.0
"""Side of the picture: the patient's right is at the picture's left."""

OPACITY_SITES = (
    (RIGHT, 0.21, 0.56),
    (LEFT, 0.24, 0.46),
    (RIGHT, 0.17, 0.27),
    (LEFT, 0.26, 0.62),
    (RIGHT, 0.15, 0.42),
    (LEFT, 0.17, 0.25),
)
"""Side, distance from the midline and height of each opacity, in film widths."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What was drawn, as masks on the film's own pixel grid.

    Parameters
    ----------
    right_lung, left_lung
        bool (rows, columns); whole lung fields, the part behind the heart included.
    opacities
        One bool (rows, columns) for each painted opacity, in painting order.
    """

    right_lung: Mask
    left_lung: Mask
    opacities: tuple[Mask, ...]


@dataclass(frozen=True, slots=True)
class Film:
    """A drawn radiograph: float32 (rows, columns) in [0, 1], bright = dense."""

    pixels: Plane
    truth: Truth


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

    def stroke(self, lines: Sequence[tuple[Sequence[Point], float, float]]) -> Plane:
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
        turn = np.deg2rad(turn_degrees)
        x, y = self.x - centre[0], self.y - centre[1]
        along = x * np.cos(turn) + y * np.sin(turn)
        across = y * np.cos(turn) - x * np.sin(turn)
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


@dataclass(frozen=True, slots=True)
class Build:
    """Proportions of one patient, in film widths and heights."""

    apex: float
    dome: float
    half_width: float
    heart: float
    lean: float

    @classmethod
    def of(cls, seed: int) -> "Build":
        """Vary the proportions a little from patient to patient."""
        random = np.random.default_rng(seed + 7919)
        return cls(
            apex=0.095 + 0.02 * random.random(),
            dome=0.69 + 0.04 * random.random(),
            half_width=0.345 + 0.025 * random.random(),
            heart=0.92 + 0.16 * random.random(),
            lean=0.01 * random.standard_normal(),
        )

    def lateral(self, y: NDArray[np.floating]) -> Plane:
        """Distance of the inner chest wall from the midline at height ``y``."""
        t = np.clip((y - self.apex) / 0.62, 0, 1.2)
        bulge = np.power(np.clip(1 - np.power(np.clip(1 - t, 0, 1), 2.6), 0, 1), 0.62)
        return np.asarray(self.half_width * bulge * (0.86 + 0.14 * t), dtype=np.float32)


def lung(paper: Paper, build: Build, side: float) -> Plane:
    """Coverage in [0, 1] of one whole lung field."""
    across = side * (paper.x - 0.5 - build.lean)
    wall = build.lateral(paper.y)
    dome = build.dome + (0.0 if side == RIGHT else 0.025)
    middle = 0.17 if side == RIGHT else 0.2
    fall = np.square((across - middle) / 0.2)
    floor = dome + np.where(across > middle, 0.135, 0.05) * fall
    inner = 0.035 + 0.025 * step(paper.y, 0.35, 0.1) + 0.03 * step(paper.y, 0.5, 0.7)
    soft = 1.5 / paper.columns
    inside = (
        step(wall - across, -soft, soft)
        * step(across - inner, -soft, soft)
        * step(floor - paper.y, -soft, soft)
    )
    return np.asarray(inside * (paper.y > build.apex), dtype=np.float32)


def air(paper: Paper, build: Build, fields: Sequence[Plane]) -> Plane:
    """Depth of air along the beam in [0, 1]: thin at the wall, deep in the middle."""
    depth = np.zeros_like(paper.x)
    for side, field in zip((RIGHT, LEFT), fields, strict=True):
        across = side * (paper.x - 0.5 - build.lean)
        from_wall = np.clip((build.lateral(paper.y) - across) / 0.2, 0, 1)
        from_spine = step(across, 0.0, 0.11)
        from_apex = step(paper.y, build.apex - 0.02, build.apex + 0.12)
        depth += (
            field
            * (0.35 + 0.65 * np.sqrt(np.clip(1 - np.square(1 - from_wall), 0, 1)))
            * (0.3 + 0.7 * from_spine)
            * (0.45 + 0.55 * from_apex)
        )
    return np.asarray(depth, dtype=np.float32)


def body(paper: Paper) -> Plane:
    """Soft tissue of neck, shoulders, arms and trunk, 0 outside the patient."""
    across = np.abs(paper.x - 0.5)
    neck = 0.135 + 0.02 * step(paper.y, 0.0, 0.06)
    shoulder_line = 0.055 + 0.55 * np.clip(across - 0.15, 0, None) ** 1.35
    shoulders = step(paper.y - shoulder_line, 0.0, 0.10)
    trunk_width = 0.435 - 0.02 * step(paper.y, 0.5, 0.95)
    trunk = sphere(np.clip(across / trunk_width, 0, 1)) ** 0.55
    arm_gap = step(paper.y, 0.40, 0.52) * step(across, 0.41, 0.44)
    upper = np.maximum(shoulders, step(neck - across, 0.0, 0.05))
    below = trunk * step(paper.y, 0.1, 0.4)
    arms = shoulders * (1 - arm_gap) * 0.72
    return np.asarray(
        np.maximum(
            np.maximum(upper * 0.8 * (1 - step(paper.y, 0.3, 0.5)), below), arms
        ),
        dtype=np.float32,
    )


def mediastinum(paper: Paper, build: Build) -> Plane:
    """Heart, great vessels and hila."""
    size = build.heart
    heart = paper.ellipse((0.565, 0.605), (0.165 * size, 0.135 * size), 32)
    atrium = paper.ellipse((0.465, 0.585), (0.065 * size, 0.12))
    knob = paper.ellipse((0.55, 0.315), (0.042, 0.042))
    trunk = paper.ellipse((0.555, 0.42), (0.05, 0.085), -12)
    cava = paper.ellipse((0.462, 0.3), (0.035, 0.2))
    column = step(0.062 - np.abs(paper.x - 0.505), -0.012, 0.012)
    column = column * step(paper.y, 0.0, 0.2) * (1 - step(paper.y, 0.7, 0.8))
    shadow = (
        0.50 * np.sqrt(np.maximum(heart, 0.85 * atrium))
        + 0.13 * knob
        + 0.12 * trunk
        + 0.10 * cava
        + 0.24 * column
    )
    return paper.blur(shadow, 0.0022)


def spine(paper: Paper) -> Plane:
    """Vertebral bodies, discs, pedicles and spinous processes, and the trachea."""
    sway = 0.5 + 0.006 * np.sin(6 * paper.y)
    across = np.abs(paper.x - sway)
    pitch = 0.040 + 0.018 * paper.y
    phase = np.mod(paper.y / pitch, 1.0)
    width = 0.030 + 0.014 * paper.y
    vertebrae = step(width - across, -0.005, 0.005) * (
        0.72 + 0.28 * step(np.abs(phase - 0.5), 0.46, 0.30)
    )
    pedicles = np.exp(
        -np.square((across - 0.62 * width) / 0.006) - np.square((phase - 0.4) / 0.17)
    )
    process = np.exp(-np.square(across / 0.006) - np.square((phase - 0.75) / 0.2))
    trachea = step(0.021 - np.abs(paper.x - 0.497), -0.004, 0.004)
    trachea = trachea * (1 - step(paper.y, 0.33, 0.37))
    bone = 0.17 * vertebrae + 0.07 * pedicles + 0.06 * process
    return paper.blur(bone - 0.15 * trachea, 0.0018)


def rib(build: Build, side: float, level: int) -> list[Point]:
    """Project one rib: a tilted ellipse from the spine round the wall to the front."""
    angle = np.deg2rad(np.linspace(8, 150, 48))
    start = build.apex + 0.012 + 0.0665 * level
    drop = 0.09 + 0.021 * min(level, 7)
    y = start - 0.028 * np.sin(2 * angle) * (angle < np.pi / 2)
    y = y + drop * np.power((1 - np.cos(angle)) / 2, 1.15)
    wall = build.lateral(np.clip(np.asarray([start + 0.45 * drop]), 0.0, 1.0))[0]
    reach = 0.035 + (max(float(wall), 0.11) + 0.010 - 0.035) * np.sin(angle)
    x = 0.5 + build.lean + side * reach
    return list(zip(x.tolist(), y.tolist(), strict=True))


def skeleton(paper: Paper, build: Build) -> Plane:
    """Ribs with their cortical edges, and the shoulder girdle."""
    bone = np.zeros_like(paper.x)
    for side in (RIGHT, LEFT):
        for level in range(11):
            points = rib(build, side, level)
            for part, strength in ((points[:30], 0.085), (points[28:], 0.05)):
                outer = paper.stroke([(part, 0.024, strength)])
                inner = paper.stroke([(part, 0.015, 0.45 * strength)])
                bone += paper.blur(outer - inner, 0.0016)
    return bone + girdle(paper)


def girdle(paper: Paper) -> Plane:
    """Clavicles, shoulder blades and the heads of the upper arms."""
    lines: list[tuple[Sequence[Point], float, float]] = []
    cores: list[tuple[Sequence[Point], float, float]] = []
    extra = np.zeros_like(paper.x)
    for side in (RIGHT, LEFT):
        t = np.linspace(0, 1, 30)
        x = 0.5 + side * (0.045 + 0.33 * t)
        y = 0.195 - 0.085 * t - 0.022 * np.sin(2 * np.pi * t)
        clavicle = list(zip(x.tolist(), y.tolist(), strict=True))
        lines.append((clavicle, 0.027, 0.13))
        cores.append((clavicle, 0.017, 0.05))
        extra += 0.10 * paper.ellipse((0.5 + side * 0.425, 0.185), (0.055, 0.05))
        shaft = step(
            0.028 - np.abs(paper.x - 0.5 - side * (0.43 + 0.15 * (paper.y - 0.18))),
            -0.004,
            0.004,
        )
        extra += 0.09 * shaft * step(paper.y, 0.17, 0.22)
        blade = paper.radius((0.5 + side * 0.365, 0.32), (0.045, 0.14), side * 14)
        extra += 0.035 * step(1.0 - blade, -0.04, 0.04)
    bone = paper.stroke(lines) - paper.stroke(cores)
    return paper.blur(bone + extra, 0.0022)


def vessels(paper: Paper, build: Build) -> Plane:
    """Branching pulmonary vessels, from each hilum outwards, thinner and fainter."""
    lines: list[tuple[Sequence[Point], float, float]] = []
    for side in (RIGHT, LEFT):
        hilum = (0.5 + build.lean + side * 0.085, 0.43)
        for angle in np.linspace(-80, 80, 10) + paper.random.normal(0, 5, 10):
            branch(paper, lines, hilum, (side, float(angle), 0.012))
    tree = paper.stroke(lines)
    hila = np.zeros_like(paper.x)
    for side in (RIGHT, LEFT):
        hila += paper.ellipse((0.5 + side * 0.10, 0.435), (0.045, 0.075), -side * 18)
    return paper.blur(tree, 0.0011) + 0.10 * paper.blur(hila, 0.012)


def branch(
    paper: Paper,
    lines: list[tuple[Sequence[Point], float, float]],
    start: Point,
    direction: tuple[float, float, float],
) -> None:
    """Grow one vessel (side, angle in degrees, width) and its two children."""
    side, angle, width = direction
    if width < CAPILLARY:
        return
    length = (0.045 + 2.2 * width) * paper.random.uniform(0.7, 1.3)
    bend = paper.random.normal(0, 10)
    points = [start]
    for part in range(1, 6):
        turn = np.deg2rad(angle + bend * part / 5)
        x, y = points[-1]
        points.append(
            (x + side * np.cos(turn) * length / 5, y + np.sin(turn) * length / 5)
        )
    lines.append((points, width, 0.02 + 9.0 * width))
    for sign in (-1, 1):
        spread = sign * paper.random.uniform(10, 32)
        thinner = width * paper.random.uniform(0.58, 0.80)
        branch(paper, lines, points[-1], (side, angle + bend + spread, thinner))


def opacity(paper: Paper, field: Plane, centre: Point) -> tuple[Plane, Plane]:
    """Paint one airspace opacity with a soft rim: density to add, shape in [0, 1]."""
    radii = (paper.random.uniform(0.075, 0.11), paper.random.uniform(0.07, 0.105))
    radius = paper.radius(centre, radii, float(paper.random.uniform(-40, 40)))
    radius = radius * (1 + 0.16 * paper.noise(0.035) + 0.08 * paper.noise(0.012))
    shape = step(radius, 1.25, 0.45) * field
    grain = 0.78 + 0.15 * paper.noise(0.014) + 0.09 * paper.noise(0.006)
    strength = paper.random.uniform(0.27, 0.36)
    return np.asarray(strength * shape * np.clip(grain, 0.3, 1.3), np.float32), shape


def marker(paper: Paper) -> Plane:
    """Lay a lead letter L beside the patient's left shoulder."""
    stem = [(0.925, 0.05), (0.925, 0.085), (0.945, 0.085)]
    return paper.blur(paper.stroke([(stem, 0.008, 1.0)]), 0.0008)


def tissue(
    paper: Paper, build: Build, fields: Sequence[Plane], opacities: Sequence[Plane]
) -> Plane:
    """Sum everything along the beam."""
    trunk = body(paper)
    depth = air(paper, build, fields)
    vascular = vessels(paper, build)
    texture = 0.016 * paper.noise(0.008) + 0.012 * paper.noise(0.003)
    belly = step(paper.y, build.dome - 0.02, build.dome + 0.1) * (
        1 - fields[0] - fields[1]
    )
    inside = step(0.40 - np.abs(paper.x - 0.5), 0.0, 0.1)
    density = (
        0.80 * trunk
        + 0.16 * belly * inside * trunk
        - 0.60 * depth * trunk
        + depth * (vascular + texture)
        + (mediastinum(paper, build) + spine(paper)) * trunk
        + skeleton(paper, build) * np.clip(trunk * 1.4, 0, 1)
        + 0.02 * paper.noise(0.05) * trunk
    )
    for painted in opacities:
        density = density + painted
    scatter = paper.blur(density, 0.05)
    return np.asarray(0.88 * density + 0.12 * scatter, dtype=np.float32)


def develop(density: Plane) -> Plane:
    """Film curve: what is dense saturates softly, what is thin keeps its contrast."""
    exposed = np.clip(density, 0, None)
    return np.asarray(1 - np.exp(-1.55 * np.power(exposed, 1.15)), dtype=np.float32)


def collimate(pixels: Plane, seed: int) -> Plane:
    """Blacken a narrow shutter border, a little unequal on the four sides."""
    random = np.random.default_rng(seed + 104729)
    rows, columns = pixels.shape
    top, bottom = (round(rows * random.uniform(0.003, 0.012)) for _ in range(2))
    left, right = (round(columns * random.uniform(0.003, 0.012)) for _ in range(2))
    out = np.zeros_like(pixels)
    inner = (slice(top, rows - bottom), slice(left, columns - right))
    out[inner] = pixels[inner]
    return out


@lru_cache(maxsize=4)
def draw(seed: int, rows: int, columns: int, opacities: int) -> Film:
    """Draw one film; the same arguments always give the same pixels.

    Parameters
    ----------
    seed
        Which patient.
    rows, columns
        Size of the film in pixels.
    opacities
        How many airspace opacities to paint, 0 to 6.
    """
    paper, build = Paper(rows, columns, seed), Build.of(seed)
    fields = [lung(paper, build, side) for side in (RIGHT, LEFT)]
    painted = []
    for side, across, height in OPACITY_SITES[:opacities]:
        centre = (0.5 + side * across, height)
        painted.append(opacity(paper, fields[0 if side == RIGHT else 1], centre))
    density = tissue(paper, build, fields, [added for added, _ in painted])
    pixels = resize(develop(density + 0.5 * marker(paper)), rows, columns)
    grain = np.random.default_rng(seed + 1).standard_normal(
        pixels.shape, dtype=np.float32
    )
    pixels = np.clip(pixels + 0.006 * grain, 0, 1)
    pixels = collimate(pixels, seed)
    right, left = (resize(field, rows, columns) > EDGE for field in fields)
    shapes = tuple(resize(shape, rows, columns) > EDGE for _, shape in painted)
    for array in (pixels, right, left, *shapes):
        array.setflags(write=False)
    return Film(pixels, Truth(right, left, shapes))
