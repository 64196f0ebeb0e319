"""What is known about one picture and, as important, what is not."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from inference.errors import TrainingError
from inference.frame import Frame

ReadFrame = Callable[[Path], Frame]
Kind = Literal["mask", "box", "negative", "lungs", "unknown", "not_frontal"]
Outline = Any  # COCO polygons (list of lists) or RLE (mapping)

_SLACK_PX = 1.0  # outlines are rounded outwards by up to a pixel


@dataclass(frozen=True, slots=True)
class AnnotatedOpacity:
    """One opacity: ``box`` (x, y, width, height) in frame pixels, perhaps a mask.

    ``machine`` says that a network drew or proposed the mask.
    """

    box: tuple[float, float, float, float]
    segmentation: Outline | None
    machine: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """What is known about one picture.

    Parameters
    ----------
    key
        Unique and stable.
    path
        The picture.
    rows, columns
        Its size where the annotation says so, else 0 (taken from the picture).
    patient, fold, source
        Patients never straddle folds.
    frontal
        False for pictures from ``data.not_frontal``.
    opacity_known
        Whether opacities were looked for.
    exhaustive
        Whether all of them are in ``opacities``.
    shows_opacity
        What is told of the film as a whole where opacities were not looked for one
        by one; ``None`` when nothing is.
    outlined
        False where an opacity, or part of one, has no mask.
    opacities, right_lung, left_lung
        Outlines; a lung that was not annotated is ``None``.
    ignored
        Boxes about which readers disagree: neither opacity nor background.
    heart_excluded
        The lungs were drawn without the part behind the heart.
    patient_known
        False when the film may be of a patient of another fold.
    facts
        The record as found (view, sex, age, severity, ...), for evaluation.
    """

    key: str
    path: Path
    rows: int
    columns: int
    patient: str
    fold: int
    source: str
    frontal: bool = True
    opacity_known: bool = False
    exhaustive: bool = True
    shows_opacity: bool | None = None
    outlined: bool = True
    opacities: tuple[AnnotatedOpacity, ...] = ()
    ignored: tuple[tuple[float, float, float, float], ...] = ()
    right_lung: Outline | None = None
    left_lung: Outline | None = None
    heart_excluded: bool = False
    patient_known: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def positive(self) -> bool | None:
        """Whether the film shows opacity, as far as anybody said."""
        return bool(self.opacities) if self.opacity_known else self.shows_opacity

    @property
    def kind(self) -> Kind:
        """What this sample can teach, for balanced sampling."""
        if not self.frontal:
            return "not_frontal"
        if self.opacity_known:
            if not self.opacities:
                return "negative"
            masks = any(one.segmentation is not None for one in self.opacities)
            return "mask" if masks else "box"
        return "unknown" if self.right_lung is self.left_lung is None else "lungs"


def fold_of(patient: str, folds: int) -> int:
    """Deal a patient without a fold into one, always the same."""
    return int(hashlib.sha256(patient.encode()).hexdigest()[:8], 16) % folds


def check_box(box: Sequence[float], rows: int, columns: int, where: str) -> None:
    """Refuse a box x, y, width, height that leaves its picture."""
    x, y, width, height = box
    inside = x >= -_SLACK_PX and y >= -_SLACK_PX
    inside = inside and x + width <= columns + _SLACK_PX
    inside = inside and y + height <= rows + _SLACK_PX
    if not inside or width <= 0 or height <= 0:
        raise TrainingError(
            f"{where}: box {list(box)} is not inside the {columns} x {rows} image"
        )
