"""What the node says about a radiograph: regions, findings, lungs, severity.

All coordinates are on the source pixel grid. A point is (column, row) with
(0.0, 0.0) the top-left corner of the top-left pixel (SCOORD, PS3.3 C.18.6); a box
is ``(x, y, width, height)``; arrays are (rows, columns).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Side(StrEnum):
    """Anatomical side: RIGHT is the patient's right."""

    RIGHT = "right"
    LEFT = "left"


class Zone(StrEnum):
    """Thirds of each lung's mask height."""

    RIGHT_UPPER = "right upper"
    RIGHT_MIDDLE = "right middle"
    RIGHT_LOWER = "right lower"
    LEFT_UPPER = "left upper"
    LEFT_MIDDLE = "left middle"
    LEFT_LOWER = "left lower"

    @property
    def side(self) -> Side:
        """The lung this zone belongs to."""
        return Side(self.value.split(" ", maxsplit=1)[0])


@dataclass(frozen=True, slots=True)
class Region:
    """A set of pixels, stored as its cropped mask.

    Parameters
    ----------
    row, column
        Source position of the crop's top-left pixel.
    mask
        bool (height, width); tight: every border row and column has a True.
    """

    row: int
    column: int
    mask: NDArray[np.bool_]

    @classmethod
    def of(cls, full: NDArray[np.bool_]) -> "Region | None":
        """Crop a full-size mask (rows, columns); ``None`` when it is empty."""
        rows = np.flatnonzero(full.any(axis=1))
        if rows.size == 0:
            return None
        columns = np.flatnonzero(full.any(axis=0))
        top, left = int(rows[0]), int(columns[0])
        crop = full[top : rows[-1] + 1, left : columns[-1] + 1].copy()
        return cls(top, left, crop)

    def full(self, rows: int, columns: int) -> NDArray[np.bool_]:
        """Paste into a bool (rows, columns) array."""
        out = np.zeros((rows, columns), dtype=np.bool_)
        height, width = self.mask.shape
        out[self.row : self.row + height, self.column : self.column + width] = self.mask
        return out

    @property
    def area_px(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.mask))

    @property
    def box(self) -> tuple[int, int, int, int]:
        """``(x, y, width, height)`` in source pixels."""
        height, width = self.mask.shape
        return (self.column, self.row, int(width), int(height))


@dataclass(frozen=True, slots=True)
class Finding:
    """One opacity, exactly as it stands in the SEG.

    Parameters
    ----------
    label
        The manifest's label, ``lung_opacity``.
    score
        Calibrated confidence in [0, 1].
    region
        Its pixels; regions of different findings never overlap.
    side, zone
        Where most of it lies.
    percent_of_lung
        Its area inside that lung, in percent of that lung's area.
    area_mm2
        Only with calibrated Pixel Spacing, else ``None``.
    """

    label: str
    score: float
    region: Region
    side: Side
    zone: Zone
    percent_of_lung: float
    area_mm2: float | None = None


@dataclass(frozen=True, slots=True)
class Lung:
    """One lung field."""

    side: Side
    region: Region


@dataclass(frozen=True, slots=True)
class Severity:
    """Share of lung area covered by opacity, in percent.

    Parameters
    ----------
    total, right, left
        area(opacity ∩ lung) / area(lung) x 100, in [0, 100].
    zones
        The same for each third of each lung.
    extent_score
        0-8: per lung 0 (none), 1 (<25 %), 2 (<50 %), 3 (<75 %), 4 (>=75 %), summed
        (Warren et al. 2018; Cohen et al. 2020).
    """

    total: float
    right: float
    left: float
    zones: Mapping[Zone, float]
    extent_score: int


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything the node reports about one image.

    Parameters
    ----------
    rows, columns
        Size of the source pixel grid.
    findings
        Highest score first; empty when no opacity was found.
    lungs
        Right, then left.
    severity
        Computed from these very regions.
    opacity_score
        Calibrated probability in [0, 1] that the film shows any opacity.
    remarks
        Image quality sentences for the report.
    """

    rows: int
    columns: int
    findings: tuple[Finding, ...]
    lungs: tuple[Lung, Lung]
    severity: Severity
    opacity_score: float
    remarks: tuple[str, ...] = field(default=())
