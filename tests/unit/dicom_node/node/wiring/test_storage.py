import pytest

from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring import storage as wired
from storage.errors import SchemaOutdated


def settings(folder, **database):
    node = {"data_dir": folder, "minimum_free_bytes": 0}
    return Settings.load(None, {"node": node, "database": database})


def test_the_database_lies_in_the_data_folder_by_default():
    assert wired.database_url(settings("/srv/cxr")) == "sqlite:////srv/cxr/node.db"
    assert str(wired.embedded_file(settings("/srv/cxr"))) == "/srv/cxr/node.db"


def test_a_database_of_a_server_has_no_file():
    there = settings("/srv/cxr", url="postgresql+psycopg://cxr@db/cxr")
    assert wired.database_url(there) == "postgresql+psycopg://cxr@db/cxr"
    assert wired.embedded_file(there) is None


def test_a_database_that_no_node_has_made_is_not_made_by_looking(tmp_path):
    there = settings(tmp_path)
    with (
        pytest.raises(SchemaOutdated, match=r"node\.db: no database"),
        wired.opened_database(there),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_embedded_database_is_brought_to_the_current_schema(tmp_path):
    wired.ready_database(settings(tmp_path)).close()
    with wired.opened_database(settings(tmp_path)) as database:
        database.check_schema()
