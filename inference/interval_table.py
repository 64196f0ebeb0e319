"""How far a severity percentage may be off: intervals that were measured.

They are split-conformal: made of how far the percentage was from the outlines' on films
that the network had not learned from, apart for small and large percentages. They
travel in the manifest with the weights that they were measured on.

References
----------
Lei et al., Distribution-Free Predictive Inference for Regression, JASA 2018.
"""

from dataclasses import dataclass
from itertools import pairwise

from inference.errors import ManifestInvalid

MOST_BINS = 3
"""More bins would hold too few films each."""

_WHOLE = 100.0


@dataclass(frozen=True, slots=True)
class PercentBin:
    """How far percentages up to a size may be off, in points.

    Parameters
    ----------
    up_to_percent
        The largest percentage that it is for.
    below, above
        How much less and how much more may be true.
    """

    up_to_percent: float
    below: float
    above: float

    def __post_init__(self) -> None:
        for name in ("up_to_percent", "below", "above"):
            if not 0 <= getattr(self, name) <= _WHOLE:
                raise ManifestInvalid(f"severity_intervals: {name} is not in [0, 100]")


@dataclass(frozen=True, slots=True)
class PercentIntervals:
    """Intervals of one percentage: of both lungs together, or of one lung.

    Parameters
    ----------
    bins
        By size, rising; the last reaches 100.
    clean_percent
        What is told of a film without opacity is seldom more than this: of a
        percentage up to it nothing at all may be true.
    """

    bins: tuple[PercentBin, ...]
    clean_percent: float = 0.0

    def __post_init__(self) -> None:
        ends = [one.up_to_percent for one in self.bins]
        if not 1 <= len(ends) <= MOST_BINS:
            raise ManifestInvalid(f"severity_intervals: not 1 to {MOST_BINS} bins")
        if ends[-1] != _WHOLE or any(one >= two for one, two in pairwise(ends)):
            raise ManifestInvalid("severity_intervals: bins do not rise to 100")
        if not 0 <= self.clean_percent <= _WHOLE:
            raise ManifestInvalid(
                "severity_intervals: clean_percent is not in [0, 100]"
            )

    def interval(self, percent: float) -> tuple[float, float]:
        """Say between which percentages the true one lies.

        Parameters
        ----------
        percent
            What the node reports, 0 to 100.

        Returns
        -------
            Low and high, 0 <= low <= percent <= high <= 100.
        """
        fitting = (one for one in self.bins if percent <= one.up_to_percent)
        here = next(fitting, self.bins[-1])  # rounding may pass 100 by a hair
        low = 0.0 if percent <= self.clean_percent else max(0.0, percent - here.below)
        return low, min(_WHOLE, percent + here.above)


@dataclass(frozen=True, slots=True)
class SeverityIntervals:
    """Intervals of the three percentages of a film.

    Parameters
    ----------
    coverage
        Share of films whose true percentage lies inside, such as 0.9.
    total, right, left
        Of both lungs together, of the right and of the left one.
    """

    coverage: float
    total: PercentIntervals
    right: PercentIntervals
    left: PercentIntervals

    def __post_init__(self) -> None:
        if not 0 < self.coverage < 1:
            raise ManifestInvalid("severity_intervals: coverage is not between 0 and 1")
