"""What part of the body a header says that its film shows, if it says anything.

Body Part Examined (PS3.16 Annex L), else Anatomic Region Sequence (CID 4009), else
what the descriptions say. A word that says nothing is as good as none.
"""

from collections.abc import Iterable, Sequence

from pydicom.dataset import Dataset

from dicom_node.dataset.attributes import codes, items
from dicom_node.dataset.film.letters import tokens, words
from dicom_node.dataset.film.vocabulary import CHEST, NOTHING, OTHER, Vocabulary

# Chest, thorax, thoracic cavity, both lungs and each, apex, pleura, mediastinum, heart,
# in SNOMED CT and SRT; thorax and lung in RadLex.
_CHEST_CODES = frozenset(
    {
        *("816094009", "51185008", "T-D3000", "302551006", "43799004", "T-D3400"),
        *("39607008", "T-28000", "181216001", "3341006", "T-28100", "44029006"),
        *("T-28500", "86598002", "T-280A0", "3120008", "T-29000", "72410000"),
        *("T-D3300", "80891009", "T-32000", "955009", "T-26000", "RID1243", "RID1301"),
    }
)
_DESCRIPTIONS = ("StudyDescription", "SeriesDescription", "ProtocolName")
_LEAST_LETTERS = 5
_SHORT = frozenset({"LUNG", "CXR"})


def chest(dataset: Dataset, more: Iterable[str] = ()) -> bool | None:
    """Say whether the header names the chest; ``None`` when it names nothing.

    Parameters
    ----------
    dataset
        With or without pixel data.
    more
        Words for the chest that a site uses.
    """
    own = Vocabulary(frozenset()).with_words(more)
    for said in (
        _by_words(words(dataset, ("BodyPartExamined",)), own),
        _by_codes(dataset, own),
    ):
        if said is not None:
            return said
    return _by_descriptions(words(dataset, _DESCRIPTIONS))


def _by_words(readings: Sequence[str], own: Vocabulary) -> bool | None:
    """Judge values that name a body part; any reading may be the right one."""
    if any(own.names(reading) for reading in readings):
        return True  # the site knows its words best
    said = [reading for reading in readings if not NOTHING.only(reading)]
    if not said:
        return None
    if any(OTHER.names(reading) for reading in said):
        return False
    return any(
        CHEST.names(reading) or any(map(_is_nearly, tokens(reading)))
        for reading in said
    )


def _is_nearly(token: str) -> bool:
    """Tell whether a misspelt word means the chest rather than anything else."""
    if token in NOTHING.exact:
        return False
    distance = CHEST.distance(token)
    return distance <= min(2, OTHER.distance(token))


def _by_codes(dataset: Dataset, own: Vocabulary) -> bool | None:
    found = codes(dataset, "AnatomicRegionSequence")
    if found & _CHEST_CODES:
        return True
    meanings = [
        reading
        for item in items(dataset, "AnatomicRegionSequence")
        for reading in words(item, ("CodeMeaning",))
    ]
    said = _by_words(meanings, own)
    return said if said is not None or meanings or not found else False


def _by_descriptions(readings: Sequence[str]) -> bool | None:
    """Judge free text, where short words are too often words of another language."""
    shown, other = False, False
    for reading in readings:
        long = " ".join(
            token
            for token in tokens(reading)
            if len(token) >= _LEAST_LETTERS or token in _SHORT or not token.isascii()
        )
        signs = any(sign in reading for sign in CHEST.anywhere)
        shown = shown or signs or CHEST.names(long)
        other = other or OTHER_IN_TEXT.names(reading)
    return shown if shown != other else None


OTHER_IN_TEXT = Vocabulary(
    exact=frozenset(
        {
            *("RIB", "RIBS", "HIP", "HIPS", "HAND", "KNEE", "FOOT", "LEG", "NECK"),
            *("SPINE", "SKULL", "STERNUM", "SHOULDER", "CLAVICLE", "HUMERUS", "ELBOW"),
            *("WRIST", "ANKLE", "EXTREMITY", "BREAST"),
        }
    ),
    anywhere=OTHER.anywhere,
    within=OTHER.within,
)
"""Names of other parts that mean the same in every description."""
