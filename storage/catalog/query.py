"""Finds what is held: one question, whoever asks it in whatever protocol.

A query has a level, keys and a page; the kinds of matching are those of the
Query/Retrieve Service Class (DICOM PS3.4 C.2.2.2). One key leads: the rows are given in
the order of its index, so that a page costs the same however many rows there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, Select, and_, exists, or_, select

from storage.catalog.matching import (
    Exact,
    Matching,
    Range,
    Wildcard,
    condition,
    prefix_of,
)
from storage.database import Transaction
from storage.held import (
    ATTRIBUTES,
    ITEM_ATTRIBUTES,
    KEYS,
    MODALITIES,
    TABLES,
    Attribute,
    Kind,
    Level,
    column_of,
    held_instance,
    held_item,
    held_series,
    held_study,
)

_LEVELS = (Level.STUDY, Level.SERIES, Level.INSTANCE)
_BY_DATE = "StudyDate"
_PLACE = {
    Level.SERIES: KEYS[Level.SERIES],
    Level.INSTANCE: (*KEYS[Level.SERIES], *KEYS[Level.INSTANCE]),
}
_UNLED = 9
_MODALITIES = Attribute(Level.STUDY, Kind.TEXT, 5)


class Key(NamedTuple):
    """One condition.

    Parameters
    ----------
    path
        The attribute's keyword, or those of a sequence and of an attribute in it.
    matching
        How its value is matched.
    """

    path: tuple[str, ...]
    matching: Matching


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for.

    Parameters
    ----------
    level
        What the answers are.
    keys
        Conditions; all are met. Those of levels below are none of this level's.
    limit, offset
        How many answers at most, and how many to pass over.
    """

    level: Level
    keys: tuple[Key, ...] = ()
    limit: int = 100
    offset: int = 0

    def within(self, **uids: str | None) -> "Query":
        """Narrow a query to a study, a series or an instance."""
        names = {column_of(keyword): keyword for keyword in ATTRIBUTES}
        keys = tuple(
            Key((names[name],), Exact((uid,)))
            for name, uid in uids.items()
            if uid is not None
        )
        return replace(self, keys=(*self.keys, *keys))


@dataclass(frozen=True, slots=True)
class HeldObject:
    """Where the bytes of an instance lie, and what they are.

    Parameters
    ----------
    sop_class_uid, transfer_syntax_uid
        The syntax is empty where nobody has looked yet.
    """

    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    object_key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class MatchingKey:
    """An answer.

    Parameters
    ----------
    uids
        Study, and series and instance down to the level of the query.
    attributes
        Level -> its attributes, as JSON.
    held
        The object, at the level of instances.
    """

    uids: tuple[str, ...]
    attributes: Mapping[Level, str]
    held: HeldObject | None = None


class Found(NamedTuple):
    """A page of answers, and whether there are more behind it."""

    matches: list[MatchingKey]
    is_more: bool


def attribute_of(path: Sequence[str]) -> Attribute | None:
    """Look up how an attribute is matched; ``None`` when it is not searched for."""
    if len(path) == 1:
        return _MODALITIES if path[0] == MODALITIES else ATTRIBUTES.get(path[0])
    return ITEM_ATTRIBUTES.get((path[0], path[1])) if len(path) == 2 else None  # noqa: PLR2004  a sequence and its attribute


def is_matched(level: Level, path: Sequence[str]) -> bool:
    """Tell whether an attribute can be a key at a level: it is not of one below."""
    found = attribute_of(path)
    return found is not None and _LEVELS.index(found.level) <= _LEVELS.index(level)


def find(tx: Transaction, query: Query) -> Found:
    """Find a page of what matches, in an order that stays."""
    statement = _statement(query, is_embedded=tx.dialect == "sqlite")
    rows = tx.execute(statement.limit(query.limit + 1).offset(query.offset)).mappings()
    matches = [_match(query.level, row) for row in rows]
    return Found(matches[: query.limit], len(matches) > query.limit)


