"""Masks -> severity and measured findings, on the source pixel grid.

Severity is the share of each lung that opacity covers, computed at source resolution
from the very masks that are sent. Zones are thirds of a lung's mask height; the
extent score is that of Warren et al. 2018 (Thorax 73:840) as used by Cohen et al.
2020 (arXiv:2005.11856).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from inference import judgement
from inference.contour import common
from inference.findings import (
    ZONES_OF,
    Analysis,
    Finding,
    Lung,
    Region,
    Severity,
    Side,
    Zone,
)
from inference.frame import Frame, Orientation
from inference.manifest import ModelManifest
from inference.severity_interval import intervals
from inference.tasks.opacity.segment import Opacity, Segmentation

_LEAST_PERCENT = 0.01
# Area of the larger lung on a film of a person, in cm2: a child's in expiration to a
# tall man's in full inspiration, with the magnification of a bedside film.
_LUNG_CM2 = (60.0, 600.0)
# Of the larger lung: less of a lung is not the lung, but what is left to be seen of it.
_PLAUSIBLE_SHARE = 0.5


def quantify(
    segmentation: Segmentation, frame: Frame, manifest: ModelManifest
) -> Analysis:
    """Measure a segmentation and turn it to the source grid.

    Parameters
    ----------
    segmentation
        Masks on the upright frame.
    frame
        The radiograph they belong to: its spacing and the way back to the source.
    manifest
        Names the findings.
    """
    lungs = {
        Side.RIGHT: segmentation.right_lung,
        Side.LEFT: segmentation.left_lung,
    }
    size = (segmentation.rows, segmentation.columns)
    to_source = _Turn(frame.orientation, *size)
    spacing, noted = _spacing(frame, lungs)
    film = segmentation.opacity_score
    measure = _Measure(lungs, film, spacing, to_source, manifest.labels[0])
    findings = tuple(measure(opacity) for opacity in segmentation.opacities)
    measured = severity(lungs, [item.region for item in segmentation.opacities])
    call = judgement.call(film, manifest.thresholds, outlined=bool(findings))
    rows, columns = size[::-1] if frame.orientation.transpose else size
    return Analysis(
        rows=rows,
        columns=columns,
        findings=findings,
        lungs=(
            Lung(Side.RIGHT, to_source(lungs[Side.RIGHT])),
            Lung(Side.LEFT, to_source(lungs[Side.LEFT])),
        ),
        severity=measured,
        opacity_score=film,
        call=call,
        operating_point=manifest.thresholds.any_opacity,
        intervals=intervals(measured, call, manifest),
        remarks=(*frame.remarks, *segmentation.remarks, *_little(lungs), *noted),
    )


class _Turn:
    """Turns regions from the upright frame to the source grid, crop by crop."""

    def __init__(self, orientation: Orientation, rows: int, columns: int) -> None:
        self._orientation = orientation
        self._rows = rows
        self._columns = columns

    def __call__(self, region: Region) -> Region:
        """Undo in the reverse order: columns, rows, transpose."""
        height, width = region.mask.shape
        row, column = region.row, region.column
        if self._orientation.flip_columns:
            column = self._columns - column - width
        if self._orientation.flip_rows:
            row = self._rows - row - height
        if self._orientation.transpose:
            row, column = column, row
        mask = self._orientation.to_source(region.mask)
        return Region(row, column, np.ascontiguousarray(mask, dtype=np.bool_))


def severity(lungs: Mapping[Side, Region], opacities: Sequence[Region]) -> Severity:
    """Percent of lung area covered by opacity: total, per lung and per zone.

    Parameters
    ----------
    lungs
        Both lung fields, upright.
    opacities
        Regions on the same grid; counted once where they overlap.
    """
    covered = {side: overlap(lung, opacities) for side, lung in lungs.items()}
    opaque = {side: int(np.count_nonzero(mask)) for side, mask in covered.items()}
    areas = {side: lung.area_px for side, lung in lungs.items()}
    by_side = {side: _percent(opaque[side], areas[side]) for side in lungs}
    return Severity(
        total=_percent(sum(opaque.values()), sum(areas.values())),
        right=by_side[Side.RIGHT],
        left=by_side[Side.LEFT],
        zones={
            zone: _percent(int(np.count_nonzero(part)), int(np.count_nonzero(field)))
            for side in (Side.RIGHT, Side.LEFT)
            for zone, part, field in zip(
                ZONES_OF[side],
                thirds(covered[side]),
                thirds(lungs[side].mask),
                strict=True,
            )
        },
        extent_score=sum(extent(value) for value in by_side.values()),
    )


def overlap(lung: Region, others: Sequence[Region]) -> NDArray[np.bool_]:
    """Pixels of the lung's crop that lie in the lung and in any of the others."""
    covered = np.zeros_like(lung.mask)
    height, width = lung.mask.shape
    for other in others:
        rows = common(lung.row, height, other.row, other.mask.shape[0])
        columns = common(lung.column, width, other.column, other.mask.shape[1])
        if rows is not None and columns is not None:
            covered[rows[0], columns[0]] |= other.mask[rows[1], columns[1]]
    covered &= lung.mask
    return covered


