"""Charts as SVG: a sparkline of bars, and a histogram. Colours come from the sheet."""

from collections.abc import Sequence
from html import escape

_BAR, _GAP, _HEIGHT = 10, 2, 40


def bars(values: Sequence[float], names: Sequence[str], label: str) -> str:
    """Draw a bar for each value.

    Parameters
    ----------
    names
        What each bar is for; shown when it is pointed at.
    label
        What the chart tells, for those who do not see it.
    """
    most = max(values, default=0) or 1
    width = max(1, len(values)) * (_BAR + _GAP) - _GAP
    drawn = []
    for place, (value, name) in enumerate(zip(values, names, strict=True)):
        height = max(1.0, value / most * (_HEIGHT - 2)) if value else 1.0
        kind = "bar" if value else "bar none"
        drawn.append(
            f'<rect class="{kind}" x="{place * (_BAR + _GAP)}"'
            f' y="{_HEIGHT - height:.1f}" width="{_BAR}" height="{height:.1f}" rx="1">'
            f"<title>{escape(name)}: {value:g}</title></rect>"
        )
    return (
        f'<svg class="chart" viewBox="0 0 {width} {_HEIGHT}" role="img"'
        f' preserveAspectRatio="none" aria-label="{escape(label)}">'
        f"{''.join(drawn)}</svg>"
    )


def histogram(values: Sequence[float], most: float, bins: int) -> list[int]:
    """Count values from 0 to ``most`` in bins of one width; the last has its end."""
    counts = [0] * bins
    for value in values:
        place = int(value / most * bins)
        counts[min(max(place, 0), bins - 1)] += 1
    return counts
