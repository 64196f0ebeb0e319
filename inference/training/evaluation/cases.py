"""What was measured on one film: the truth beside what the node would have sent.

Cases are plain numbers; they are kept on disk so that folds measured with different
models can be pooled and summarised again.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from inference.errors import TrainingError
from inference.interval_table import SeverityIntervals

Box = tuple[float, float, float, float]
ByLung = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Boxes:
    """Scored boxes on one film.

    Parameters
    ----------
    boxes
        ``(x, y, width, height)`` in source pixels.
    scores
        One per box, in [0, 1].
    """

    boxes: tuple[Box, ...] = ()
    scores: tuple[float, ...] = ()

    @property
    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Boxes float (n, 4) and scores float (n,)."""
        return np.array(self.boxes, np.float64).reshape(-1, 4), np.array(self.scores)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One frontal film.

    Parameters
    ----------
    key, group, fold, source
        The film; the patient or publication it belongs to; where it comes from.
    sex, view, age
        As the data set tells; ``None`` when it does not.
    positive
        Whether it shows opacity; ``None`` when nobody looked.
    exhaustive
        Whether every opacity of it is in ``truths``.
    truths
        Boxes of the opacities.
    ignored
        Boxes about which readers disagree.
    score
        The node's calibrated probability of any opacity.
    called
        Whether the node calls it positive at the model's operating point; a refused
        film is never called.
    refused
        Why the node would not analyse it; ``None`` when it did.
    detections
        The network's boxes, surest first, down to low scores.
    accepted
        How many of them reach the model's score threshold.
    findings
        What the node reports.
    opacity_dice
        Reported opacity against the outlines of a positive film.
    lung_dice
        Right and left lung against their outlines.
    heart_excluded
        The lungs were drawn without the part behind the heart.
    percent, true_percent
        Opacity in percent of the right lung, the left lung and both.
    low, high
        Between which percentages the true ones lie, as the model's intervals say;
        ``None`` when it has none.
    extent, reader_extent
        Geographic extent, 0 to 8: the node's; the mean of the readers.
    learned
        Whether the model learned from it or from its patient; ``None`` when nobody
        can say.
    """

    key: str
    group: str
    fold: int
    source: str
    sex: str | None = None
    view: str | None = None
    age: float | None = None
    positive: bool | None = None
    exhaustive: bool = True
    truths: tuple[Box, ...] = ()
    ignored: tuple[Box, ...] = ()
    score: float
    called: bool
    refused: str | None = None
    detections: Boxes = Boxes()
    accepted: int = 0
    findings: Boxes = Boxes()
    opacity_dice: float | None = None
    lung_dice: tuple[float | None, float | None] = (None, None)
    heart_excluded: bool = False
    percent: ByLung | None = None
    true_percent: ByLung | None = None
    low: ByLung | None = None
    high: ByLung | None = None
    extent: int | None = None
    reader_extent: float | None = None
    learned: bool | None = None

    def within(self, intervals: SeverityIntervals | None) -> Self:
        """Give its percentages their intervals; without any they have none."""
        if intervals is None or self.percent is None:
            return replace(self, low=None, high=None)
        each = (intervals.right, intervals.left, intervals.total)
        told = [
            one.interval(percent)
            for one, percent in zip(each, self.percent, strict=True)
        ]
        (low, high), (low_left, high_left), (low_total, high_total) = told
        return replace(
            self,
            low=(low, low_left, low_total),
            high=(high, high_left, high_total),
        )


@dataclass(frozen=True, slots=True)
class Stranger:
    """A picture that the node must not analyse.

    Parameters
    ----------
    kind
        What it is, such as ``lateral``.
    key
        Its name.
    refused
        The node's reason; ``None`` when it was taken for a frontal film.
    """

    kind: str
    key: str
    refused: str | None


def write_cases(
    path: Path, cases: Sequence[Case], strangers: Sequence[Stranger]
) -> None:
    """Keep what was measured, one JSON document."""
    table = {
        "cases": [asdict(case) for case in cases],
        "strangers": [asdict(one) for one in strangers],
    }
    path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def read_cases(path: Path) -> tuple[list[Case], list[Stranger]]:
    """Read what ``write_cases`` kept.

    Raises
    ------
    TrainingError
        The file is missing or something else.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        cases = [_case(row) for row in table["cases"]]
        return cases, [Stranger(**row) for row in table["strangers"]]
    except OSError as error:
        raise TrainingError(f"{path}: no such file") from error
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path}: not the cases of an evaluation") from error


def _case(row: dict[str, Any]) -> Case:
    boxes: dict[str, Any] = {
        name: Boxes(_tuples(row[name]["boxes"]), tuple(row[name]["scores"]))
        for name in ("detections", "findings")
    }
    plain: dict[str, Any] = {
        item.name: tuple(value) if isinstance(value, list) else value
        for item in fields(Case)
        if (value := row.get(item.name, item.default)) is not None
    }
    drawn = {name: _tuples(row.get(name, ())) for name in ("truths", "ignored")}
    return Case(**(plain | boxes | drawn))


def _tuples(rows: Sequence[Sequence[float]]) -> tuple[Box, ...]:
    return tuple((x, y, width, height) for x, y, width, height in rows)
