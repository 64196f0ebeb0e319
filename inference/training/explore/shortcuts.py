"""What gives the label away without the film: source, view, age, spacing, exposure.

Each is asked alone: how often would it rank a sick film above a clean one? 0.5 tells
nothing. A network finds such a way before it finds an opacity.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from inference.training.evaluation.scores.classification import auroc
from inference.training.explore.gather import Glance

_WORDS: tuple[tuple[str, Callable[[Glance], str | None]], ...] = (
    ("source", lambda one: one.sample.source),
    ("view", lambda one: one.view),
    ("sex", lambda one: one.sex),
    ("size of the picture", lambda one: f"{one.columns} x {one.rows}"),
    ("whether an age is told", lambda one: "no" if one.age is None else "yes"),
    ("whether a sex is told", lambda one: "no" if one.sex is None else "yes"),
)
_NUMBERS: tuple[tuple[str, Callable[[Glance], float | None]], ...] = (
    ("age", lambda one: one.age),
    ("pixel spacing", lambda one: one.spacing_mm),
    ("mean grey", lambda one: one.mean),
    ("contrast", lambda one: one.spread),
    ("share of black", lambda one: one.dark),
)
_TELLING, _LEAST = 0.65, 30
_RARE = 10  # values of fewer films are taken together


@dataclass(frozen=True, slots=True)
class Shortcut:
    """How well one fact alone tells sick from clean.

    Parameters
    ----------
    fact
        In words.
    auroc
        At least 0.5.
    films
        On which it was measured.
    """

    fact: str
    auroc: float
    films: int

    @property
    def warns(self) -> bool:
        """Whether a network could take this way."""
        return self.auroc >= _TELLING and self.films >= _LEAST


def shortcuts(seen: Sequence[Glance]) -> list[Shortcut]:
    """Measure every fact, the most telling first."""
    known = [one for one in seen if one.sample.frontal and one.label != "unknown"]
    found = [_by_word(name, fact, known) for name, fact in _WORDS]
    found += [_by_number(name, fact, known) for name, fact in _NUMBERS]
    defined = [one for one in found if np.isfinite(one.auroc)]
    return sorted(defined, key=lambda one: -one.auroc)


def _by_word(
    name: str, fact: Callable[[Glance], str | None], known: Sequence[Glance]
) -> Shortcut:
    """Rank by the share of sick films among those of the same word."""
    told = [(word, one.label == "opacity") for one in known if (word := fact(one))]
    sizes = Counter(word for word, _ in told)
    pairs = [(word if sizes[word] >= _RARE else "rare", sick) for word, sick in told]
    count = Counter(word for word, _ in pairs)
    sick = Counter(word for word, is_sick in pairs if is_sick)
    scores = [sick[word] / count[word] for word, _ in pairs]
    return _measured(name, scores, [is_sick for _, is_sick in pairs])


def _by_number(
    name: str, fact: Callable[[Glance], float | None], known: Sequence[Glance]
) -> Shortcut:
    told = [(value, one) for one in known if (value := fact(one)) is not None]
    return _measured(
        name, [value for value, _ in told], [one.label == "opacity" for _, one in told]
    )


def _measured(name: str, scores: Sequence[float], sick: Sequence[bool]) -> Shortcut:
    value = auroc(np.array(scores, np.float64), np.array(sick, np.bool_))
    # a number may tell by being small
    folded = max(value, 1 - value) if np.isfinite(value) else value
    return Shortcut(name, float(folded), len(scores))
