"""What an earlier version holds is found once its headers are read."""

from contextlib import closing

from sqlalchemy import delete, update

from dicom_node.node.roles import Role
from dicom_node.phantom.dataset import synthetic_dataset
from dicom_node.worklist.describing import describe_held
from storage.catalog.matching import matching_of
from storage.catalog.query import Key, Query, find
from storage.database import Database
from storage.held import (
    Kind,
    Level,
    held_instance,
    held_item,
    held_series,
    held_study,
)
from storage.objects.files import FileObjectStore
from tests.factories.nodes import save, scripted_node, send, settings

NAMED = Query(
    Level.INSTANCE, (Key(("PatientName",), matching_of(Kind.NAME, "phantom*")),)
)


def test_headers_of_the_past_are_read(tmp_path):
    film = synthetic_dataset("CR", 1, rows=64, columns=64)
    with scripted_node(settings(tmp_path / "data"), Role.RECEIVE) as node:
        send(node, save(film, tmp_path))
    store = FileObjectStore(tmp_path / "data")
    with closing(Database(f"sqlite:///{tmp_path / 'data' / 'node.db'}")) as database:
        with database.transaction() as tx:
            tx.execute(delete(held_item))
            bare = {"is_described": False, "attributes": "{}"}
            for table in (held_study, held_series, held_instance):
                tx.execute(update(table).values(bare))
            tx.execute(update(held_study).values(patient_name=""))
        with database.transaction(read_only=True) as tx:
            assert find(tx, NAMED).matches == []
        assert describe_held(store, database) == 1
        assert describe_held(store, database) == 0
        with database.transaction(read_only=True) as tx:
            (match,) = find(tx, NAMED).matches
    assert match.held.sop_instance_uid == film.SOPInstanceUID
    assert '"00100010"' in match.attributes[Level.STUDY]


def test_an_object_that_cannot_be_read_stops_nothing(tmp_path):
    film = synthetic_dataset("CR", 1, rows=64, columns=64)
    with scripted_node(settings(tmp_path / "data"), Role.RECEIVE) as node:
        send(node, save(film, tmp_path))
    store = FileObjectStore(tmp_path / "data")
    with closing(Database(f"sqlite:///{tmp_path / 'data' / 'node.db'}")) as database:
        with database.transaction() as tx:
            tx.execute(update(held_instance).values(is_described=False))
            (match,) = find(tx, NAMED).matches
        store.delete(match.held.object_key)
        assert describe_held(store, database) == 0
