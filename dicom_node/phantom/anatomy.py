"""The chest's anatomy, each part its own thickness along the beam.

Film coordinates: x and y from 0 to 1, the patient's right at the picture's left.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicom_node.phantom.paper import Line, Paper, Plane, Point, sphere, step

CAPILLARY = 0.0016
"""Vessels thinner than this, in film widths, are not drawn."""

RIGHT, LEFT = -1.0, 1.0
"""Side of the picture: the patient's right is at the picture's left."""


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
        bulge = np.power(np.clip(1 - np.power(np.clip(1 - t, 0, 1), 2.6), 0, 1), 0.5)
        return np.asarray(self.half_width * bulge * (0.89 + 0.11 * t), dtype=np.float32)


def lung(paper: Paper, build: Build, side: float) -> Plane:
    """Coverage in [0, 1] of one whole lung field."""
    across = side * (paper.x - 0.5 - build.lean)
    wall = build.lateral(paper.y)
    dome = build.dome + (0.0 if side == RIGHT else 0.025)
    middle = 0.17 if side == RIGHT else 0.2
    fall = np.square((across - middle) / 0.2)
    floor = dome + np.where(across > middle, 0.135, 0.05) * fall
    inner = 0.036 + 0.03 * step(paper.y, 0.35, 0.08) + 0.03 * step(paper.y, 0.5, 0.7)
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
        from_spine = step(across, 0.05, 0.13)
        from_apex = step(paper.y, build.apex - 0.02, build.apex + 0.14)
        depth += (
            field
            * (0.25 + 0.75 * np.sqrt(np.clip(1 - np.square(1 - from_wall), 0, 1)))
            * (0.08 + 0.92 * from_spine)
            * (0.4 + 0.6 * from_apex)
            * (1 - 0.22 * step(paper.y, 0.35, 0.75))
        )
    return np.asarray(depth, dtype=np.float32)


def body(paper: Paper) -> Plane:
    """Soft tissue of neck, shoulders, arms and trunk, 0 outside the patient."""
    across = np.abs(paper.x - 0.5)
    flare = np.clip(0.06 - paper.y, 0, None)
    neck = step(0.115 - 0.3 * flare - across, -0.02, 0.03)
    skin = 0.035 + 0.42 * np.power(np.clip(across - 0.09, 0, None), 1.25)
    shoulders = step(paper.y - skin, -0.005, 0.13)
    axilla = 0.45 + 2.2 * np.clip(across - 0.425, 0, None)
    arms = shoulders * step(axilla - paper.y, -0.05, 0.16)
    width = 0.455 - 0.025 * step(paper.y, 0.45, 0.95)
    trunk = np.power(sphere(np.clip(across / width, 0, 1)), 0.6)
    trunk = trunk * step(paper.y, 0.12, 0.42)
    upper = np.maximum(0.86 * neck * step(0.35 - paper.y, 0.0, 0.2), 0.80 * arms)
    joined = np.power(np.power(trunk, 6) + np.power(upper, 6), 1 / 6)
    return paper.blur(joined, 0.004)


def mediastinum(paper: Paper, build: Build) -> Plane:
    """Heart, great vessels and hila, one shadow without inner edges."""
    size = build.heart
    column = step(0.058 - np.abs(paper.x - 0.503), -0.01, 0.014)
    parts = (
        1.00 * paper.ellipse((0.56, 0.61), (0.175 * size, 0.125 * size), 36),
        0.95 * paper.ellipse((0.535, 0.52), (0.085, 0.17), -10),
        0.90 * paper.ellipse((0.468, 0.59), (0.064 * size, 0.125)),
        0.62 * paper.ellipse((0.552, 0.325), (0.04, 0.045)),
        0.60 * paper.ellipse((0.552, 0.42), (0.055, 0.085), -12),
        0.50 * paper.ellipse((0.464, 0.32), (0.036, 0.2)),
        0.62 * column * step(paper.y, 0.02, 0.2) * step(0.8 - paper.y, 0.0, 0.1),
    )
    shadow = np.zeros_like(paper.x)
    for part in parts:
        shadow += np.power(part, 4)
    return paper.blur(0.48 * np.sqrt(np.power(shadow, 0.25)), 0.0024)


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
            for part, strength in ((points[:26], 0.115), (points[25:], 0.06)):
                bone += paper.stroke([(part, 0.027, strength)])
                bone -= paper.stroke([(part, 0.019, 0.34 * strength)])
    beyond = np.abs(paper.x - 0.5 - build.lean) - build.lateral(paper.y)
    bone *= 1 - 0.55 * step(beyond, 0.0, 0.012)
    wall = step(beyond, 0.0, 0.008) * step(0.034 - beyond, 0.0, 0.016)
    wall = wall * step(paper.y, build.apex, 0.2) * step(0.86 - paper.y, 0.0, 0.12)
    return paper.blur(bone + 0.075 * wall, 0.002) + girdle(paper)


def girdle(paper: Paper) -> Plane:
    """Clavicles, shoulder blades and the heads of the upper arms."""
    lines: list[Line] = []
    cores: list[Line] = []
    extra = np.zeros_like(paper.x)
    for side in (RIGHT, LEFT):
        t = np.linspace(0, 1, 30)
        x = 0.5 + side * (0.045 + 0.33 * t)
        y = 0.195 - 0.085 * t - 0.022 * np.sin(2 * np.pi * t)
        clavicle = list(zip(x.tolist(), y.tolist(), strict=True))
        lines.append((clavicle, 0.029, 0.14))
        cores.append((clavicle, 0.018, 0.04))
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
    lines: list[Line] = []
    for side in (RIGHT, LEFT):
        hilum = (0.5 + build.lean + side * (0.075 + 0.01 * (side > 0)), 0.43)
        for angle in np.linspace(-75, 85, 11) + paper.random.normal(0, 7, 11):
            width = float(paper.random.uniform(0.006, 0.0105))
            branch(paper, lines, hilum, (side, float(angle), width))
    tree = paper.stroke(lines)
    hila = np.zeros_like(paper.x)
    for side in (RIGHT, LEFT):
        hila += paper.ellipse((0.5 + side * 0.10, 0.435), (0.045, 0.075), -side * 18)
    return paper.blur(tree, 0.0011) + 0.10 * paper.blur(hila, 0.012)


def branch(
    paper: Paper,
    lines: list[Line],
    start: Point,
    direction: tuple[float, float, float],
) -> None:
    """Grow one vessel (side, angle in degrees, width) and its two children."""
    side, angle, width = direction
    if width < CAPILLARY:
        return
    length = (0.036 + 2.4 * width) * paper.random.uniform(0.6, 1.4)
    bend = paper.random.normal(0, 16)
    points = [start]
    for part in range(1, 6):
        turn = np.deg2rad(angle + bend * part / 5)
        x, y = points[-1]
        points.append(
            (x + side * np.cos(turn) * length / 5, y + np.sin(turn) * length / 5)
        )
    lines.append((points, width, 0.025 + 11.0 * width))
    for sign in (-1, 1):
        spread = sign * paper.random.uniform(10, 32)
        thinner = width * paper.random.uniform(0.58, 0.80)
        branch(paper, lines, points[-1], (side, angle + bend + spread, thinner))


def anatomy(paper: Paper, build: Build, fields: Sequence[Plane]) -> Plane:
    """Sum everything healthy along the beam."""
    trunk = body(paper)
    depth = air(paper, build, fields)
    vascular = vessels(paper, build)
    texture = 0.016 * paper.noise(0.008) + 0.012 * paper.noise(0.003)
    belly = step(paper.y, build.dome - 0.02, build.dome + 0.1) * (
        1 - fields[0] - fields[1]
    )
    inside = step(0.40 - np.abs(paper.x - 0.5), 0.0, 0.1)
    return np.asarray(
        0.80 * trunk
        + 0.16 * belly * inside * trunk
        - 0.60 * depth * trunk
        + depth * (vascular + texture)
        + (mediastinum(paper, build) + spine(paper)) * trunk
        + skeleton(paper, build) * np.clip(trunk * 1.4, 0, 1)
        + 0.02 * paper.noise(0.05) * trunk,
        dtype=np.float32,
    )
