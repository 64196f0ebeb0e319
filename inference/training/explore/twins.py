"""Films that are one film, and whether they lie in two folds."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference.training.data.duplicates import pairs
from inference.training.explore.gather import Glance


@dataclass(frozen=True, slots=True)
class TwinPair:
    """Two films that are one picture.

    Parameters
    ----------
    first, second
        Their keys.
    folds
        Theirs.
    exact
        The same file, byte for byte.
    """

    first: str
    second: str
    folds: tuple[int, int]
    exact: bool

    @property
    def across(self) -> bool:
        """Whether one may be learned from while the other is held out."""
        return self.folds[0] != self.folds[1]


def find_twins(seen: Sequence[Glance]) -> list[TwinPair]:
    """Find exact and near duplicates; those across folds first."""
    by_digest: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(seen):
        by_digest[one.digest].append(place)
    exact = {(group[0], other) for group in by_digest.values() for other in group[1:]}
    coarse = np.array([one.print_of().coarse for one in seen], np.float16)
    near = set(pairs(coarse, lambda place: seen[place].print_of()))
    found = [_pair(seen, *both, exact=both in exact) for both in sorted(exact | near)]
    return sorted(found, key=lambda one: (not one.across, not one.exact))


def _pair(seen: Sequence[Glance], one: int, other: int, *, exact: bool) -> TwinPair:
    first, second = seen[one].sample, seen[other].sample
    return TwinPair(first.key, second.key, (first.fold, second.fold), exact)
