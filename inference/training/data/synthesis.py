"""Synthetic opacities: textured, inside a lung, blended on films without any."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.training.data.dataset import AnnotatedOpacity, Sample
from inference.training.data.render import Grey, Rendered

_LEAST_PX = 30


def add_opacity(
    sample: Sample, rendered: Rendered, rng: np.random.Generator
) -> tuple[Rendered, Sample]:
    """Blend one to three opacities into a lung of a negative film.

    Films with opacities, unknown ones and those without lung outlines come back as
    they are.
    """
    lungs = [m for m in (rendered.right_lung, rendered.left_lung) if m is not None]
    if sample.kind != "negative" or not lungs:
        return rendered, sample
    image = rendered.image
    masks: list[Grey] = []
    for _ in range(int(rng.integers(1, 4))):
        lung = lungs[int(rng.integers(len(lungs)))]
        density = _density(lung, rng)
        mask = (density > 0.25).astype(np.uint8) * np.uint8(255)  # noqa: PLR2004  where it can be seen
        if np.count_nonzero(mask) >= _LEAST_PX:
            image = _blend(image, density, rng)
            masks.append(mask)
    if not masks:
        return rendered, sample
    boxes = np.array([cv2.boundingRect(mask) for mask in masks], np.float64)
    opacities = tuple(AnnotatedOpacity((0, 0, 1, 1), []) for _ in masks)
    drawn = replace(rendered, image=image, boxes=boxes, masks=tuple(masks))
    return drawn, replace(sample, opacities=opacities)


def _density(lung: Grey, rng: np.random.Generator) -> NDArray[np.float32]:
    """Make a soft, clouded blob that stays inside the lung, float32 in [0, 1]."""
    size = lung.shape[0]
    inside = np.argwhere(lung > 0)
    row, column = inside[int(rng.integers(len(inside)))]
    radii = rng.uniform(0.03, 0.16, 2) * size
    angle = rng.uniform(0, np.pi)
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    down, across = rows - row, columns - column
    along = (across * np.cos(angle) + down * np.sin(angle)) / radii[0]
    aside = (down * np.cos(angle) - across * np.sin(angle)) / radii[1]
    blob = np.clip(1.4 - np.sqrt(along**2 + aside**2), 0, 1)
    blob *= _clouds(size, rng)
    soft = cv2.GaussianBlur(lung.astype(np.float32) / 255, (0, 0), size / 150)
    return np.asarray(blob * soft, np.float32)


def _clouds(size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise at three scales, in [0.2, 1]."""
    total = np.zeros((size, size), np.float32)
    for cells in (6, 14, 40):
        grid = rng.random((cells, cells), np.float32)
        total += cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(total / 2.0, 0.2, 1), np.float32)


def _blend(image: Grey, density: NDArray[np.float32], rng: np.random.Generator) -> Grey:
    """Lift the grey towards that of soft tissue, as attenuation does."""
    tissue = float(np.percentile(image[image > 0], rng.uniform(65, 90)))
    strength = density * float(rng.uniform(0.35, 0.9))
    lifted = image + np.maximum(tissue - image, 0) * strength
    return np.asarray(np.clip(lifted, 0, 255), np.uint8)
