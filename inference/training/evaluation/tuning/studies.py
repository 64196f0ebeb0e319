"""Films kept small for tuning, with their truth on the same small grid."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.frame import Frame
from inference.preprocess import Letterbox
from inference.training.evaluation.serving import Look, drawn_by_people, union

_SIDE_PX = 512

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Study:
    """One film kept small, with its truth on the same grid.

    Parameters
    ----------
    seen
        The film; its frame has at most 512 pixels a side.
    opacity
        Union of the outlines; ``None`` when not outlined or unknown.
    lungs
        Right and left, each ``None`` when not outlined or of another definition.
    truths
        Boxes of the opacities; ``None`` when unknown or not all are there.
    remembered
        What rules with given numbers made of it before.
    """

    seen: Look
    opacity: Mask | None
    lungs: tuple[Mask | None, Mask | None]
    truths: NDArray[np.float64] | None
    remembered: dict[Any, float] = field(default_factory=dict, compare=False)

    @property
    def positive(self) -> bool | None:
        """Whether the film shows opacity; ``None`` when nobody looked."""
        sample = self.seen.sample
        return bool(sample.opacities) if sample.opacity_known else None

    @property
    def group(self) -> str:
        """The patient or publication."""
        sample = self.seen.sample
        return str(sample.facts.get("split_group") or sample.patient)


def study(seen: Look) -> Study:
    """Shrink a film and draw its truth at that size."""
    sample, frame = seen.sample, seen.frame
    factor = min(1.0, _SIDE_PX / max(frame.rows, frame.columns))
    size = (max(1, round(frame.columns * factor)), max(1, round(frame.rows * factor)))
    pixels = np.asarray(Image.fromarray(frame.pixels).resize(size), np.float32)
    small = Look(
        sample,
        Frame(pixels),
        Letterbox(size[1], size[0], seen.letterbox.size_px),
        seen.prediction,
    )

    def drawn(outlines: Sequence[Any]) -> Mask | None:
        if not outlines or any(one is None for one in outlines):
            return None
        full = Image.fromarray(union(outlines, frame.rows, frame.columns))
        return np.asarray(full.resize(size, Image.Resampling.NEAREST))

    lungs: tuple[Any, Any] = (sample.right_lung, sample.left_lung)
    boxes = np.array([one.box for one in sample.opacities], np.float64).reshape(-1, 4)
    known = sample.opacity_known and sample.exhaustive
    return Study(
        small,
        drawn(drawn_by_people(sample)),
        (None, None)
        if sample.heart_excluded
        else (drawn([lungs[0]]), drawn([lungs[1]])),
        boxes * factor if known else None,
    )