def find_objects(tx: Transaction, query: Query) -> list[HeldObject]:
    """Find the instances of a query at the level of instances."""
    return [one.held for one in find(tx, query).matches if one.held is not None]


def _match(level: Level, row: Any) -> MatchingKey:
    levels = _LEVELS[: _LEVELS.index(level) + 1]
    uids = [row[TABLES[level].c.study_instance_uid]]
    if level is not Level.STUDY:
        uids.append(row[TABLES[level].c.series_instance_uid])
    held = None
    if level is Level.INSTANCE:
        uids.append(row[held_instance.c.sop_instance_uid])
        held = HeldObject(
            **{
                name: row[held_instance.c[name]]
                for name in HeldObject.__dataclass_fields__
            }
        )
    return MatchingKey(
        tuple(uids), {one: row[TABLES[one].c.attributes] for one in levels}, held
    )


def _statement(query: Query, *, is_embedded: bool) -> Select[Any]:
    keys = list(query.keys)
    lead = min(keys, key=_rank, default=None)
    if lead is None or _rank(lead) >= _UNLED:
        lead = None
    asked = select(*_answered(query.level))
    statement = asked.select_from(_joined(query.level)).order_by(
        *_order(query.level, lead)
    )
    modality = _only_modality(query, lead)
    if modality is not None:
        statement = _by_modality(asked, modality)
    for key in keys:
        if len(key.path) == 1 and key.path[0] != MODALITIES:
            # SQLite knows nothing of the values: only the key that leads may have
            # an index there.
            is_led = key is lead or not is_embedded
            statement = statement.where(_condition(key, indexed=is_led))
    for condition_ in _of_items(keys):
        statement = statement.where(condition_)
    for key in keys:
        if key.path == (MODALITIES,) and modality is None:
            statement = statement.where(_has_modality(key.matching))
    return statement


def _rank(key: Key) -> int:
    found = attribute_of(key.path)
    if found is None or key.path == (MODALITIES,):
        return _UNLED
    matching = key.matching
    if isinstance(matching, Wildcard) and not prefix_of(matching.pattern):
        return _UNLED  # nothing to begin with
    return found.rank + (not isinstance(matching, Exact))


def _answered(level: Level) -> list[ColumnElement[Any]]:
    table = TABLES[level]
    names = ["study_instance_uid", *KEYS[level]]
    if level is Level.INSTANCE:
        names = list(HeldObject.__dataclass_fields__)
    columns = [table.c[name] for name in dict.fromkeys(names)]
    above = _LEVELS[: _LEVELS.index(level) + 1]
    return [*columns, *(TABLES[one].c.attributes for one in above)]


def _joined(level: Level) -> FromClause:
    tables: FromClause = held_study
    if level is not Level.STUDY:
        tables = tables.join(
            held_series,
            held_series.c.study_instance_uid == held_study.c.study_instance_uid,
        )
    if level is Level.INSTANCE:
        tables = tables.join(
            held_instance,
            and_(
                held_instance.c.study_instance_uid == held_series.c.study_instance_uid,
                held_instance.c.series_instance_uid
                == held_series.c.series_instance_uid,
            ),
        )
    return tables


def _condition(key: Key, *, indexed: bool) -> ColumnElement[bool]:
    (keyword,) = key.path
    attribute = ATTRIBUTES[keyword]
    table, name = TABLES[attribute.level], column_of(keyword)
    if keyword == "SeriesInstanceUID":
        table = held_series
    first = condition(table.c[name], key.matching, indexed=indexed)
    if keyword != "PatientName":
        return first
    otherwise = condition(table.c.patient_name_otherwise, key.matching, indexed=False)
    if _is_latin(key.matching):
        return first
    return or_(first, otherwise)


