"""The severity of each zone on a drawing of two lungs, the right one at the left."""

from collections.abc import Callable, Mapping
from html import escape

from inference.findings import Zone

_RIGHT = "M88 12 C58 12 30 58 22 112 C16 152 18 190 26 204 C44 192 74 188 96 194 Z"
_LEFT = "M132 12 C162 12 190 58 198 112 C204 152 202 190 194 204 C178 194 158 190 142 186 L134 132 C132 96 130 52 132 12 Z"  # noqa: E501  one path
_TOPS = (0, 76, 140, 216)
_STEPS = (0.0, 5.0, 25.0, 50.0)


def lungs(zones: Mapping[Zone, float], label: str, name: Callable[[Zone], str]) -> str:
    """Draw it.

    Parameters
    ----------
    zones
        Percent of each zone that is covered.
    label
        What the drawing tells, for those who do not see it.
    name
        Says a zone in words.
    """
    drawn = []
    for side, path in (("right", _RIGHT), ("left", _LEFT)):
        clip = f"lung-{side}"
        drawn.append(f'<clipPath id="{clip}"><path d="{path}"/></clipPath>')
        for place, third in enumerate(("upper", "middle", "lower")):
            zone = Zone(f"{side} {third}")
            drawn.append(_zone(zone, zones.get(zone, 0.0), clip, place, name(zone)))
        drawn.append(f'<path class="lung" d="{path}"/>')
    return (
        f'<svg class="lungs" viewBox="0 0 220 216" role="img"'
        f' aria-label="{escape(label)}">{"".join(drawn)}</svg>'
    )


def _zone(zone: Zone, percent: float, clip: str, place: int, name: str) -> str:
    top, bottom = _TOPS[place], _TOPS[place + 1]
    level = sum(percent > step for step in _STEPS)
    left, middle = (0, 60) if zone.side == "right" else (110, 166)
    if place == 0:  # the tops lie nearer to each other
        middle += 9 if zone.side == "right" else -9
    return (
        f'<g><rect class="zone level{level}" clip-path="url(#{clip})" x="{left}"'
        f' y="{top}" width="110" height="{bottom - top}"/>'
        f"<title>{escape(name)}: {percent:.0f} %</title>"
        f'<text x="{middle}" y="{(top + bottom) // 2 + (14 if not place else 6)}">'
        f"{percent:.0f} %</text></g>"
    )
