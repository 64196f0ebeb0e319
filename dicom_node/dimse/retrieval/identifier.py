"""The identifier of a Query/Retrieve request -> what is looked for in the catalogue.

DICOM PS3.4 C.4.1 to C.4.3. Without extended negotiation a request is hierarchical: it
names one patient, study and series above its level. A key is a patient's: no refusal
repeats a value.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from storage.catalog.matching import Exact, matching_of
from storage.catalog.query import Key, Query, attribute_of, is_matched
from storage.errors import QueryInvalid
from storage.held import Kind, Level

_LONGEST_KEY = 1024
_CONTROL = frozenset(
    {
        "QueryRetrieveLevel",
        "SpecificCharacterSet",
        "TimezoneOffsetFromUTC",
        "RetrieveAETitle",
        "InstanceAvailability",
    }
)

PATIENT_ATTRIBUTES = (
    "PatientID",
    "IssuerOfPatientID",
    "OtherPatientIDsSequence",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
)
"""What belongs to a patient; the catalogue keeps it with each study (PS3.4 C.6.1.1)."""


class Step(StrEnum):
    """The levels of an information model, from the top, as identifiers name them."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


PATIENT_ROOT: Sequence[Step] = tuple(Step)
STUDY_ROOT: Sequence[Step] = tuple(Step)[1:]

UNIQUE_KEYS: Mapping[Step, str] = {
    Step.PATIENT: "PatientID",
    Step.STUDY: "StudyInstanceUID",
    Step.SERIES: "SeriesInstanceUID",
    Step.IMAGE: "SOPInstanceUID",
}
LEVELS: Mapping[Step, Level] = {
    Step.PATIENT: Level.STUDY,
    Step.STUDY: Level.STUDY,
    Step.SERIES: Level.SERIES,
    Step.IMAGE: Level.INSTANCE,
}
"""Level asked -> level of the catalogue; patients are found by their studies."""


@dataclass(frozen=True, slots=True)
class FindRequest:
    """What a C-FIND request asks for.

    Parameters
    ----------
    step
        What the answers are.
    query
        What is looked for.
    tags
        The attributes that are answered, if there are any.
    """

    step: Step
    query: Query
    tags: tuple[int, ...]


def find_request_of(identifier: Dataset, root: Sequence[Step]) -> FindRequest:
    """Read the identifier of a C-FIND request.

    Parameters
    ----------
    root
        The information model.

    Raises
    ------
    QueryInvalid
        It does not match the information model.
    """
    step = _step(identifier, root)
    for above in root[: root.index(step)]:
        _single(identifier, above)
    keys = []
    for path, kind, text in _asked(identifier, step):
        matching = matching_of(kind, text)
        if matching is not None:
            keys.append(Key(path, matching))
    tags = tuple(int(one.tag) for one in identifier if one.keyword not in _CONTROL)
    return FindRequest(step, Query(LEVELS[step], tuple(keys)), tags)


def selected_by(identifier: Dataset, root: Sequence[Step], *, most: int) -> Query:
    """Read the identifier of a C-MOVE or C-GET request: it has unique keys alone.

    Parameters
    ----------
    root
        As above.
    most
        How many objects are looked for.

    Raises
    ------
    QueryInvalid
        It does not match the information model.
    """
    step = _step(identifier, root)
    keys = [
        _exact(above, _single(identifier, above)) for above in root[: root.index(step)]
    ]
    text = _text(identifier.get(UNIQUE_KEYS[step]))
    if not text or (step is Step.PATIENT and "\\" in text):
        raise QueryInvalid(f"{UNIQUE_KEYS[step]} is missing")
    keys.append(_exact(step, text))
    return Query(Level.INSTANCE, tuple(keys), limit=most)


def _step(identifier: Dataset, root: Sequence[Step]) -> Step:
    try:
        step = Step(_text(identifier.get("QueryRetrieveLevel")))
    except ValueError:
        raise QueryInvalid("the Query/Retrieve Level is none") from None
    if step not in root:
        raise QueryInvalid("this information model has no such level")
    return step


def _single(identifier: Dataset, step: Step) -> str:
    """Take the one value of a unique key above the level."""
    text = _text(identifier.get(UNIQUE_KEYS[step]))
    if not text or any(mark in text for mark in "\\*?"):
        raise QueryInvalid(f"{UNIQUE_KEYS[step]} has one value above the level")
    return text


def _exact(step: Step, text: str) -> Key:
    keyword = UNIQUE_KEYS[step]
    if step is Step.PATIENT:
        return Key((keyword,), Exact((text[:_LONGEST_KEY],)))
    matching = matching_of(Kind.UID, text)
    if matching is None:
        raise QueryInvalid(f"{keyword} is missing")
    return Key((keyword,), matching)


def _asked(
    identifier: Dataset, step: Step
) -> Iterator[tuple[tuple[str, ...], Kind, str]]:
    """Go through the keys that are matched at a level."""
    for element in identifier:
        for path, value in _paths(element):
            attribute = attribute_of(path)
            if attribute is None or not is_matched(LEVELS[step], path):
                continue
            if step is Step.PATIENT and path[0] not in PATIENT_ATTRIBUTES:
                continue
            yield path, attribute.kind, _text(value)


def _paths(element: DataElement) -> Iterator[tuple[tuple[str, ...], Any]]:
    if element.VR != "SQ":
        yield (element.keyword,), element.value
        return
    for item in list(element.value or ())[:1]:  # a key's sequence has one item
        for inner in item:
            if inner.VR != "SQ":
                yield (element.keyword, inner.keyword), inner.value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("ascii", "replace").strip("\0 ")
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return str(value).strip("\0 ")
    if not isinstance(value, list | tuple) and not hasattr(value, "append"):
        return str(value).strip("\0 ")  # a person's name is iterable, too
    return "\\".join(str(one).strip("\0 ") for one in value)
