"""How a frontal film was taken, as far as its header says: PA or AP, lying, at the bed.

A change between two films can only be read by who knows it: on an AP film of a lying
patient the heart is wider, the lungs are smaller and an effusion is a veil. View
Position and View Code Sequence with their modifiers (PS3.16 CID 4010, 4011), Patient
Position and Patient Orientation Code Sequence, else the words of series and protocol.
"""

import re
from dataclasses import dataclass
from typing import Literal

from pydicom.dataset import Dataset

from dicom_node.dataset.attributes import codes, items, text
from dicom_node.dataset.film.letters import words

_PA = re.compile(r"\bP ?[./-]? ?A\b|\bPOSTERO ?-?ANTERIOR|\bDORSO ?-?VENTRAL")
_AP = re.compile(r"\bA ?[./-]? ?P\b|\bANTERO ?-?POSTERIOR|\bVENTRO ?-?DORSAL")
_SUPINE = re.compile(
    r"\b(SUPINE|RECUMBENT|LYING|LIEGEND|LIEGE|COUCHE|ALLONGE|DECUBITO|SUPINO|LIGGEND)"
)
_PORTABLE = re.compile(
    r"\b(PORTABLE|PORT|MOBILE|BEDSIDE|BED ?SIDE|BETTAUFNAHME|BETT|BETTLUNGE"
    r"|AU LIT|LIT|PORTATIL|MOVIL|LETTO|MOBIL)\b"
)
_PA_CODES = {"272479007", "R-40888", "R-10214"}
_AP_CODES = {"399348003", "R-10206"}
_SUPINE_CODES = {"102538003", "F-10340", "40199007", "F-10310"}
_SUPINE_POSITIONS = {"HFS", "FFS"}
_WORDS = ("ViewPosition",)
_MORE_WORDS = ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingCode")


@dataclass(frozen=True, slots=True)
class Projection:
    """How a film was taken.

    Parameters
    ----------
    direction
        Way of the rays; ``None`` where the header does not say.
    supine
        The patient lay on the back.
    portable
        Taken at the bedside.
    """

    direction: Literal["PA", "AP"] | None = None
    supine: bool = False
    portable: bool = False

    @property
    def words(self) -> str:
        """In words, such as "AP supine, portable"; empty where nothing is known."""
        position = "supine" if self.supine else ""
        first = " ".join(part for part in (self.direction or "", position) if part)
        return ", ".join(
            part for part in (first, "portable" if self.portable else "") if part
        )


def projection_of(dataset: Dataset) -> Projection:
    """Read how a film was taken."""
    stated = words(dataset, _WORDS)
    more = [*words(dataset, _MORE_WORDS), *_meanings(dataset)]
    return Projection(
        direction=_direction(stated) or _coded(dataset) or _direction(more),
        supine=_supine(dataset, [*stated, *more]),
        portable=any(_PORTABLE.search(reading) for reading in (*stated, *more)),
    )


def _direction(
    readings: tuple[str, ...] | list[str],
) -> Literal["PA", "AP"] | None:
    """Find the one direction that words name."""
    texts = [reading.replace("_", " ") for reading in readings]
    pa = any(_PA.search(each) for each in texts)
    ap = any(_AP.search(each) for each in texts)
    if pa == ap:
        return None
    return "PA" if pa else "AP"


def _coded(dataset: Dataset) -> Literal["PA", "AP"] | None:
    found = codes(dataset, "ViewCodeSequence")
    pa, ap = bool(found & _PA_CODES), bool(found & _AP_CODES)
    if pa == ap:
        return None
    return "PA" if pa else "AP"


def _supine(dataset: Dataset, readings: list[str]) -> bool:
    if text(dataset, "PatientPosition") in _SUPINE_POSITIONS:
        return True
    coded: set[str] = set()
    for keyword in (
        "PatientOrientationCodeSequence",
        "PatientOrientationModifierCodeSequence",
    ):
        coded |= codes(dataset, keyword)
        for item in items(dataset, keyword):
            coded |= codes(item, "PatientOrientationModifierCodeSequence")
    return bool(coded & _SUPINE_CODES) or any(
        _SUPINE.search(reading.replace("_", " ")) for reading in readings
    )


def _meanings(dataset: Dataset) -> list[str]:
    found: list[str] = []
    for item in items(dataset, "ViewCodeSequence"):
        found += words(item, ("CodeMeaning",))
        for modifier in items(item, "ViewModifierCodeSequence"):
            found += words(modifier, ("CodeMeaning",))
    return found
