"""What a search finds an object by, and what it is answered with: plain values.

Whoever reads headers makes them; here nobody looks into the answers (DICOM PS3.18
Annex F has their form).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class ItemValue(NamedTuple):
    """A value within an item of a sequence: keywords, and the item's place from 0."""

    sequence: str
    item: int
    keyword: str
    value: str


@dataclass(frozen=True, slots=True)
class Entity:
    """What is said of a study, a series or an instance.

    Parameters
    ----------
    values
        Keyword -> the text that is matched; names in small letters, times in digits.
    items
        Values within sequences.
    attributes
        All that may be answered, a JSON object.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    items: tuple[ItemValue, ...] = ()
    attributes: str = "{}"


@dataclass(frozen=True, slots=True)
class Description:
    """What one object says of its study, its series and itself.

    Parameters
    ----------
    transfer_syntax_uid
        How its bytes are encoded.
    """

    study: Entity
    series: Entity
    instance: Entity
    transfer_syntax_uid: str
