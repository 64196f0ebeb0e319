"""What SQLite is told on each connection and at each BEGIN."""

import sqlite3
import time
from typing import Any

from sqlalchemy import Connection

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
