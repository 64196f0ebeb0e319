"""What a network learned from, so that nobody calls its own films held out.

The record travels with the weights: in the checkpoint, beside it in the folder of the
run, and in the model folder that is exported. It names no one: films are digests of
their files, patients are digests of what the data call them.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from inference.errors import TrainingError
from inference.training.data.samples import Sample
from inference.training.recipe.data import FOLDS

FILE_NAME = "learned.json"
Folds = int | tuple[int, ...]
_DIGITS = 16  # of a digest: ten thousand films share none by chance


@dataclass(frozen=True, slots=True)
class Learned:
    """Films and patients that weights have seen, in this run or before it.

    Parameters
    ----------
    films, patients
        Digests.
    complete
        Whether that is all: weights of unknown origin may have seen anything.
    folds
        Into how many folds the run dealt patients without one.
    held_out
        The fold or folds that it did not learn from; ``None`` when it learned from
        all.
    """

    films: frozenset[str] = frozenset()
    patients: frozenset[str] = frozenset()
    complete: bool = False
    folds: int = FOLDS
    held_out: Folds | None = None

    @classmethod
    def of(cls, samples: Iterable[Sample], folds: int, held_out: Folds | None) -> Self:
        """Note what a run learns from.

        Raises
        ------
        TrainingError
            A picture is missing.
        """
        listed = list(samples)
        return cls(
            films=frozenset(_film(one) for one in listed),
            patients=frozenset(who for one in listed if (who := _patient(one))),
            complete=True,
            folds=folds,
            held_out=held_out,
        )

    def joined(self, before: "Learned") -> "Learned":
        """Add what these weights had seen before."""
        return Learned(
            self.films | before.films,
            self.patients | before.patients,
            self.complete and before.complete,
            self.folds,
            self.held_out,
        )

    def knows(self, sample: Sample) -> bool | None:
        """Tell whether a film, or another of its patient, was learned from.

        Returns
        -------
            ``None`` when nobody can say.
        """
        if _film(sample) in self.films or _patient(sample) in self.patients:
            return True
        return False if self.complete else None

    def to_json(self) -> str:
        """Write it down."""
        table = {
            "folds": self.folds,
            "held_out": self.held_out,
            "complete": self.complete,
            "films": sorted(self.films),
            "patients": sorted(self.patients),
        }
        return json.dumps(table, indent=0) + "\n"

    @classmethod
    def from_json(cls, text: str, place: str) -> Self:
        """Read what ``to_json`` wrote.

        Raises
        ------
        TrainingError
            It is something else.
        """
        try:
            table = json.loads(text)
            return cls(
                frozenset(map(str, table["films"])),
                frozenset(map(str, table["patients"])),
                bool(table["complete"]),
                int(table["folds"]),
                _folds(table["held_out"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{place}: no record of what was learned") from error


def _folds(value: Any) -> Folds | None:
    if isinstance(value, list):
        return tuple(map(int, value))
    if value is not None and not isinstance(value, int):
        raise TypeError(value)
    return value


def read_learned(folder: Path) -> Learned | None:
    """Read the record in a folder; ``None`` when it has none.

    Raises
    ------
    TrainingError
        It is something else.
    """
    path = folder / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: no record of what was learned") from error
    return Learned.from_json(text, str(path))


def write_learned(folder: Path, learned: Learned) -> None:
    """Put the record into a folder."""
    (folder / FILE_NAME).write_text(learned.to_json(), encoding="utf-8")


def _film(sample: Sample) -> str:
    try:
        content = sample.path.read_bytes()
    except OSError as error:
        raise TrainingError(f"{sample.path}: no such image") from error
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def _patient(sample: Sample) -> str:
    """Digest of a patient whom the data name, within their source; else empty."""
    named = sample.facts.get("patient_id")
    if named is None:
        return ""
    told = f"{sample.facts.get('source', '')}\n{named}"
    return hashlib.sha256(told.encode()).hexdigest()[:_DIGITS]
