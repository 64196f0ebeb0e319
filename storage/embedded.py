"""What SQLite is told on each connection and at each BEGIN, and how it is copied."""

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from storage.errors import DatabaseUnavailable

_WAL_RETRY_S = 0.01
_WAL_LIMIT_BYTES = 64 << 20  # what a burst left is given back to the disk


def prepare_connection(connection: sqlite3.Connection, _record: object) -> None:
    """Make a new connection as durable as SQLite gets."""
    _turn_on_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")


def _turn_on_wal(connection: sqlite3.Connection) -> None:
    """Set a new database's journal mode; SQLite itself does not wait for its turn.

    Where two want the same lock for it, one is told at once that the database is
    locked, whatever its busy timeout. By the next try the other has done it.
    """
    (timeout_ms,) = connection.execute("PRAGMA busy_timeout").fetchone()
    deadline = time.monotonic() + timeout_ms / 1000
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
            if mode != "wal":
                connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(_WAL_RETRY_S)
        else:
            return


def begin(connection: Connection) -> None:
    """Begin a transaction; a writer takes its lock at once."""
    read_only = bool(connection.get_execution_options().get("read_only", False))
    # Straight to the driver: SQLAlchemy's own way costs more than the statements.
    driver: Any = connection.connection.driver_connection
    driver.execute(f"PRAGMA query_only = {read_only:d}")
    driver.execute("BEGIN DEFERRED" if read_only else "BEGIN IMMEDIATE")


def copy_database(source: Path, target: Path) -> None:
    """Copy a database that others may be writing to, as it is at one moment.

    Raises
    ------
    DatabaseUnavailable
        It cannot be read, or the copy cannot be written.
    """
    fresh = target.with_name(f"{target.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        with (
            contextlib.closing(sqlite3.connect(source)) as original,
            contextlib.closing(sqlite3.connect(fresh)) as copy,
        ):
            original.backup(copy)
            (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            # One file, without its log, can be moved by any program.
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        fresh.unlink(missing_ok=True)
        raise DatabaseUnavailable(f"the database was not copied: {error}") from error
    if found != "ok":
        fresh.unlink(missing_ok=True)
        raise DatabaseUnavailable(f"the database is damaged: {found}")
    fresh.replace(target)
