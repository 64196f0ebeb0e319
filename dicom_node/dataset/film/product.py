r"""Tells the film itself from what was computed from it.

Image Type (PS3.3 C.7.6.1.1.2, C.8.11.3.1.1) says DERIVED and SECONDARY of every film
that a gateway resampled; what tells a product is its name, wherever it stands. Some
senders put a blank where the backslash belongs.
"""

import re
from collections.abc import Iterable

from pydicom.dataset import Dataset

from dicom_node.dataset.film.letters import plain, words

_NAMED = re.compile(
    r"\b("
    # A bone-suppressed film shows opacities that were behind ribs, and hides others.
    r"(BONE|RIB|SKELETON)S? ?(SUPPRESS\w*|SUPPR|SUPP|REMOV\w*|REDUC\w*)|BSI?|SUPPRESSED"
    # Both halves of a dual-energy pair.
    r"|DUAL ?ENERGY|DE ?S|ENERGY SUBTR\w*|SOFT ?TISSUES?|TISSUES?|BONES?( ONLY| IMAGE)?"
    r"|DIFFERENCE|DIFF|SUBTR|SUBTRACT\w*|DSA"
    r"|LOCALI[SZ]ER|SCOUT|TOPOGRAM|SURVIEW|SCANOGRAM|SCANO"
    r"|STITCH\w*|COMPOSED|COMPOSITE|MOSAIC|MONTAGE|PANORAM\w*"
    r"|REFORMAT\w*|MPR|MIP|TOMO|TOMOSYNTHESIS|TOMOGRAM"
    r"|SCREEN ?(SAVE\w*|CAPTURE\w*|SHOT|GRAB)?|SNAPSHOT|SCREENSAVE"
    r"|REPORT|DOSE|DOSE ?REPORT|HISTOGRAM"
    r"|CAD|HEAT ?MAP|SALIENCY|PROBABILITY"
    r")\b"
)


def derived_product(dataset: Dataset, more: Iterable[str] = ()) -> str:
    """Find the word that names a derived product; empty where there is none.

    Parameters
    ----------
    dataset
        With or without pixel data.
    more
        Words that name one at this site.
    """
    text = " ".join(words(dataset, ("ImageType",)))
    text = " ".join(re.sub(r"[\\_/,;-]", " ", text).split())
    match = _NAMED.search(text)
    if match:
        return match[0]
    padded = f" {text} "
    own = (" ".join(re.sub(r"[_-]", " ", plain(word)).split()) for word in more)
    return next((word for word in own if word and f" {word} " in padded), "")
