"""Cases -> numbers with intervals: overall and by source, sex, view and age."""

from collections.abc import Callable, Mapping, Sequence

from inference.training.evaluation.cases import Case, Stranger
from inference.training.evaluation.metrics import Metric, Rows, mean
from inference.training.evaluation.scores.bootstrap import (
    REPLICATES,
    ConfidenceInterval,
    interval,
)

Summary = Mapping[str, ConfidenceInterval]
UNKNOWN = "not told"
_AGES = (("under 18", 18), ("18 to 39", 40), ("40 to 64", 65), ("65 and over", 1000))


def summarise(
    cases: Sequence[Case], metrics: Sequence[Metric], replicates: int = REPLICATES
) -> Summary:
    """Every metric over these films, resampled by group."""
    found = {}
    for metric in metrics:
        rows = [(metric.select(case), case.group) for case in cases]
        kept = [row for row in rows if row[0] is not None]
        found[metric.name] = interval(
            [row for row, _ in kept],
            [group for _, group in kept],
            metric.value,
            again=metric.again,
            replicates=replicates,
        )
    return found


def differences(
    before: Sequence[Case],
    after: Sequence[Case],
    metrics: Sequence[Metric],
    replicates: int = REPLICATES,
) -> Summary:
    """Count what another model gains on the same films: after less before.

    Films that only one of both was shown are left out. Every resample draws the same
    groups for both, so that what makes a film hard for both falls out of the interval.
    """
    earlier = {case.key: case for case in before}
    pairs = [(earlier[case.key], case) for case in after if case.key in earlier]
    return {metric.name: _difference(pairs, metric, replicates) for metric in metrics}


def _difference(
    pairs: Sequence[tuple[Case, Case]], metric: Metric, replicates: int
) -> ConfidenceInterval:
    rows = [
        ((metric.select(one), metric.select(other)), other.group)
        for one, other in pairs
    ]
    kept = [
        (row, group) for row, group in rows if row[0] is not None and row[1] is not None
    ]

    def gained(value: Callable[[Rows], float]) -> Callable[[Rows], float]:
        return lambda some: (
            value([row[1] for row in some]) - value([row[0] for row in some])
        )

    return interval(
        [row for row, _ in kept],
        [group for _, group in kept],
        gained(metric.value),
        again=gained(metric.again or metric.value),
        replicates=replicates,
    )


def age_band(age: float | None) -> str:
    """Name the age band of a patient."""
    if age is None:
        return UNKNOWN
    return next(name for name, below in _AGES if age < below)


SUBGROUPS: Mapping[str, Callable[[Case], str]] = {
    "source": lambda case: case.source,
    "sex": lambda case: case.sex or UNKNOWN,
    "view": lambda case: case.view or UNKNOWN,
    "age": lambda case: age_band(case.age),
    "fold": lambda case: str(case.fold),
}


def split(cases: Sequence[Case], by: str) -> Mapping[str, list[Case]]:
    """Films by subgroup, names sorted."""
    parts: dict[str, list[Case]] = {}
    for case in cases:
        parts.setdefault(SUBGROUPS[by](case), []).append(case)
    return {name: parts[name] for name in sorted(parts)}


def recognised(strangers: Sequence[Stranger]) -> Summary:
    """Share of each kind of stranger that was refused."""
    kinds = sorted({one.kind for one in strangers})
    return {
        kind: interval(
            [float(one.refused is not None) for one in strangers if one.kind == kind],
            [one.key for one in strangers if one.kind == kind],
            mean,
        )
        for kind in kinds
    }