def thirds(mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Cut a lung's crop into upper, middle and lower third of its height."""
    cuts = [round(mask.shape[0] * part / 3) for part in range(4)]
    return [mask[start:stop] for start, stop in pairwise(cuts)]


def extent(percent: float) -> int:
    """Score one lung 0-4: none, below 25, 50, 75 percent, or more."""
    if percent <= 0:
        return 0
    return 1 + sum(percent >= bound for bound in (25, 50, 75))


def _percent(part: int, whole: int) -> float:
    """Percent to two decimals, rounded here so that all who show it agree.

    A part that is there is never nothing: 0.01 at least.
    """
    return max(_LEAST_PERCENT, round(100.0 * part / whole, 2)) if part else 0.0


def _spacing(
    frame: Frame, lungs: Mapping[Side, Region]
) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """Take the film's spacing, unless lungs of that size do not exist."""
    spacing = frame.pixel_spacing_mm
    if spacing is None:
        return None, ()
    largest = max(lung.area_px for lung in lungs.values())
    square_cm = largest * spacing[0] * spacing[1] / 100
    if _LUNG_CM2[0] <= square_cm <= _LUNG_CM2[1]:
        return spacing, ()
    remark = (
        f"By Pixel Spacing the larger lung would measure {square_cm:.3g} square"
        " centimetres, which no lung does: no areas are told."
    )
    return None, (remark,)


def _little(lungs: Mapping[Side, Region]) -> tuple[str, ...]:
    """Say of which lung less is seen than a lung has."""
    areas = {side: lung.area_px for side, lung in lungs.items()}
    side = min(areas, key=lambda each: areas[each])
    share = areas[side] / max(areas.values())
    if share >= _PLAUSIBLE_SHARE:
        return ()
    remark = (
        f"Of the {side.value} lung only a part is seen ({100 * share:.0f} % of the"
        " other's area): its percentages are of that part."
    )
    return (remark,)


@dataclass(frozen=True, slots=True)
class _Measure:
    """Measures the opacities of one film."""

    lungs: Mapping[Side, Region]
    film: float
    spacing: tuple[float, float] | None
    to_source: _Turn
    label: str

    def __call__(self, opacity: Opacity) -> Finding:
        region, spacing = opacity.region, self.spacing
        inside = {side: overlap(lung, [region]) for side, lung in self.lungs.items()}
        side = _side(region, self.lungs, inside)
        lung = self.lungs[side]
        zone, zones = _zones(region, lung, inside[side], side)
        part = int(np.count_nonzero(inside[side]))
        return Finding(
            label=self.label,
            score=judgement.certainty(opacity.score, self.film),
            region=self.to_source(region),
            side=side,
            zone=zone,
            zones=zones,
            percent_of_lung=_percent(part, lung.area_px),
            area_mm2=region.area_px * spacing[0] * spacing[1] if spacing else None,
        )


def _side(
    region: Region,
    lungs: Mapping[Side, Region],
    inside: Mapping[Side, NDArray[np.bool_]],
) -> Side:
    """Find the lung that holds most of it; wholly outside both, the nearer one."""
    right, left = (int(np.count_nonzero(inside[s])) for s in (Side.RIGHT, Side.LEFT))
    if right or left:
        return Side.RIGHT if right >= left else Side.LEFT
    here = _centre(region)
    distances = {
        side: float(np.hypot(*(np.subtract(here, _centre(lung)))))
        for side, lung in lungs.items()
    }
    return min(distances, key=lambda side: distances[side])


def _zones(
    region: Region, lung: Region, inside: NDArray[np.bool_], side: Side
) -> tuple[Zone, tuple[Zone, ...]]:
    """Find the zone that holds most of it, and all in which it has a real share."""
    parts, fields = (
        [int(np.count_nonzero(third)) for third in thirds(mask)]
        for mask in (inside, lung.mask)
    )
    if any(parts):
        most = ZONES_OF[side][int(np.argmax(parts))]
        return most, judgement.zones(side, parts, fields)
    depth = (_centre(region)[0] - lung.row) / lung.mask.shape[0]
    nearest = ZONES_OF[side][min(2, max(0, int(depth * 3)))]
    return nearest, (nearest,)


def _centre(region: Region) -> tuple[float, float]:
    """Centre of the region's box: row, column."""
    height, width = region.mask.shape
    return region.row + height / 2, region.column + width / 2
