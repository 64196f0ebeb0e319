"""Which type can show a text on the report page, and what to say where none can.

Roboto lies with the node: Latin with its accents, Greek, Cyrillic. For Chinese,
Japanese and Korean a type of the machine is embedded when one is there. A text is
shown whole or not at all: half a name would be another name.
"""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path

from reportlab.pdfbase.pdfmetrics import getFont, registerFont
from reportlab.pdfbase.ttfonts import TTFError, TTFont

OWN = "Roboto-Regular"
UNSHOWN = "(in letters this page cannot show)"
SYSTEM_TYPES = tuple(
    Path("/usr/share/fonts") / name
    for name in (
        "truetype/droid/DroidSansFallbackFull.ttf",
        "google-droid-sans-fonts/DroidSansFallbackFull.ttf",
        "opentype/ipafont-gothic/ipag.ttf",
        "truetype/nanum/NanumGothic.ttf",
    )
)
"""Where Linux distributions put free types for East Asian scripts."""


@cache
def register() -> None:
    """Make the node's own type known to the page."""
    for weight in ("Light", "Regular", "Medium"):
        path = files("dicom_node.evidence.pictures").joinpath(
            "fonts", f"Roboto-{weight}.ttf"
        )
        registerFont(TTFont(f"Roboto-{weight}", BytesIO(path.read_bytes())))


@cache
def _registered(path: Path) -> bool:
    try:
        registerFont(TTFont(path.stem, path))
    except (OSError, TTFError):
        return False
    return True


def type_for(text: str, others: Sequence[Path] = SYSTEM_TYPES) -> str | None:
    """Name the first type that has every letter of a text.

    Parameters
    ----------
    others
        Files to look into where the node's own type is not enough.

    Returns
    -------
        A registered name; ``None`` when no type has them all.
    """
    register()
    names = [OWN, *(path.stem for path in others if _registered(path))]
    return next((name for name in names if _has(name, text)), None)


def _has(name: str, text: str) -> bool:
    glyphs = getFont(name).face.charToGlyph
    return all(ord(letter) in glyphs for letter in text)


def person(name: object, others: Sequence[Path] = SYSTEM_TYPES) -> tuple[str, str]:
    """Write a person's name in the first of its groups that can be shown.

    Parameters
    ----------
    name
        Alphabetic, ideographic and phonetic group (PS3.5 6.2.1.1), or nothing.

    Returns
    -------
        The text, and the type to set it in.
    """
    groups = [
        " ".join(group.replace("^", " ").split())
        for group in str(name or "").split("=")
    ]
    return _first([group for group in groups if group], others)


def shown(text: str, others: Sequence[Path] = SYSTEM_TYPES) -> tuple[str, str]:
    """Give a text and its type, or the words that say it cannot be shown."""
    return _first([text] if text else [], others)


def _first(texts: Sequence[str], others: Sequence[Path]) -> tuple[str, str]:
    for text in texts:
        if name := type_for(text, others):
            return text, name
    return (UNSHOWN if texts else "-"), OWN
