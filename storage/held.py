"""What the node holds at this moment, as it is searched for: the tables.

A study, a series and an instance have a row each, with the values that a search may
name and, as one text, the attributes that it is answered with. The rows go with the
bytes: a patient's name stays no longer than an image of his. Names and levels follow
the Query/Retrieve Information Model (DICOM PS3.4 C.6).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeEngine

from storage.schema import ForeignText, metadata


class SearchText(ForeignText):
    """Text that is compared character by character, on every database alike."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Ask PostgreSQL for the order of code points, which prefixes need."""
        if dialect.name == "postgresql":
            return Text(collation="C")
        return Text()


class Level(StrEnum):
    """The levels of the Study Root information model (PS3.4 C.6.2)."""

    STUDY = "STUDY"
    SERIES = "SERIES"
    INSTANCE = "IMAGE"


class Kind(StrEnum):
    """How the values of an attribute are matched (PS3.4 C.2.2.2)."""

    UID = "list of UID"
    TEXT = "single value and wildcard"
    NAME = "single value and wildcard, without regard to case"
    DATE = "single value and range"
    TIME = "single value and range, to the fraction"
    NUMBER = "single value"


class Attribute(NamedTuple):
    """An attribute that may be searched for.

    Parameters
    ----------
    level
        Whose it is.
    kind
        How it is matched.
    rank
        How few of all objects one value of it usually picks: the least goes first.
    """

    level: Level
    kind: Kind
    rank: int


_IDENTIFIER, _WORDS, _WHEN, _SHARED, _CLOCK = 1, 2, 4, 5, 6

ATTRIBUTES: Mapping[str, Attribute] = {
    "StudyInstanceUID": Attribute(Level.STUDY, Kind.UID, 0),
    "PatientID": Attribute(Level.STUDY, Kind.TEXT, _IDENTIFIER),
    "IssuerOfPatientID": Attribute(Level.STUDY, Kind.TEXT, _SHARED),
    "PatientName": Attribute(Level.STUDY, Kind.NAME, _WORDS),
    "PatientBirthDate": Attribute(Level.STUDY, Kind.DATE, _WHEN),
    "PatientSex": Attribute(Level.STUDY, Kind.TEXT, _SHARED),
    "StudyDate": Attribute(Level.STUDY, Kind.DATE, _WHEN),
    "StudyTime": Attribute(Level.STUDY, Kind.TIME, _CLOCK),
    "StudyID": Attribute(Level.STUDY, Kind.TEXT, _IDENTIFIER),
    "AccessionNumber": Attribute(Level.STUDY, Kind.TEXT, _IDENTIFIER),
    "ReferringPhysicianName": Attribute(Level.STUDY, Kind.NAME, _WORDS),
    "StudyDescription": Attribute(Level.STUDY, Kind.TEXT, _SHARED),
    "SeriesInstanceUID": Attribute(Level.SERIES, Kind.UID, 0),
    "Modality": Attribute(Level.SERIES, Kind.TEXT, _SHARED),
    "SeriesNumber": Attribute(Level.SERIES, Kind.NUMBER, _SHARED),
    "SeriesDescription": Attribute(Level.SERIES, Kind.TEXT, _SHARED),
    "SeriesDate": Attribute(Level.SERIES, Kind.DATE, _WHEN),
    "SeriesTime": Attribute(Level.SERIES, Kind.TIME, _CLOCK),
    "BodyPartExamined": Attribute(Level.SERIES, Kind.TEXT, _SHARED),
    "Laterality": Attribute(Level.SERIES, Kind.TEXT, _SHARED),
    "Manufacturer": Attribute(Level.SERIES, Kind.TEXT, _SHARED),
    "ManufacturerModelName": Attribute(Level.SERIES, Kind.TEXT, _SHARED),
    "StationName": Attribute(Level.SERIES, Kind.TEXT, _SHARED),
    "InstitutionName": Attribute(Level.SERIES, Kind.TEXT, _SHARED),
    "PerformedProcedureStepStartDate": Attribute(Level.SERIES, Kind.DATE, _WHEN),
    "PerformedProcedureStepStartTime": Attribute(Level.SERIES, Kind.TIME, _CLOCK),
    "SOPInstanceUID": Attribute(Level.INSTANCE, Kind.UID, 0),
    "SOPClassUID": Attribute(Level.INSTANCE, Kind.UID, _SHARED),
    "InstanceNumber": Attribute(Level.INSTANCE, Kind.NUMBER, _SHARED),
    "ContentDate": Attribute(Level.INSTANCE, Kind.DATE, _WHEN),
    "ContentTime": Attribute(Level.INSTANCE, Kind.TIME, _CLOCK),
    "AcquisitionDate": Attribute(Level.INSTANCE, Kind.DATE, _WHEN),
    "AcquisitionTime": Attribute(Level.INSTANCE, Kind.TIME, _CLOCK),
    "ViewPosition": Attribute(Level.INSTANCE, Kind.TEXT, _SHARED),
}
"""Attributes with one value, each a column with an index."""

