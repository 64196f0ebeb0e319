"""From where a film was taken, as far as its header says (PS3.3 C.8.11.5, C.8.1.2).

View Position, else View Code Sequence with its modifier (PS3.16 CID 4010 and 4011,
in SNOMED CT and SRT), else the words of series and protocol, else the orientation.
"""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Literal

from pydicom.dataset import Dataset

from dicom_node.dataset.attributes import codes, items, text
from dicom_node.dataset.film import vocabulary
from dicom_node.dataset.film.letters import tokens, words

View = Literal["frontal", "lateral", "oblique", "other"]

# "PA ERECT" and "AP_SUPINE_LAT"; defined terms come first (PS3.3 C.8.1.2.1.1).
_FRONTAL_FIRST = re.compile(r"(AP|PA)(?![A-Z])")

_CODES: Mapping[View, tuple[str, ...]] = {
    "frontal": (
        *("272479007", "R-40888", "R-10214"),  # postero-anterior
        *("399348003", "R-10206"),  # antero-posterior
        *("399033003", "R-10202"),  # frontal
    ),
    "lateral": (
        *("399067008", "R-102CD"),  # lateral
        *("399198007", "R-10232"),  # right lateral
        *("399173006", "R-10236"),  # left lateral
        *("399352003", "R-10228"),  # lateral-medial
        *("399260004", "R-10224"),  # medial-lateral
        *("30730003", "G-A145"),  # sagittal
    ),
    "oblique": (
        *("399182000", "R-102C1"),  # oblique
        *("399356000", "R-40985", "R-10218"),  # right anterior
        *("399135007", "R-10220"),  # left anterior
        *("399038007", "R-10210"),  # right posterior
        *("399006002", "R-10212"),  # left posterior
        *("399236003", "R-10234"),  # right
        *("399184004", "R-10238"),  # left
        *("399312000", "R-10208"),  # antero-posterior
        *("399059000", "R-10216"),  # postero-anterior
        *("399160007", "R-10204"),  # frontal
        *("399132005", "R-10252"),  # frontal, axial
        *("399325008", "R-10254"),  # sagittal, axial
        *("399004004", "R-10246"),  # axial
        *("399288005", "R-10248"),  # cranio-caudal
        *("399225005", "R-10250"),  # caudo-cranial
        *("399368009", "R-10226"),  # medio-lateral
        *("399099002", "R-10230"),  # latero-medial
        *("260426006", "R-40782"),  # medial
        *("260427002", "R-40783"),  # lateral
    ),
    "other": (
        *("399255003", "R-10256"),  # submentovertical
        *("399360002", "R-10257"),  # verticosubmental
        *("399071006", "R-102C3"),  # plantodorsal
        *("399335002", "R-102C4"),  # dorsoplantar
        *("399272005", "R-102C5"),  # parietoacanthial
        *("399242004", "R-102C6"),  # acanthioparietal
        *("399351005", "R-102C7"),  # orbitoparietal
        *("399316002", "R-102C8"),  # parieto-orbital
        *("399110001", "R-102C2"),  # tangential
        *("260499007", "R-40810"),  # occlusal
        *("119376003", "G-8300"),  # tissue specimen
    ),
}
"""CID 4010 but for axial, cranio-caudal and caudo-cranial: so a lordotic film of the
apices is coded too, and the pixels decide."""

_VIEWS: Mapping[str, View] = {
    code: view for view, found in _CODES.items() for code in found
}
_MODIFIERS: Mapping[str, View] = {
    **dict.fromkeys(("272476000", "R-40885"), "lateral"),  # transthoracic
    **dict.fromkeys(("118438002", "G-D00B"), "other"),  # transoral
    **dict.fromkeys(("272466003", "R-4087B"), "other"),  # transforaminal
    **dict.fromkeys(("278318001", "R-40554"), "other"),  # transorbital
    **dict.fromkeys(("286866000", "R-421A4"), "other"),  # mouth closed
}
"""CID 4011 where it changes the view."""


def view_of(dataset: Dataset) -> View | None:
    """Find the view; ``None`` where the header does not name one."""
    position = words(dataset, ("ViewPosition",))
    if any(_FRONTAL_FIRST.match(reading) for reading in position):
        return "frontal"
    return (
        _named(position)
        or _coded(dataset)
        or _named(words(dataset, ("SeriesDescription", "ProtocolName")))
        or _oriented(dataset)
    )


def _coded(dataset: Dataset) -> View | None:
    coded = codes(dataset, "ViewCodeSequence")
    found = {_VIEWS[code] for code in coded & _VIEWS.keys()}
    meanings: list[str] = []
    for item in items(dataset, "ViewCodeSequence"):
        modifiers = codes(item, "ViewModifierCodeSequence")
        found |= {_MODIFIERS[code] for code in modifiers & _MODIFIERS.keys()}
        if text(item, "CodeValue") not in _VIEWS:
            meanings += words(item, ("CodeMeaning",))
    for view in ("other", "lateral", "oblique", "frontal"):
        if view in found:
            return view
    return _named(meanings)


def _named(readings: tuple[str, ...] | list[str]) -> View | None:
    """Find the one view that words name."""
    found: set[View] = set()
    for reading in readings:
        # "P.A.", "antero-posterior" and "A/P" are one word each; "PA/LAT" is two.
        joined = f"{reading} {_joined(reading)}"
        if vocabulary.OBLIQUE.names(joined):
            found.add("oblique")
        if vocabulary.LATERAL.names(joined):
            found.add("lateral")
        if vocabulary.FRONTAL.names(joined):
            found.add("frontal")
    # "CHEST PA/LAT" names the examination, not this film.
    return found.pop() if len(found) == 1 else None


def _joined(reading: str) -> str:
    """Join single letters and halves of words that stand side by side."""
    parts = tokens(reading)
    pairs = pairwise(parts)
    return " ".join(first + second for first, second in pairs)


def _oriented(dataset: Dataset) -> View | None:
    return "lateral" if text(dataset, "PatientOrientation")[:1] in {"A", "P"} else None
