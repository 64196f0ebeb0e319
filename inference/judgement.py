"""What probabilities and pixels mean in words: the one place where that is decided.

Everything that shows a film's call, a finding's certainty or its zones takes them from
the ``Analysis`` that these rules filled in.
"""

from collections.abc import Sequence

from inference.findings import ZONES_OF, Call, Interval, Side, Zone
from inference.manifest import Thresholds

_SHARE_OF_ZONE = 1 / 4
_SHARE_OF_FINDING = 1 / 3


def call(probability: float, thresholds: Thresholds, *, outlined: bool) -> Call:
    """Say what a film's probability means.

    Opacity from the operating point on; below the clear threshold none; between them
    possible opacity. A model without a clear threshold outlines on every film: then
    what is outlined stands for it.

    Parameters
    ----------
    probability
        Calibrated, that the film shows any opacity.
    outlined
        Whether anything was outlined.
    """
    if probability >= thresholds.any_opacity:
        return Call.OPACITY
    if thresholds.clear == 0:
        return Call.POSSIBLE if outlined else Call.NONE
    return Call.POSSIBLE if probability >= thresholds.clear else Call.NONE


def certainty(finding: float, film: float) -> float:
    """Put a finding's calibrated probability on the scale of the film's.

    A film with a real finding shows opacity; so no finding is surer than its film.
    Where the two calibrations disagree the film's holds: it was fitted on every film,
    clean ones too.
    """
    return min(finding, film)


def exceeds(
    before: tuple[float, Interval | None], now: tuple[float, Interval | None]
) -> bool | None:
    """Tell whether a change is more than error: neither lies in the other's interval.

    Parameters
    ----------
    before, now
        A percentage and its interval, of each film.

    Returns
    -------
        ``None`` where neither film has an interval.
    """
    held = [
        interval.holds(percent)
        for percent, interval in ((before[0], now[1]), (now[0], before[1]))
        if interval is not None
    ]
    return not any(held) if held else None


def zones(side: Side, parts: Sequence[int], fields: Sequence[int]) -> tuple[Zone, ...]:
    """Name the zones in which a finding has a real share.

    That is a quarter of the zone, or a third of the finding. The zone that holds most
    of it always counts, since a third of it lies there.

    Parameters
    ----------
    parts
        Pixels of the finding in the upper, middle and lower third of its lung; not
        all 0.
    fields
        Pixels of these thirds.
    """
    whole = sum(parts)
    return tuple(
        zone
        for zone, part, field in zip(ZONES_OF[side], parts, fields, strict=True)
        if part
        and (part >= _SHARE_OF_ZONE * field or part >= _SHARE_OF_FINDING * whole)
    )
