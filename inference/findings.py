"""What the node says about a radiograph: regions, findings, lungs, severity.

All coordinates are on the source pixel grid. A point is (column, row) with
(0.0, 0.0) the top-left corner of the top-left pixel (SCOORD, PS3.3 C.18.6); a box
is ``(x, y, width, height)``; arrays are (rows, columns).
"""

from collections.abc import Mapping, Sequence
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


ZONES_OF: Mapping[Side, tuple[Zone, Zone, Zone]] = {
    Side.RIGHT: (Zone.RIGHT_UPPER, Zone.RIGHT_MIDDLE, Zone.RIGHT_LOWER),
    Side.LEFT: (Zone.LEFT_UPPER, Zone.LEFT_MIDDLE, Zone.LEFT_LOWER),
}
"""The thirds of each lung, from above."""


class Call(StrEnum):
    """What is said of a film as a whole; the rule is in ``judgement``."""

    OPACITY = "opacity"
    POSSIBLE = "possible"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the truth of a percentage lies, with a stated coverage; in [0, 100]."""

    low: float
    high: float

    def holds(self, percent: float) -> bool:
        """Tell whether a percentage lies in it."""
        return self.low <= percent <= self.high


@dataclass(frozen=True, slots=True)
class Intervals:
    """Intervals of the three severity percentages.

    Parameters
    ----------
    coverage
        Share of films whose true percentage lies in its interval.
    total, right, left
        Of both lungs together and of each.
    """

    coverage: float
    total: Interval
    right: Interval
    left: Interval


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
        Certainty in [0, 1], on the scale of the film's probability and never above it.
    region
        Its pixels; regions of different findings never overlap.
    side, zone
        Where most of it lies.
    zones
        Every zone of that lung in which it has a real share, from above; all three
        are the whole lung. The rule: ``judgement.zones``.
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
    zones: tuple[Zone, ...]
    percent_of_lung: float
    area_mm2: float | None = None

    @property
    def place(self) -> str:
        """Where it lies, in words: "right middle and lower zones"."""
        return place(self.side, self.zones)


def place(side: Side, zones: Sequence[Zone]) -> str:
    """Name zones of one lung in words."""
    if len(zones) == len(ZONES_OF[side]):
        return f"whole {side.value} lung"
    names = [zone.value.removeprefix(f"{side.value} ") for zone in zones]
    noun = "zone" if len(names) == 1 else "zones"
    return f"{side.value} {' and '.join(names)} {noun}"


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
    call
        What that probability means.
    operating_point
        Probability from which on the film is called opacity.
    intervals
        Of the severity's percentages; ``None`` where the model states none.
    remarks
        Image quality sentences for the report.
    """

    rows: int
    columns: int
    findings: tuple[Finding, ...]
    lungs: tuple[Lung, Lung]
    severity: Severity
    opacity_score: float
    call: Call
    operating_point: float
    intervals: Intervals | None = None
    remarks: tuple[str, ...] = field(default=())
