"""How a worker learns of new work without asking the database all the time.

An announcement made in a transaction is heard after its commit: in the same process
at once, in others by following SQLite's ``data_version`` or PostgreSQL's ``NOTIFY``.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, Protocol

logger = logging.getLogger(__name__)
_NOTIFY_TIMEOUT_S = 0.5
_READY_TIMEOUT_S = 5.0
CHANNEL = "cxr_node"


class Topic(StrEnum):
    """What there may be news about."""

    WORK = "work"
    """A Workitem may be claimed."""
    DELIVERY = "delivery"
    """A row of the outbox may be sent."""
    STEP = "step"
    """A pushed Workitem is new, changed, or to be canceled."""
    REPORT = "report"
    """An event report waits for its subscriber."""


class Board:
    """Where announcements are posted inside this process."""

    def __init__(self) -> None:
        self.sender = uuid.uuid4().hex
        self._changed = threading.Condition()
        self._posts = dict.fromkeys(Topic, 0)
        self._counts: dict[str, int] = dict.fromkeys(Topic, 0)

    def post(self, topics: Iterable[Topic]) -> None:
        """Wake everybody who watches one of the topics."""
        with self._changed:
            for topic in topics:
                self._posts[topic] += 1
            self._changed.notify_all()

    def post_counts(self, counts: Mapping[str, int]) -> None:
        """Post the topics whose count in the database has grown."""
        with self._changed:
            for topic in Topic:
                if counts.get(topic, 0) > self._counts[topic]:
                    self._counts[topic] = counts[topic]
                    self._posts[topic] += 1
            self._changed.notify_all()

    def wake(self) -> None:
        """Let every watch look whether its own flag is set."""
        with self._changed:
            self._changed.notify_all()

    def seen(self, topics: Iterable[Topic]) -> int:
        """Count the posts on these topics so far."""
        return sum(self._posts[topic] for topic in topics)

    def wait(self, predicate: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until the predicate holds; it is asked after every post."""
        with self._changed:
            return self._changed.wait_for(predicate, timeout_s)


class Watch:
    """One listener's view of the board; nothing posted since it was made is missed."""

    def __init__(self, board: Board, topics: tuple[Topic, ...]) -> None:
        self._board = board
        self._topics = topics
        self._seen = board.seen(topics)
        self._notified = False

    def wait(self, timeout_s: float) -> bool:
        """Wait for news since the last call.

        Returns
        -------
        bool
            ``False`` when the time ran out without any.
        """
        news = self._board.wait(self._has_news, timeout_s)
        self._seen = self._board.seen(self._topics)
        self._notified = False
        return news

    def notify(self) -> None:
        """End this watch's wait, the present or the next one."""
        self._notified = True
        self._board.wake()

    def _has_news(self) -> bool:
        return self._notified or self._board.seen(self._topics) != self._seen


class Connection(Protocol):
    """What a follower needs of a driver's own connection."""

    def execute(self, statement: str) -> Any:
        """Run one statement."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Follower:
    """A thread that hears what other processes announce.

    Parameters
    ----------
    board
        Where it posts what it hears.
    connect
        Opens a driver connection of its own, in autocommit mode.
    listen
        Follows that connection until the event is set: :func:`follow_sqlite` or
        :func:`follow_postgresql`. It calls its last argument once it would miss
        nothing any more.
    lost
        What the driver raises when it loses the database.
    reconnect_s
        How long to leave a database alone that cut the connection.
    """

    def __init__(
        self,
        board: Board,
        connect: Callable[[], Connection],
        listen: "Listen",
        *,
        lost: tuple[type[Exception], ...],
        reconnect_s: float = 1.0,
    ) -> None:
        self._lost = lost
        self._reconnect_s = reconnect_s
        self._board = board
        self._connect = connect
        self._listen = listen
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._told = False
        self._thread = threading.Thread(
            target=self._run, name="database-follower", daemon=True
        )

    def start(self) -> None:
        """Start following; returns when nothing is missed any more."""
        self._thread.start()
        self._ready.wait(_READY_TIMEOUT_S)

    def stop(self) -> None:
        """Stop the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except self._lost as error:
                # One line for an outage, however often it tries meanwhile.
                if not self._told:
                    logger.warning(
                        "Lost the database while watching for work: %s.",
                        type(error).__name__,
                        extra={"action": "watch"},
                    )
                self._told = True
                self._stop.wait(self._reconnect_s)

    def _follow(self) -> None:
        connection = self._connect()
        try:
            self._listen(connection, self._board, self._stop, self._is_ready)
        finally:
            connection.close()

    def _is_ready(self) -> None:
        # Something may have been announced while there was no connection; who starts
        # to watch later takes no notice of this.
        self._board.post(Topic)
        self._ready.set()
        self._told = False


Listen = Callable[[Any, Board, threading.Event, Callable[[], None]], None]


def follow_sqlite(poll_s: float) -> Listen:
    """Make a listener that polls SQLite's ``data_version``, which is nearly free."""

    def listen(
        connection: Any, board: Board, stop: threading.Event, ready: Callable[[], None]
    ) -> None:
        version: int | None = None
        while not stop.is_set():
            (now,) = connection.execute("PRAGMA data_version").fetchone()
            if now != version:
                rows = connection.execute("SELECT topic, count FROM signal")
                board.post_counts(dict(rows.fetchall()))
                if version is None:
                    ready()
                version = now
            stop.wait(poll_s)

    return listen


def follow_postgresql(
    connection: Any, board: Board, stop: threading.Event, ready: Callable[[], None]
) -> None:
    """Listen to the NOTIFY of other processes."""
    connection.execute(f"LISTEN {CHANNEL}")
    ready()
    while not stop.is_set():
        for notice in connection.notifies(timeout=_NOTIFY_TIMEOUT_S):
            sender, _, topic = notice.payload.partition(":")
            if sender != board.sender and topic in set(Topic):
                board.post([Topic(topic)])
            if stop.is_set():
                break
