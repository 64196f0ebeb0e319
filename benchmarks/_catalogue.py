"""Fills a database with the rows of as many received images as a benchmark needs.

Four images in two series make a study; names, dates and identifiers differ as a
hospital's do. Indexes are made when the rows are there, which is faster.
"""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Index, Table
from sqlalchemy.schema import CreateIndex, DropIndex

from storage.database import Database
from storage.held import held_instance, held_series, held_study
from storage.schema import instance

SERIES_OF_STUDY, INSTANCES_OF_SERIES = 2, 2
INSTANCES_OF_STUDY = SERIES_OF_STUDY * INSTANCES_OF_SERIES
_STUDIES_AT_ONCE = 2500
_BEGINNING = datetime(2016, 1, 1, tzinfo=UTC)
_CR = "1.2.840.10008.5.1.4.1.1.1"
_EXPLICIT = "1.2.840.10008.1.2.1"
_FAMILIES = ("abel", "bauer", "costa", "diaz", "evans", "fuchs", "garcia", "huber")
_ROOT = "1.2.826.0.1.3680043.10.511.3"

Rows = dict[Table, list[dict[str, Any]]]


def fill(database: Database, instances: int) -> None:
    """Add so many received images to an empty database."""
    tables = (held_study, held_series, held_instance, instance)
    indexes = [index for table in tables for index in table.indexes]
    with database.transaction() as tx:
        for index in indexes:
            tx.execute(DropIndex(index))
    studies = range(-(-instances // INSTANCES_OF_STUDY))
    for first in range(0, len(studies), _STUDIES_AT_ONCE):
        rows: Rows = {table: [] for table in tables}
        for number in studies[first : first + _STUDIES_AT_ONCE]:
            _add_study(rows, number)
        with database.transaction() as tx:
            for table, new in rows.items():
                tx.execute(table.insert(), new)
    for index in _ordered(indexes):
        with database.transaction() as tx:
            tx.execute(CreateIndex(index))


def study_uid(number: int) -> str:
    """Name a study."""
    return f"{_ROOT}.{number}"


def patient_id(number: int) -> str:
    """Name the patient of a study; every third study is a second one."""
    return f"PAT{number - (number % 3 == 1):08d}"


def study_date(number: int) -> str:
    """Date a study: a hundred a day."""
    return f"{_BEGINNING + timedelta(days=number // 100):%Y%m%d}"


def _ordered(indexes: list[Index]) -> Iterator[Index]:
    return iter(sorted(indexes, key=lambda index: str(index.name)))


def _add_study(rows: Rows, number: int) -> None:
    chance = random.Random(number)  # noqa: S311  the same rows every time
    uid, patient = study_uid(number), patient_id(number)
    name = f"{chance.choice(_FAMILIES)}{number % 5000}^{chance.choice('abcdefgh')}"
    said = {
        "patient_id": patient,
        "patient_name": name,
        "patient_birth_date": f"{1930 + number % 80}0101",
        "patient_sex": "FM"[number % 2],
        "study_date": study_date(number),
        "study_time": f"{number % 24:02d}0000.000000",
        "accession_number": f"ACC{number:08d}",
        "study_description": "Chest PA",
    }
    rows[held_study].append(
        {
            "study_instance_uid": uid,
            "attributes": _json(
                {
                    "00080020": ("DA", said["study_date"]),
                    "00080050": ("SH", said["accession_number"]),
                    "00100010": ("PN", {"Alphabetic": name}),
                    "00100020": ("LO", patient),
                }
            ),
            "is_described": True,
        }
        | said
    )
    for series in range(SERIES_OF_STUDY):
        _add_series(rows, number, series, said)


def _add_series(rows: Rows, number: int, series: int, said: dict[str, str]) -> None:
    uid = f"{study_uid(number)}.{series}"
    modality = ("CR", "DX")[series]
    rows[held_series].append(
        {
            "study_instance_uid": study_uid(number),
            "series_instance_uid": uid,
            "modality": modality,
            "series_number": str(series),
            "body_part_examined": "CHEST",
            "attributes": _json({"00080060": ("CS", modality)}),
            "is_described": True,
        }
    )
    for place in range(INSTANCES_OF_SERIES):
        key = (number * SERIES_OF_STUDY + series) * INSTANCES_OF_SERIES + place
        common = {
            "sop_instance_uid": f"{uid}.{place}",
            "series_instance_uid": uid,
            "study_instance_uid": study_uid(number),
            "sop_class_uid": _CR,
            "transfer_syntax_uid": _EXPLICIT,
            "object_key": f"{key % 256:02x}/{key:064x}",
            "size_bytes": 2_000_000,
            "sha256": f"{key:064x}",
        }
        rows[held_instance].append(
            common
            | {
                "instance_number": str(place),
                "content_date": said["study_date"],
                "attributes": _json({"00200013": ("IS", place)}),
                "is_described": True,
            }
        )
        rows[instance].append(
            common
            | {
                "received_at": _BEGINNING + timedelta(seconds=key),
                "calling_ae": "MODALITY",
                "patient_id": said["patient_id"],
                "accession_number": said["accession_number"],
                "modality": modality,
                "not_eligible_code": "TOO_SMALL",
                "not_eligible_text": "made by a benchmark",
            }
        )


def _json(values: dict[str, tuple[str, Any]]) -> str:
    return json.dumps(
        {tag: {"vr": vr, "Value": [value]} for tag, (vr, value) in values.items()}
    )
