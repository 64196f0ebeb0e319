"""One way to open a transaction, on SQLite and on PostgreSQL.

``with database.transaction() as tx:`` is one commit, durable when the block ends:
SQLite runs in WAL mode with ``synchronous=FULL``, and a writer takes its lock at
BEGIN, so that it never fails half-way for want of it.
"""

import contextlib
import functools
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    CursorResult,
    Engine,
    Executable,
    QueuePool,
    Table,
    create_engine,
    event,
    exc,
    make_url,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

from storage import schema_version
from storage.embedded import begin, prepare_connection
from storage.errors import (
    DatabaseUnavailable,
    DatabaseUnfit,
    SchemaOutdated,
    StoreFull,
)
from storage.signals import (
    CHANNEL,
    Board,
    Follower,
    Topic,
    Watch,
    follow_postgresql,
    follow_sqlite,
)

logger = logging.getLogger(__name__)
_MIGRATION_LOCK = 0x435852  # any number that nobody else locks; "CXR"
_LAST_LOCK = 0x435845
_TURN_LOCK = 0x435854
_POSTGRESQL_DISK_FULL = "53100"
_SQLITE_FULL = 13
_IN_MEMORY = (None, "", ":memory:")
_POOL = 16
# Readers and writers have a connection each; a follower takes one from outside, and
# whoever takes turns with other hosts another.
_POOL_OPTIONS: dict[str, Any] = {"pool_size": _POOL, "max_overflow": _POOL + 2}
# The functions of this package build their statements once where they run often:
# SQLAlchemy takes longer to make a statement than SQLite to run it.
_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_SESSION_LOCK = text("SELECT pg_advisory_lock(:key)")
_PATIENCE = text("SELECT set_config('lock_timeout', :wait, false)")
_TURN_S = 120
_ENCODING = text("SHOW server_encoding")
_NOW = text("SELECT clock_timestamp()")
_COUNT_SIGNAL = text(
    "INSERT INTO signal (topic, count) VALUES (:topic, 1)"
    " ON CONFLICT (topic) DO UPDATE SET count = count + 1 RETURNING count"
)


