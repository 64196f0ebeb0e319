"""The rows of what is held: they come and go in the transaction that does so.

The first object of a study speaks for its patient and study, the first of a series for
the series; the last one takes their rows along.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Table, bindparam, delete, exists, select, text, update

from storage.database import Transaction
from storage.descriptions import Description, Entity
from storage.held import (
    ATTRIBUTES,
    IS_BARE,
    ITEM_ATTRIBUTES,
    KEYS,
    TABLES,
    Level,
    column_of,
    held_instance,
    held_item,
    held_series,
    held_study,
)
from storage.objects.protocol import StoredObject
from storage.records import Evidence, Instance

_LOCK = 0x435846  # beside the database's own
_SHARE = text("SELECT pg_advisory_xact_lock_shared(:key)")
_EXCLUDE = text("SELECT pg_advisory_xact_lock(:key)")
_COLUMNS: Mapping[Level, Mapping[str, str]] = {
    level: {
        keyword: column_of(keyword)
        for keyword, attribute in ATTRIBUTES.items()
        if attribute.level is level and column_of(keyword) not in KEYS[level]
    }
    for level in Level
}
_DESCRIBE = {
    level: table.update()
    .where(
        *(table.c[key] == bindparam(f"of_{key}") for key in KEYS[level]),
        ~table.c.is_described,
    )
    .returning(table.c.is_described)
    for level, table in TABLES.items()
}
_WHERE = select(held_instance.c.study_instance_uid, held_instance.c.series_instance_uid)
_BARE = (
    select(held_instance.c.sop_instance_uid, held_instance.c.object_key)
    .where(IS_BARE)
    .where(held_instance.c.sop_instance_uid > bindparam("after"))
    .order_by(held_instance.c.sop_instance_uid)
    .limit(bindparam("limit"))
)


def hold(tx: Transaction, one: Instance | Evidence) -> None:
    """Let an object be found, from the end of this transaction on."""
    _take_part(tx, _SHARE)
    known = one.description or _bare(one)
    described = one.description is not None
    study, series = one.study_instance_uid, one.series_instance_uid
    keys: Mapping[Level, dict[str, Any]] = {
        Level.STUDY: {"study_instance_uid": study},
        Level.SERIES: {"study_instance_uid": study, "series_instance_uid": series},
        Level.INSTANCE: {
            "sop_instance_uid": one.sop_instance_uid,
            "series_instance_uid": series,
            "study_instance_uid": study,
            "transfer_syntax_uid": known.transfer_syntax_uid,
            "object_key": one.object_key,
            "size_bytes": one.size_bytes,
            "sha256": one.sha256,
        },
    }
    for level, entity in _entities(known):
        row = keys[level] | _values(level, entity) | {"is_described": described}
        added = tx.execute(tx.insert_new(TABLES[level]), row).rowcount
        if added and entity.items:
            _add_items(tx, row[KEYS[level][-1]], entity)


def describe(tx: Transaction, sop_instance_uid: str, known: Description) -> None:
    """Say of an object what its header says, where nobody has said it yet."""
    place = _place(tx, sop_instance_uid)
    if place is None:
        return
    keys = {"sop_instance_uid": sop_instance_uid} | place
    for level, entity in _entities(known):
        row = _values(level, entity) | {"is_described": True}
        if level is Level.INSTANCE:
            row["transfer_syntax_uid"] = known.transfer_syntax_uid
        wanted = {f"of_{key}": keys[key] for key in KEYS[level]}
        changed = tx.execute(_DESCRIBE[level].values(row), wanted).first()
        if changed is not None and entity.items:
            _add_items(tx, keys[KEYS[level][-1]], entity)


def bare(tx: Transaction, after: str, *, limit: int) -> list[tuple[str, str]]:
    """List objects that nobody has described: SOP Instance UID and object key."""
    found = tx.execute(_BARE, {"after": after, "limit": limit})
    return [(uid, key) for uid, key in found]


def move(tx: Transaction, sop_instance_uid: str, stored: StoredObject) -> None:
    """Say where the bytes of an object lie from now on."""
    tx.execute(
        update(held_instance)
        .where(held_instance.c.sop_instance_uid == sop_instance_uid)
        .values(
            object_key=stored.key, size_bytes=stored.size_bytes, sha256=stored.sha256
        )
    )


def let_go(tx: Transaction, sop_instance_uid: str) -> None:
    """Let an object be found no more; the last one takes its series and study along."""
    _take_part(tx, _EXCLUDE)
    place = _place(tx, sop_instance_uid)
    if place is None:
        return
    study, series = place["study_instance_uid"], place["series_instance_uid"]
    _remove(tx, held_instance, sop_instance_uid=sop_instance_uid)
    in_series = (
        held_instance.c.study_instance_uid == study,
        held_instance.c.series_instance_uid == series,
    )
    if not _is_any(tx, held_instance, *in_series):
        _remove(tx, held_series, study_instance_uid=study, series_instance_uid=series)
    if not _is_any(tx, held_series, held_series.c.study_instance_uid == study):
        _remove(tx, held_study, study_instance_uid=study)


def _entities(known: Description) -> Iterable[tuple[Level, Entity]]:
    return (
        (Level.STUDY, known.study),
        (Level.SERIES, known.series),
        (Level.INSTANCE, known.instance),
    )


def _bare(one: Instance | Evidence) -> Description:
    """Say what is known of an object whose header nobody has read for a search."""
    study, series, syntax = {}, {}, ""
    if isinstance(one, Instance):
        syntax, series = one.transfer_syntax_uid, {"Modality": one.modality}
        study = {
            "PatientID": one.patient_id,
            "IssuerOfPatientID": one.issuer_of_patient_id,
            "AccessionNumber": one.accession_number,
        }
    instance = Entity({"SOPClassUID": one.sop_class_uid})
    return Description(Entity(study), Entity(series), instance, syntax)


def _values(level: Level, entity: Entity) -> dict[str, Any]:
    row: dict[str, Any] = {
        column: entity.values.get(keyword, "")
        for keyword, column in _COLUMNS[level].items()
    }
    if level is Level.STUDY:
        forms = row["patient_name"].split("=")
        row["patient_name"] = forms[0]
        row["patient_name_otherwise"] = "=".join(forms[1:])
    row["attributes"] = entity.attributes
    return row


def _add_items(tx: Transaction, owner_uid: str, entity: Entity) -> None:
    rows = [
        {
            "owner_uid": owner_uid,
            "sequence": one.sequence,
            "item": one.item,
            "keyword": one.keyword,
            "value": one.value,
        }
        for one in entity.items
        if (one.sequence, one.keyword) in ITEM_ATTRIBUTES
    ]
    if rows:
        tx.execute(tx.insert_new(held_item), rows)


def _place(tx: Transaction, sop_instance_uid: str) -> dict[str, str] | None:
    found = tx.execute(
        _WHERE.where(held_instance.c.sop_instance_uid == sop_instance_uid)
    ).first()
    if found is None:
        return None
    return {"study_instance_uid": found[0], "series_instance_uid": found[1]}


def _remove(tx: Transaction, table: Table, **key: str) -> None:
    """Remove a row, and the values of its sequences."""
    tx.execute(delete(table).where(*(table.c[name] == key[name] for name in key)))
    owner = list(key.values())[-1]
    tx.execute(delete(held_item).where(held_item.c.owner_uid == owner))


def _is_any(tx: Transaction, table: Table, *conditions: Any) -> bool:
    asked = select(exists(select(table).where(*conditions)))
    return bool(tx.execute(asked).scalar())


def _take_part(tx: Transaction, lock: Any) -> None:
    """Let nobody remove a study on PostgreSQL while somebody adds to it.

    SQLite's writers take turns anyway.
    """
    if tx.dialect == "postgresql":
        tx.execute(lock, {"key": _LOCK})
