"""Opening, migrating and losing a database, on both kinds."""

import contextlib
import sqlite3
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text

from storage.database import Database
from storage.errors import DatabaseUnavailable, SchemaOutdated, StoreFull
from storage.records import ProcedureStepState
from storage.schema import metadata
from storage.signals import Topic
from storage.worklist import jobs
from tests.factories.rows import receive
from tests.peers.postgres import run_statement


def test_migrations_make_exactly_the_schema_of_the_code(empty_database_url):
    database = Database(empty_database_url)
    database.migrate()
    database.close()
    engine = create_engine(empty_database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_an_empty_database_is_refused_until_it_is_migrated(empty_database_url):
    database = Database(empty_database_url)
    with pytest.raises(SchemaOutdated, match="empty"):
        database.check_schema()
    database.migrate()
    database.check_schema()
    database.close()


def test_migrating_again_keeps_the_rows(database):
    receive(database, 1)
    database.migrate()
    with database.transaction(read_only=True) as tx:
        rows = tx.execute(text("SELECT count(*) FROM workitem")).scalar_one()
    assert rows == 1


def test_processes_that_start_together_migrate_once(empty_database_url):
    together = threading.Barrier(3, timeout=180)
    failures = []

    def start() -> None:
        database = Database(empty_database_url, busy_timeout_s=180)
        together.wait()
        try:
            database.migrate()
            database.check_schema()
        except Exception as error:  # noqa: BLE001 - told to the main thread
            failures.append(error)
        database.close()

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.fixture
def held_by_another(tmp_path):
    """A new SQLite file that somebody else is writing to, and its URL."""
    path = tmp_path / "held.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE foreign_rows (number INTEGER)")
    other.execute("BEGIN IMMEDIATE")
    yield f"sqlite:///{path}", other
    other.close()


def test_a_new_file_that_is_being_written_is_waited_for(held_by_another):
    url, other = held_by_another
    release = threading.Timer(0.3, other.rollback)
    release.start()
    database = Database(url, busy_timeout_s=60)
    with database.transaction(read_only=True) as tx:
        mode = tx.execute(text("PRAGMA journal_mode")).scalar_one()
    release.join()
    database.close()
    assert mode == "wal"


def test_a_new_file_that_stays_locked_is_given_up(held_by_another):
    url, _ = held_by_another
    database = Database(url, busy_timeout_s=0.2)
    with pytest.raises(DatabaseUnavailable, match="locked"), database.transaction():
        pass
    database.close()


def test_a_schema_from_the_future_is_left_alone(empty_database_url):
    database = Database(empty_database_url)
    database.migrate()
    with database.transaction() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaOutdated, match="newer"):
        database.migrate()
    with pytest.raises(SchemaOutdated, match="9999"):
        database.check_schema()
    database.close()


def test_a_transaction_inside_another_is_refused(database):
    with (
        database.transaction(),
        pytest.raises(RuntimeError, match="open in this thread"),
        database.transaction(),
    ):
        pass


def test_a_read_only_transaction_cannot_write(database):
    with pytest.raises(DatabaseUnavailable), database.transaction(read_only=True) as tx:
        tx.execute(text("DELETE FROM signal"))


def test_sqlite_is_as_durable_as_it_gets(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/new/node.db")
    database.migrate()
    with database.transaction() as tx:
        pragmas = {
            name: tx.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    database.close()


def test_a_database_locked_for_too_long_is_unavailable(tmp_path):
    url = f"sqlite:///{tmp_path}/node.db"
    database = Database(url, busy_timeout_s=0.05)
    database.migrate()
    other = sqlite3.connect(tmp_path / "node.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable), database.transaction():
        pass
    other.execute("ROLLBACK")
    other.close()
    receive(database, 1)
    database.close()


def test_a_thread_that_waits_too_long_for_its_turn_gives_up(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/node.db", busy_timeout_s=0.05)
    database.migrate()
    refused = []

    def write() -> None:
        try:
            receive(database, 1)
        except DatabaseUnavailable as error:
            refused.append(error)

    with database.transaction():
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert len(refused) == 1
    database.close()


def test_a_file_that_is_no_database_is_unavailable(tmp_path):
    (tmp_path / "node.db").write_text("<html>no database</html>" * 100)
    database = Database(f"sqlite:///{tmp_path}/node.db")
    with pytest.raises(DatabaseUnavailable):
        database.check_schema()
    database.close()


def test_a_server_that_is_not_there_is_unavailable(free_port):
    database = Database(f"postgresql+psycopg://cxr@127.0.0.1:{free_port}/cxr")
    with pytest.raises(DatabaseUnavailable), database.transaction():
        pass
    database.close()


def test_a_full_disk_is_told_as_such_and_survived(small_disk):
    database = Database(f"sqlite:///{small_disk}/node.db")
    database.migrate()
    receive(database, 1)
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(4096))
    with pytest.raises(StoreFull):
        receive(database, *range(2, 200))
    ballast.unlink()
    with database.transaction(read_only=True) as tx:
        assert jobs.counts(tx)[ProcedureStepState.SCHEDULED] == 1
    receive(database, *range(2, 5))
    database.close()


def test_work_goes_on_after_the_server_cut_every_connection(migrated_postgres_url):
    database = Database(migrated_postgres_url)
    watch = database.watch(Topic.WORK)
    receive(database, 1)
    assert watch.wait(180)
    run_statement(
        migrated_postgres_url,
        "SELECT pg_terminate_backend(pid, 180000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    with database.transaction() as tx:
        assert jobs.counts(tx)[ProcedureStepState.SCHEDULED] == 1
    # The follower cannot know what it missed while it was cut off.
    assert watch.wait(180)
    database.close()
    run_statement(migrated_postgres_url, "TRUNCATE instance CASCADE")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://x/y"])
def test_only_a_sqlite_file_or_postgresql_will_do(url):
    with pytest.raises(ValueError, match="SQLite file or PostgreSQL"):
        Database(url)
