"""Prediction -> the masks that are sent: the one place where that is decided.

Severity, findings, SEG and overlay all come from what is returned here. The rule,
on the dense grid (half the network's resolution), each lung by itself:

1. Lungs: dense probability above the threshold and above the other lung's; the
   largest connected piece of each side, holes filled.
2. Opacity: dense opacity above the film's threshold (``Thresholds.opacity_on``), on
   the lungs or just beside them. A film whose opacity score is below the clear
   threshold has none.
3. A connected piece of opacity that an accepted instance touches is its finding; a
   piece that several touch is divided between them, pixel by pixel, to the one whose
   mask is surest there (or nearest). A piece that none touches is a finding of its own
   when it has a sure core. What is smaller than the least area goes.
4. A finding's raw score is the surer of its instance and its mean dense probability.
5. Contours are drawn at source resolution by bilinear interpolation of the
   probabilities; findings never overlap.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference import suitability
from inference.contour import EIGHT, Cells, Grid, Map
from inference.errors import UnsuitableImage
from inference.findings import Region
from inference.frame import Frame
from inference.manifest import ModelManifest, Thresholds
from inference.preprocess import Letterbox
from inference.tasks.opacity.prediction import Prediction

# Outlines of opacity overlap the lung's edge a little: share of the lung's height.
_BESIDE = 0.03
_IN_MASK = 0.5


@dataclass(frozen=True, slots=True)
class Opacity:
    """One opacity before it is measured.

    Parameters
    ----------
    score
        Calibrated, in [0, 1].
    region
        Its pixels on the upright frame.
    """

    score: float
    region: Region


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What is where, on the upright frame at its full resolution.

    Parameters
    ----------
    rows, columns
        Size of the upright frame.
    right_lung, left_lung
        The lung fields, the patient's sides.
    opacities
        Highest score first; they never overlap.
    opacity_score
        Calibrated probability in [0, 1] that the film shows any opacity.
    remarks
        Sentences about image quality.
    """

    rows: int
    columns: int
    right_lung: Region
    left_lung: Region
    opacities: tuple[Opacity, ...]
    opacity_score: float
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Claim:
    """An accepted instance: raw score and its mask's probabilities on the grid."""

    score: float
    mask: Map


def segment(
    prediction: Prediction, letterbox: Letterbox, frame: Frame, manifest: ModelManifest
) -> Segmentation:
    """Decide what is lung and what is opacity.

    Raises
    ------
    UnsuitableImage
        ``BLANK``, ``TWO_FILMS``, ``NOT_FRONTAL``, ``NO_LUNGS`` or ``INVERTED``.
    """
    thresholds = manifest.thresholds
    grid = Grid(letterbox)
    opacity, *lung_maps = grid.crop(prediction.dense)
    small = suitability.thumbnail(frame, opacity.shape)
    suitability.require_contrast(small)
    probability = float(prediction.image[1])
    suitability.require_one_film(
        small, lung_maps, thresholds.lung, frontal=probability >= thresholds.frontal
    )
    suitability.require_frontal(probability, thresholds.frontal)
    right, left = _lungs(lung_maps[0], lung_maps[1], thresholds.lung)
    suitability.require_pair(right, left)
    suitability.require_dark_lungs(small, right | left)
    film = manifest.calibration.film(
        image=float(prediction.image[0]),
        instance=float(prediction.scores.max(initial=0.0)),
        dense=peak(opacity, right | left),
    )
    return Segmentation(
        rows=frame.rows,
        columns=frame.columns,
        right_lung=_lung(grid, right, lung_maps[0], lung_maps[1], thresholds.lung),
        left_lung=_lung(grid, left, lung_maps[1], lung_maps[0], thresholds.lung),
        opacities=_opacities(grid, prediction, (right, left), film, manifest)
        if film >= thresholds.clear
        else (),
        opacity_score=film,
        remarks=suitability.remarks(right | left),
    )


