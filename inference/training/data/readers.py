"""What readers scored, in a table beside the films: ``severity_extra.csv``.

The geographic extent of Warren et al., 0 to 8, the mean of the readers, by file name.
"""

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from inference.errors import TrainingError
from inference.training.data.dataset import Sample

SCORES = "severity_extra.csv"
EXTENT = "geographic_extent_0_8"
_HIGHEST = 8


def read_scores(places: Iterable[Path]) -> dict[str, float]:
    """Read the extent by file name of every table that is there.

    Raises
    ------
    TrainingError
        A table is malformed.
    """
    found: dict[str, float] = {}
    for place in places:
        if not place.is_file():
            continue
        try:
            with place.open(encoding="utf-8", newline="") as stream:
                for row in csv.DictReader(stream):
                    if row.get(EXTENT):
                        found[row["file_name"]] = _extent(row[EXTENT])
        except (UnicodeDecodeError, csv.Error, KeyError, ValueError) as error:
            raise TrainingError(f"{place}: not a table of readers' scores") from error
    return found


def _extent(text: str) -> float:
    extent = float(text)
    if not (math.isfinite(extent) and 0 <= extent <= _HIGHEST):
        raise ValueError(text)
    return extent


def with_score(film: Sample, scored: Mapping[str, float]) -> Sample:
    """Add what readers scored to a film that has no score of its own."""
    own: Any = film.facts.get("severity") or {}
    extent = scored.get(film.path.name)
    if extent is None or own.get(EXTENT) is not None:
        return film
    facts = {**film.facts, "severity": {**own, EXTENT: extent}}
    return replace(film, facts=facts)
