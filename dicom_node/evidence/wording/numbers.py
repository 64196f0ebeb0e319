"""Numbers for people: whole percents, since no reader and no model is finer.

Data (SR values, JSON) keep their decimals; wherever people read, numbers are written
here. A part that is there is never "0 %".
"""

from inference.findings import Interval

_HALF = 0.5
_ALL = 100


def percent(value: float) -> str:
    """Write a percentage: "17 %", "<1 %", ">99 %"."""
    return f"{bare(value)} %"


def bare(value: float) -> str:
    """Write it without its unit."""
    if 0 < value < _HALF:
        return "<1"
    if _ALL - _HALF <= value < _ALL:
        return ">99"
    return str(_round(value))


def spread(interval: Interval | None) -> str:
    """Write an interval: "(11-26)"; nothing where there is none."""
    if interval is None:
        return ""
    return f"({_round(interval.low)}-{_round(interval.high)})"


def measured(value: float, interval: Interval | None) -> str:
    """Write a percentage with its interval: "17 % (11-26)"."""
    return f"{percent(value)} {spread(interval)}".rstrip()


def probability(value: float) -> str:
    """Write a probability in [0, 1] as percent."""
    return percent(_hundredfold(value))


def beside(value: float, operating_point: float) -> tuple[str, str]:
    """Write a film's probability and the operating point so that they differ.

    Where whole percents are the same, as many decimals as tell them apart, three at
    most.
    """
    pair = (_hundredfold(value), _hundredfold(operating_point))
    written = (percent(pair[0]), percent(pair[1]))
    if pair[0] == pair[1]:
        return written
    for digits in (1, 2, 3):
        if written[0] != written[1]:
            break
        written = (f"{pair[0]:.{digits}f} %", f"{pair[1]:.{digits}f} %")
    return written


def points(value: float) -> str:
    """Write a difference in percentage points: "+12", "-3", "0"."""
    whole = _round(abs(value))
    if whole == 0:
        return "0"
    return f"{'-' if value < 0 else '+'}{whole}"


def square_centimetres(area_mm2: float) -> str:
    """Write an area without its unit."""
    area = area_mm2 / 100
    return f"{area:.1f}" if area < 10 else str(_round(area))  # noqa: PLR2004  two digits are told


def _hundredfold(share: float) -> float:
    """Percent of a share, without the binary dust that would turn halves down."""
    return round(100 * share, 9)


def _round(value: float) -> int:
    """Round halves up, as people do."""
    return int(value + _HALF)