ITEM_ATTRIBUTES: Mapping[tuple[str, str], Attribute] = {
    ("OtherPatientIDsSequence", "PatientID"): Attribute(
        Level.STUDY, Kind.TEXT, _IDENTIFIER
    ),
    ("ProcedureCodeSequence", "CodeValue"): Attribute(Level.STUDY, Kind.TEXT, _WORDS),
    ("ReferencedRequestSequence", "AccessionNumber"): Attribute(
        Level.INSTANCE, Kind.TEXT, _IDENTIFIER
    ),
    ("RequestAttributesSequence", "RequestedProcedureID"): Attribute(
        Level.SERIES, Kind.TEXT, _IDENTIFIER
    ),
    ("RequestAttributesSequence", "ScheduledProcedureStepID"): Attribute(
        Level.SERIES, Kind.TEXT, _IDENTIFIER
    ),
    ("RequestAttributesSequence", "AccessionNumber"): Attribute(
        Level.SERIES, Kind.TEXT, _IDENTIFIER
    ),
    ("RequestAttributesSequence", "StudyInstanceUID"): Attribute(
        Level.SERIES, Kind.UID, _IDENTIFIER
    ),
    ("AnatomicRegionSequence", "CodeValue"): Attribute(
        Level.INSTANCE, Kind.TEXT, _SHARED
    ),
    ("ConceptNameCodeSequence", "CodeValue"): Attribute(
        Level.INSTANCE, Kind.TEXT, _SHARED
    ),
}
"""Attributes of a sequence's items (PS3.4 C.2.2.2.6)."""

IS_BARE = text("NOT is_described")
"""That no header was read for a row; written as SQLite recognises it."""

MODALITIES = "ModalitiesInStudy"
"""Not stored: what the series of a study say."""


def column_of(keyword: str) -> str:
    """Name the column of an attribute: ``PatientID`` is in ``patient_id``."""
    letters = "".join(
        f"_{letter}"
        if letter.isupper() and place and _begins_word(keyword, place)
        else letter
        for place, letter in enumerate(keyword)
    )
    return letters.lower()


def _begins_word(keyword: str, place: int) -> bool:
    following = keyword[place + 1 : place + 2]
    return keyword[place - 1].islower() or following.islower()


def _columns(level: Level, *known: str) -> list[Column[Any]]:
    return [
        Column(
            column_of(keyword), SearchText, nullable=False, server_default=text("''")
        )
        for keyword, attribute in ATTRIBUTES.items()
        if attribute.level is level and keyword not in known
    ]


def _answer() -> tuple[Column[Any], ...]:
    """Hold what is answered, as JSON, and whether a header was read for it."""
    return (
        Column("attributes", ForeignText, nullable=False, server_default=text("'{}'")),
        Column("is_described", Boolean, nullable=False),
    )


held_study = Table(
    "held_study",
    metadata,
    Column("study_instance_uid", SearchText, primary_key=True),
    *_columns(Level.STUDY, "StudyInstanceUID"),
    Column(
        "patient_name_otherwise", SearchText, nullable=False, server_default=text("''")
    ),
    *_answer(),
)
"""``patient_name`` is its alphabetic form, the other the forms in other writing."""

held_series = Table(
    "held_series",
    metadata,
    Column("study_instance_uid", SearchText, primary_key=True),
    Column("series_instance_uid", SearchText, primary_key=True, index=True),
    *_columns(Level.SERIES, "SeriesInstanceUID"),
    *_answer(),
)

held_instance = Table(
    "held_instance",
    metadata,
    Column("sop_instance_uid", SearchText, primary_key=True),
    Column("series_instance_uid", SearchText, nullable=False),
    Column("study_instance_uid", SearchText, nullable=False),
    *_columns(Level.INSTANCE, "SOPInstanceUID"),
    Column("transfer_syntax_uid", Text, nullable=False),
    Column("object_key", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    *_answer(),
    Index(
        "ix_held_instance_place",
        "study_instance_uid",
        "series_instance_uid",
        "sop_instance_uid",
    ),
    Index(
        "ix_held_instance_bare",
        "sop_instance_uid",
        sqlite_where=IS_BARE,
        postgresql_where=IS_BARE,
    ),
)

held_item = Table(
    "held_item",
    metadata,
    Column("owner_uid", SearchText, primary_key=True),
    Column("sequence", Text, primary_key=True),
    Column("item", Integer, primary_key=True, autoincrement=False),
    Column("keyword", Text, primary_key=True),
    Column("value", SearchText, nullable=False),
    Index(None, "sequence", "keyword", "value", "owner_uid"),
)
"""Values in the items of sequences; the owner is a study, a series or an instance."""

TABLES: Mapping[Level, Table] = {
    Level.STUDY: held_study,
    Level.SERIES: held_series,
    Level.INSTANCE: held_instance,
}
KEYS: Mapping[Level, tuple[str, ...]] = {
    Level.STUDY: ("study_instance_uid",),
    Level.SERIES: ("study_instance_uid", "series_instance_uid"),
    Level.INSTANCE: ("sop_instance_uid",),
}
"""What tells the rows of a level apart, and orders them."""


def _index_values() -> None:
    """Index every column that is searched, in the order in which rows are given.

    Empty values are left out, but of Study Date, by which studies are listed.
    """
    for keyword, attribute in ATTRIBUTES.items():
        name, table = column_of(keyword), TABLES[attribute.level]
        keys = KEYS[attribute.level]
        if name in keys:
            continue
        filled = None if keyword == "StudyDate" else text(f"{name} <> ''")
        Index(
            f"ix_{table.name}_{name}",
            table.c[name],
            *(table.c[key] for key in keys),
            sqlite_where=filled,
            postgresql_where=filled,
        )


_index_values()
