"""From anatomy to film: opacities, scatter, development, collimation, and the truth."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dicom_node.phantom.anatomy import LEFT, RIGHT, Build, anatomy, lung
from dicom_node.phantom.paper import Paper, Plane, Point, resize, step

Mask = NDArray[np.bool_]

EDGE = 0.4
"""Coverage from which a pixel counts as inside, in the truth."""

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


def opacity(paper: Paper, field: Plane, centre: Point) -> tuple[Plane, Plane]:
    """Paint one airspace opacity with a soft rim: density to add, shape in [0, 1]."""
    radii = (paper.random.uniform(0.075, 0.11), paper.random.uniform(0.07, 0.105))
    radius = paper.radius(centre, radii, float(paper.random.uniform(-40, 40)))
    radius = radius * (1 + 0.16 * paper.noise(0.035) + 0.08 * paper.noise(0.012))
    shape = in_one_piece(step(radius, 1.25, 0.45) * field)
    grain = 0.78 + 0.15 * paper.noise(0.014) + 0.09 * paper.noise(0.006)
    strength = paper.random.uniform(0.30, 0.38)
    return np.asarray(strength * shape * np.clip(grain, 0.3, 1.3), np.float32), shape


def in_one_piece(shape: Plane) -> Plane:
    """Keep the largest connected part of what lies above half the truth's edge."""
    labels, count = ndimage.label(shape > EDGE / 2)
    if count <= 1:
        return shape
    sizes = np.bincount(labels.ravel())
    return np.asarray(shape * (labels == 1 + int(sizes[1:].argmax())), dtype=np.float32)


def marker(paper: Paper) -> Plane:
    """Lay a lead letter L beside the patient's left shoulder."""
    stem = [(0.925, 0.05), (0.925, 0.085), (0.945, 0.085)]
    return paper.blur(paper.stroke([(stem, 0.008, 1.0)]), 0.0008)


def scatter(paper: Paper, density: Plane) -> Plane:
    """Add what leaves the beam's straight line."""
    return np.asarray(
        0.88 * density + 0.12 * paper.blur(density, 0.05), dtype=np.float32
    )


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
    density = anatomy(paper, build, fields)
    shapes = []
    for side, across, height in OPACITY_SITES[:opacities]:
        centre = (0.5 + side * across, height)
        added, shape = opacity(paper, fields[0 if side == RIGHT else 1], centre)
        density = density + added
        shapes.append(shape)
    density = scatter(paper, density) + 0.5 * marker(paper)
    pixels = resize(develop(density), rows, columns)
    grain = np.random.default_rng(seed + 1).standard_normal(
        pixels.shape, dtype=np.float32
    )
    pixels = np.clip(pixels + 0.009 * grain, 0, 1)
    pixels = collimate(pixels, seed)
    right, left = (resize(field, rows, columns) > EDGE for field in fields)
    masks = tuple(resize(shape, rows, columns) > EDGE for shape in shapes)
    for array in (pixels, right, left, *masks):
        array.setflags(write=False)
    return Film(pixels, Truth(right, left, masks))