class Transaction:
    """A database transaction in progress; the functions of this package take it."""

    __slots__ = ("_connection", "_last", "_topics")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._topics: set[Topic] = set()
        self._last: dict[Executable, list[dict[str, Any]]] = {}

    @property
    def dialect(self) -> str:
        """The kind of database: ``sqlite`` or ``postgresql``."""
        return self._connection.dialect.name

    def execute(
        self, statement: Executable, rows: Any = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """Run one statement, once or for each of the rows."""
        return self._connection.execute(statement, rows)

    def execute_last(self, statement: Executable, row: dict[str, Any]) -> None:
        """Run a statement at the very end, in the order of all commits.

        Transactions take turns from there to their commit, as writers on SQLite do
        anyway: rows so inserted are numbered in the order in which they are seen.
        """
        self._last.setdefault(statement, []).append(row)

    def finish(self) -> None:
        """Run what was left for the end; nothing else is waited for after it."""
        if self._last and self.dialect == "postgresql":
            self.execute(_LOCK, {"key": _LAST_LOCK})
        for statement, rows in self._last.items():
            self.execute(statement, rows)

    def insert_new(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """Give an INSERT that leaves alone the rows that are there already."""
        return _insert_new(table, self.dialect)

    def announce(self, topic: Topic) -> None:
        """Let watchers know, when this transaction is committed."""
        self._topics.add(topic)

    def publish(self, board: Board) -> Callable[[], None]:
        """Write the announcements down; the result posts them after the commit."""
        if not self._topics:
            return lambda: None
        topics = sorted(self._topics)
        if self.dialect == "sqlite":
            counts = {str(topic): self._count(topic) for topic in topics}
            return lambda: board.post_counts(counts)
        for topic in topics:
            self.execute(
                text("SELECT pg_notify(:channel, :payload)"),
                {"channel": CHANNEL, "payload": f"{board.sender}:{topic}"},
            )
        return lambda: board.post(topics)

    def _count(self, topic: Topic) -> int:
        return int(self.execute(_COUNT_SIGNAL, {"topic": str(topic)}).scalar_one())


class Database:
    """The rows, behind one kind of transaction.

    Parameters
    ----------
    url
        ``sqlite:///path`` (a file) or ``postgresql+psycopg://…``.
    data_version_poll_s
        How often a watch asks SQLite whether another process committed.
    busy_timeout_s
        How long a writer waits for the others.

    Raises
    ------
    DatabaseUnfit
        The URL cannot be read.
    """

    def __init__(
        self,
        url: str,
        *,
        data_version_poll_s: float = 0.02,
        busy_timeout_s: float = 15.0,
    ) -> None:
        self._url = _read_url(url)
        self.dialect = self._url.get_backend_name()
        self._poll_s = data_version_poll_s
        self._busy_timeout_s = busy_timeout_s
        self._engine = self._create_engine()
        self._reader = self._engine.execution_options(
            read_only=True, **self._read_only_options()
        )
        self._board = Board()
        self._follower: Follower | None = None
        self._follower_lock = threading.Lock()
        # SQLite's own waiting is a sleep that grows; inside one process its
        # writers queue here instead.
        self._writers = threading.Semaphore(1 if self.dialect == "sqlite" else _POOL)
        self._readers = threading.Semaphore(_POOL)
        self._thread = threading.local()

    @contextlib.contextmanager
    def transaction(self, *, read_only: bool = False) -> Iterator[Transaction]:
        """Open a transaction: committed when the block ends, else rolled back.

        Parameters
        ----------
        read_only
            Promise not to write; such a transaction never waits for writers.

        Raises
        ------
        DatabaseUnavailable
            The database did not answer, or stayed locked too long.
        StoreFull
            The disk of the database is full.
        """
        engine = self._reader if read_only else self._engine
        with self._turn(read_only=read_only), _translated():
            with engine.begin() as connection:
                tx = Transaction(connection)
                yield tx
                tx.finish()
                post = tx.publish(self._board)
            post()

    def watch(self, *topics: Topic) -> Watch:
        """Watch for announcements, on all topics unless some are named."""
        with self._follower_lock:
            if self._follower is None:
                self._follower = self._create_follower()
                self._follower.start()
        return Watch(self._board, topics or tuple(Topic))

    def migrate(self, to: str = "head") -> None:
        """Bring the schema to the version this code needs; processes take turns.

        Parameters
        ----------
        to
            Another version, for tests of upgrades.

        Raises
        ------
        SchemaOutdated
            The schema is newer than this version of the code.
        DatabaseUnfit
            It is no UTF8 database.
        """
        self._check_encoding()
        with self.transaction() as tx:
            connection = tx._connection  # noqa: SLF001  the other half of this module
            if self.dialect == "postgresql":
                tx.execute(_LOCK, {"key": _MIGRATION_LOCK})
            schema_version.upgrade(connection, to)

    def check_schema(self) -> None:
        """Compare the schema with what this version of the code needs.

        Raises
        ------
        SchemaOutdated
            They differ.
        DatabaseUnfit
            It is no UTF8 database.
        """
        self._check_encoding()
        head = schema_version.needed()
        with self.transaction(read_only=True) as tx:
            connection = tx._connection  # noqa: SLF001  the other half of this module
            current = schema_version.current(connection)
        if current != head:
            raise SchemaOutdated(
                f"the database schema is {current or 'empty'}, needed is {head}"
            )

    @contextlib.contextmanager
    def taking_turns(self) -> Iterator[None]:
        """Let one process of all that share the database into a block at a time.

        On a connection of its own, so that transactions may run in the block. The
        embedded database has one machine's processes, which have locks of their own.

        Raises
        ------
        DatabaseUnavailable
            The database did not answer, or the others took too long.
        """
        if self.dialect != "postgresql":
            yield
            return
        with contextlib.ExitStack() as held:
            with _translated():
                connection = held.enter_context(self._engine.connect())
                # Of the session, so that no transaction stays open meanwhile.
                connection.execution_options(isolation_level="AUTOCOMMIT")
                connection.execute(_PATIENCE, {"wait": f"{_TURN_S}s"})
                connection.execute(_SESSION_LOCK, {"key": _TURN_LOCK})
            # Closed and not given back: the lock and its patience end with it.
            held.callback(connection.invalidate)
            yield

    def server_time(self) -> datetime | None:
        """Tell the time by the server's clock; ``None`` where there is no server."""
        if self.dialect != "postgresql":
            return None
        with self.transaction(read_only=True) as tx:
            now: datetime = tx.execute(_NOW).scalar_one()
        return now.astimezone(UTC)

    def _check_encoding(self) -> None:
        """Look whether names in any alphabet can be kept; SQLite always can."""
        if self.dialect != "postgresql":
            return
        try:
            with self.transaction(read_only=True) as tx:
                encoding = str(tx.execute(_ENCODING).scalar_one())
        except exc.ProgrammingError as error:  # the driver does not know an option
            words = " ".join(str(error.orig).split())
            raise DatabaseUnfit(f"the database's URL cannot be used: {words}") from None
        if encoding != "UTF8":
            raise DatabaseUnfit(
                f"the database has the encoding {encoding}: make it anew with"
                " ENCODING 'UTF8'"
            )

    def close(self) -> None:
        """Stop watching and close every connection."""
        with self._follower_lock:
            if self._follower is not None:
                self._follower.stop()
                self._follower = None
        self._engine.dispose()

    @contextlib.contextmanager
    def _turn(self, *, read_only: bool) -> Iterator[None]:
        """Wait for this thread's turn; it cannot wait for itself."""
        if getattr(self._thread, "busy", False):
            raise RuntimeError("a transaction is open in this thread already")
        queue = self._readers if read_only else self._writers
        if not queue.acquire(timeout=self._busy_timeout_s):
            raise DatabaseUnavailable("other writers kept the database busy")
        self._thread.busy = True
        try:
            yield
        finally:
            self._thread.busy = False
            queue.release()

    def _create_engine(self) -> Engine:
        if self.dialect == "postgresql":
            return create_engine(
                self._url,
                pool_pre_ping=True,
                # Whatever PGCLIENTENCODING says.
                connect_args={"client_encoding": "utf8"},
                **_POOL_OPTIONS,
            )
        if self.dialect != "sqlite" or self._url.database in _IN_MEMORY:
            raise ValueError("the database must be a SQLite file or PostgreSQL")
        Path(str(self._url.database)).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(
            self._url,
            poolclass=QueuePool,
            **_POOL_OPTIONS,
            connect_args={
                "timeout": self._busy_timeout_s,
                "check_same_thread": False,
                "isolation_level": None,
            },
        )
        event.listen(engine, "connect", prepare_connection)
        event.listen(engine, "begin", begin)
        return engine

    def _read_only_options(self) -> dict[str, Any]:
        return {"postgresql_readonly": True} if self.dialect == "postgresql" else {}

    def _create_follower(self) -> Follower:
        listen = follow_sqlite(self._poll_s)
        if self.dialect == "postgresql":
            listen = follow_postgresql
        driver: Any = self._engine.dialect.loaded_dbapi
        lost = (driver.Error, exc.SQLAlchemyError, OSError)
        return Follower(self._board, self._connect, listen, lost=lost)

    def _connect(self) -> Any:
        """Open a driver connection outside the pool, in autocommit mode."""
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()
        if self.dialect == "postgresql":
            connection.autocommit = True
        return connection


def _read_url(url: str) -> URL:
    """Read a URL; an error does not repeat it, for it may hold a password."""
    try:
        return make_url(url)
    except (exc.ArgumentError, ValueError):
        raise DatabaseUnfit("the database's URL cannot be read") from None


@functools.cache
def _insert_new(table: Table, dialect: str) -> sqlite.Insert | postgresql.Insert:
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    return insert(table).on_conflict_do_nothing()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn the driver's errors into this package's; messages name no values."""
    try:
        yield
    except (exc.IntegrityError, exc.ProgrammingError, exc.DataError):
        raise
    except exc.DBAPIError as error:
        if _is_full(error.orig):
            raise StoreFull("no space left for the database") from error
        # The server's words come on several lines.
        words = " ".join(str(error.orig).split())
        raise DatabaseUnavailable(f"the database failed: {words}") from error
    except sqlite3.Error as error:
        raise DatabaseUnavailable(f"the database failed: {error}") from error
    except exc.TimeoutError as error:
        raise DatabaseUnavailable("no connection to the database is free") from error


def _is_full(error: BaseException | None) -> bool:
    return (
        getattr(error, "sqlite_errorcode", None) == _SQLITE_FULL
        or getattr(error, "sqlstate", None) == _POSTGRESQL_DISK_FULL
    )
