"""What a film says of the intervals of its percentages; ``None`` where it cannot."""

from inference.training.evaluation.cases import Case


def _inside(case: Case) -> tuple[bool, ...] | None:
    """Whether each true percentage lies in its interval: right, left, total."""
    if case.low is None or case.high is None or case.true_percent is None:
        return None
    told = zip(case.low, case.true_percent, case.high, strict=True)
    return tuple(low <= true <= high for low, true, high in told)


def total_inside(case: Case) -> float | None:
    """Whether the true percentage of both lungs lies inside."""
    lies = _inside(case)
    return None if lies is None else float(lies[2])


def lungs_inside(case: Case) -> float | None:
    """Share of the two lungs whose true percentage lies inside."""
    lies = _inside(case)
    return None if lies is None else (lies[0] + lies[1]) / 2


def clean_inside(case: Case) -> float | None:
    """Whether nothing at all may be true of a film without opacity."""
    if case.low is None or case.positive is not False:
        return None
    return float(case.low[2] <= 0)


def meets_readers(case: Case) -> float | None:
    """Whether the interval meets what the readers' extent means in percent.

    A lung's score of 1 to 4 is a quarter of it each (Warren et al.), 0 is nothing.
    """
    if case.low is None or case.high is None or case.reader_extent is None:
        return None
    by_lung = case.reader_extent / 2
    least, most = max(0.0, by_lung - 1) * 25, by_lung * 25
    return float(case.low[2] <= most and least <= case.high[2])


def width(case: Case) -> float | None:
    """Width of the interval of both lungs on an outlined film, points."""
    if case.low is None or case.high is None or case.true_percent is None:
        return None
    return case.high[2] - case.low[2]