def peak(opacity: Map, lungs: Cells) -> float:
    """Mean dense opacity of the surest hundredth of the lungs' cells."""
    inside = opacity[lungs]
    count = max(1, inside.size // 100)
    return float(np.partition(inside, inside.size - count)[-count:].mean())


def _lungs(right: Map, left: Map, threshold: float) -> tuple[Cells, Cells]:
    """Right and left lung on the dense grid; one that is not seen has no cells."""
    fields = []
    for own, other in ((right, left), (left, right)):
        labels, count = ndimage.label((own > threshold) & (own >= other), EIGHT)
        if count == 0:
            fields.append(np.zeros(own.shape, dtype=np.bool_))
            continue
        largest = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
        fields.append(ndimage.binary_fill_holes(largest))
    return fields[0], fields[1] & ~fields[0]


def _lung(grid: Grid, cells: Cells, own: Map, other: Map, threshold: float) -> Region:
    """Draw a lung at frame resolution."""
    margin = np.minimum(own - threshold, own - other)
    # A filled hole is lung as much as what surrounds it.
    margin = np.where(cells & (margin <= 0), threshold, margin)
    region = grid.outline(margin, cells)
    if region is None:
        raise UnsuitableImage("NO_LUNGS", "No pair of lungs was found.")
    return region


def _opacities(
    grid: Grid,
    prediction: Prediction,
    lungs: tuple[Cells, Cells],
    film: float,
    manifest: ModelManifest,
) -> tuple[Opacity, ...]:
    """Divide the dense opacity of a film of that score into findings and draw them."""
    thresholds = manifest.thresholds
    opacity = grid.crop(prediction.dense)[0]
    claims = tuple(_claims(prediction, opacity.shape, thresholds.score))
    threshold = thresholds.opacity_on(film)
    scores, labels = _label(opacity, threshold, lungs, claims, thresholds)
    regions = grid.outlines(opacity - threshold, labels, len(scores))
    found = [
        Opacity(manifest.calibration.finding(score), region)
        for score, region in zip(scores, regions, strict=True)
        if region is not None
    ]
    return tuple(sorted(found, key=lambda item: -item.score))


def _label(
    opacity: Map,
    threshold: float,
    lungs: tuple[Cells, Cells],
    claims: Sequence[_Claim],
    thresholds: Thresholds,
) -> tuple[list[float], NDArray[np.int16]]:
    """Mark the cells of finding 1, 2 ... with its number; list the raw scores."""
    least = thresholds.minimum_area * np.count_nonzero(lungs[0] | lungs[1])
    side = _nearest_lung(lungs)
    labels = np.zeros(opacity.shape, dtype=np.int16)
    scores: list[float] = []
    for number in (1, 2):
        present = (opacity > threshold) & (side == number)
        for score, cells in _divide(present, claims, opacity, thresholds.core):
            if np.count_nonzero(cells) >= max(1, least):
                scores.append(max(score, float(opacity[cells].mean())))
                labels[cells] = len(scores)
    return scores, labels


def _nearest_lung(lungs: tuple[Cells, Cells]) -> NDArray[np.int8]:
    """1 on and just beside the right lung, 2 the left, 0 elsewhere."""
    reach = _BESIDE * max(suitability.height(cells) for cells in lungs)
    right, left = (ndimage.distance_transform_edt(~cells) for cells in lungs)
    side = np.where(right <= left, 1, 2)
    side[np.minimum(right, left) > reach] = 0
    return side.astype(np.int8)


def _claims(
    prediction: Prediction, shape: tuple[int, ...], least_score: float
) -> Iterator[_Claim]:
    """Yield the accepted instances, surest first."""
    for index in np.argsort(-prediction.scores, kind="stable"):
        score = float(prediction.scores[index])
        if score <= 0 or score < least_score:
            return
        box, mask = prediction.boxes[index] / 2, prediction.masks[index]
        yield _Claim(score, _pasted(mask, box, shape))


def _pasted(
    mask: Map, box: NDArray[np.float32], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Interpolate a 28 x 28 mask over its box, in cells."""
    out = np.zeros(shape, dtype=np.float32)
    x1, y1, x2, y2 = (float(value) for value in box)
    rows = slice(max(0, math.floor(y1)), min(shape[0], math.ceil(y2)))
    columns = slice(max(0, math.floor(x1)), min(shape[1], math.ceil(x2)))
    places = np.meshgrid(
        _places(rows, y1, y2, mask.shape[0]),
        _places(columns, x1, x2, mask.shape[1]),
        indexing="ij",
    )
    out[rows, columns] = ndimage.map_coordinates(mask, places, order=1, mode="nearest")
    return out


def _places(cells: slice, start: float, stop: float, size: int) -> NDArray[np.float64]:
    """Mask positions of cell centres along one axis."""
    centres = np.arange(cells.start, max(cells.start, cells.stop)) + 0.5
    return (centres - start) / max(stop - start, 1e-6) * size - 0.5


def _divide(
    present: Cells, claims: Sequence[_Claim], opacity: Map, core: float
) -> Iterator[tuple[float, Cells]]:
    """Yield instance score (0 for none) and cells of every finding of one lung."""
    pieces, count = ndimage.label(present, EIGHT)
    for number in range(1, count + 1):
        piece = pieces == number
        touching = [
            claim for claim in claims if (piece & (claim.mask >= _IN_MASK)).any()
        ]
        if len(touching) > 1:
            yield from _share(piece, touching)
        elif touching:
            yield touching[0].score, piece
        elif opacity[piece].max() >= core:
            yield 0.0, piece


def _share(piece: Cells, touching: Sequence[_Claim]) -> Iterator[tuple[float, Cells]]:
    """Give each cell to the instance that is surest there, or the nearest one."""
    claimed = piece & np.any([claim.mask >= _IN_MASK for claim in touching], axis=0)
    owner = np.argmax([claim.score * claim.mask for claim in touching], axis=0)
    nearest = ndimage.distance_transform_edt(
        ~claimed, return_distances=False, return_indices=True
    )
    owner = owner[tuple(nearest)]
    for index, claim in enumerate(touching):
        cells = piece & (owner == index)
        if cells.any():
            yield claim.score, cells
