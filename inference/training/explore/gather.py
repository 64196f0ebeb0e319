"""Every film once, reduced to what the page needs: memory stays flat.

Of a film are kept its facts, a few figures of its greys and a thumbnail of 64 x 64; of
26,684 films that is some 200 MB.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from inference.errors import InferenceError
from inference.frame import Frame
from inference.preprocess import preprocess
from inference.training.columns.features import number
from inference.training.data.duplicates import Print, fingerprint
from inference.training.data.samples import Sample

ReadFilm = Callable[[Path], tuple[Frame, Mapping[str, Any]]]
"""Gives the frame, and of a DICOM file what its header tells."""

THUMB_PX = 64
_TOLD = ("age", "sex", "view", "pixel_spacing_mm")


@dataclass(frozen=True, slots=True)
class Glance:
    """What is kept of one film.

    Parameters
    ----------
    sample
        As it was annotated.
    rows, columns
        Of the frame.
    age, sex, view, spacing_mm
        From the annotation, else from the header; ``None`` where neither says.
    mean, spread, dark
        Of the greys in [0, 1]: mean, standard deviation, share that is nearly black.
    thumb
        uint8 (64, 64), by which films are recognised.
    digest
        SHA-256 of the file.
    """

    sample: Sample
    rows: int
    columns: int
    age: float | None
    sex: str | None
    view: str | None
    spacing_mm: float | None
    mean: float
    spread: float
    dark: float
    thumb: NDArray[np.uint8]
    digest: str

    @property
    def label(self) -> str:
        """The class in words."""
        positive = self.sample.positive
        return "unknown" if positive is None else "opacity" if positive else "none"

    def print_of(self) -> Print:
        """Give what the film is recognised by."""
        return fingerprint(self.thumb)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A film that could not be read, and why."""

    key: str
    why: str


def glance_all(
    samples: Sequence[Sample], read_film: ReadFilm
) -> tuple[list[Glance], list[Unreadable]]:
    """Look at every film once, with a progress bar; what cannot be read is told."""
    seen: list[Glance] = []
    broken: list[Unreadable] = []
    for sample in tqdm(samples, desc="explore", unit="film"):
        try:
            seen.append(_glance(sample, read_film))
        except (InferenceError, OSError) as error:
            broken.append(Unreadable(sample.key, str(error)))
    return seen, broken


def _glance(sample: Sample, read_film: ReadFilm) -> Glance:
    digest = hashlib.sha256(sample.path.read_bytes()).hexdigest()
    frame, header = read_film(sample.path)
    square, box = preprocess(frame, 4 * THUMB_PX)
    inner = square[0, : box.inner_rows, : box.inner_columns]
    grey = np.rint(inner * 255).astype(np.uint8)
    thumb = cv2.resize(grey, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA)
    facts = _facts(sample, header)
    return Glance(
        sample=sample,
        rows=frame.rows,
        columns=frame.columns,
        mean=float(inner.mean()),
        spread=float(inner.std()),
        dark=float((inner < 0.02).mean()),  # noqa: PLR2004  nearly black
        thumb=np.asarray(thumb, np.uint8),
        digest=digest,
        **facts,
    )


def _facts(sample: Sample, header: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: sample.facts.get(name) or header.get(name) for name in _TOLD}
    spacing = sample.facts.get("original_pixel_spacing_mm") or told["pixel_spacing_mm"]
    return {
        "age": _finite(told["age"]),
        "sex": _word(told["sex"]),
        "view": _word(told["view"]),
        "spacing_mm": _finite(spacing),
    }


def _finite(value: object) -> float | None:
    found = number(value)
    return found if np.isfinite(found) else None


def _word(value: object) -> str | None:
    text = str(value or "").strip()
    return text or None
