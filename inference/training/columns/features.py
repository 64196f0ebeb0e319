"""Films as rows of columns, as a CSV file or a DICOM header has them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.training.data.samples import Sample

PERSON = ("age", "sex_male", "view_pa")
FILM = ("rows", "columns", "pixel_spacing_mm")
BOX = ("box_x", "box_y", "box_width", "box_height")
NAMES = (*PERSON, *FILM, *BOX)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ColumnTable:
    """What is known of films without looking at them.

    Parameters
    ----------
    values
        float (films, columns) in the order of ``NAMES``; NaN where nothing is told.
    positive
        bool (films,).
    groups
        Patients.
    """

    values: Floats
    positive: NDArray[np.bool_]
    groups: tuple[str, ...]

    def only(self, names: Sequence[str]) -> Floats:
        """Give some of the columns."""
        return self.values[:, [NAMES.index(name) for name in names]]


def tabulate(samples: Sequence[Sample]) -> ColumnTable:
    """Make the table of all films of which somebody said whether they show opacity."""
    known = [one for one in samples if one.frontal and one.positive is not None]
    values = np.array([_row(one) for one in known], np.float64)
    return ColumnTable(
        values.reshape(-1, len(NAMES)),
        np.array([bool(one.positive) for one in known], np.bool_),
        tuple(str(one.facts.get("split_group") or one.patient) for one in known),
    )


def number(value: object) -> float:
    """Read a number, or NaN for what is none."""
    try:
        return float(str(value))
    except ValueError:
        return float("nan")


def spacing_of(sample: Sample) -> float:
    """Pixel spacing as the data set tells it, in mm."""
    facts = sample.facts
    return number(facts.get("original_pixel_spacing_mm", facts.get("pixel_spacing_mm")))


def _row(sample: Sample) -> list[float]:
    facts = sample.facts
    sex, view = facts.get("sex"), str(facts.get("view") or "")
    person = [
        number(facts.get("age")),
        float(sex == "M") if sex in {"M", "F"} else float("nan"),
        float(view == "PA") if view else float("nan"),
    ]
    rows = number(facts.get("original_height", sample.rows or None))
    columns = number(facts.get("original_width", sample.columns or None))
    # as the challenge's CSV file has it: a film without opacity has no box
    box = sample.opacities[0].box if sample.opacities else (0.0, 0.0, 0.0, 0.0)
    return [*person, rows, columns, spacing_of(sample), *box]