def _is_latin(matching: Matching) -> bool:
    """Tell whether a name can only be meant in its alphabetic form."""
    texts = (
        matching.values
        if isinstance(matching, Exact)
        else ((matching.pattern,) if isinstance(matching, Wildcard) else ())
    )
    return all(letter < "\u0250" for text in texts for letter in text)


def _of_items(keys: Sequence[Key]) -> list[ColumnElement[bool]]:
    """MatchingKey what stands in sequences: one item has to meet all of its keys."""
    wanted: dict[str, list[Key]] = {}
    for key in keys:
        if len(key.path) > 1:
            wanted.setdefault(key.path[0], []).append(key)
    return [_of_item(sequence, of_it) for sequence, of_it in wanted.items()]


def _of_item(sequence: str, keys: Sequence[Key]) -> ColumnElement[bool]:
    attribute = ITEM_ATTRIBUTES[sequence, keys[0].path[1]]
    first = held_item.alias()
    conditions: list[ColumnElement[bool]] = []
    for key in keys:
        values = first if key is keys[0] else held_item.alias()
        conditions += [
            values.c.sequence == sequence,
            values.c.keyword == key.path[1],
            condition(values.c.value, key.matching, indexed=True),
        ]
        if values is not first:
            conditions += [
                values.c.owner_uid == first.c.owner_uid,
                values.c.item == first.c.item,
            ]
    owner = KEYS[attribute.level][-1]
    return (
        TABLES[attribute.level]
        .c[owner]
        .in_(select(first.c.owner_uid).where(*conditions))
    )


def _has_modality(matching: Matching) -> ColumnElement[bool]:
    series = held_series.alias()
    return exists(
        select(series.c.modality).where(
            series.c.study_instance_uid == held_study.c.study_instance_uid,
            condition(series.c.modality, matching, indexed=True),
        )
    )


def _only_modality(query: Query, lead: Key | None) -> str | None:
    """Take the modality that leads to studies where nothing else does."""
    if lead is not None or query.level is not Level.STUDY:
        return None
    for key in query.keys:
        if key.path == (MODALITIES,) and isinstance(key.matching, Exact):
            return key.matching.values[0] if len(key.matching.values) == 1 else None
    return None


def _by_modality(asked: Select[Any], modality: str) -> Select[Any]:
    """Walk along the series of a modality, and take each study at its first."""
    series, earlier = held_series.alias(), held_series.alias()
    study = series.c.study_instance_uid
    is_second = exists(
        select(earlier.c.modality).where(
            earlier.c.study_instance_uid == study,
            earlier.c.series_instance_uid < series.c.series_instance_uid,
            earlier.c.modality == modality,
        )
    )
    return (
        asked.select_from(
            series.join(held_study, held_study.c.study_instance_uid == study)
        )
        .where(series.c.modality == modality, series.c.modality != "", ~is_second)
        .order_by(study, series.c.series_instance_uid)
    )


def _order(level: Level, lead: Key | None) -> list[ColumnElement[Any]]:
    """Give the rows as the index of the leading key has them, newest days first."""
    if lead is None and level is not Level.STUDY:
        return [TABLES[level].c[name] for name in _PLACE[level]]
    if lead is None:
        lead = Key((_BY_DATE,), Range(None, None))
    attribute = attribute_of(lead.path)
    top = Level.STUDY if attribute is None else attribute.level
    columns: list[ColumnElement[Any]] = []
    if len(lead.path) == 1 and not isinstance(lead.matching, Exact):
        columns.append(TABLES[top].c[column_of(lead.path[0])])
    columns += [TABLES[top].c[name] for name in KEYS[top]]
    if attribute is not None and attribute.kind in {Kind.DATE, Kind.TIME}:
        columns = [column.desc() for column in columns]
    for below in _LEVELS[_LEVELS.index(top) + 1 : _LEVELS.index(level) + 1]:
        columns.append(TABLES[below].c[KEYS[below][-1]])
    return columns
