"""What HTTP connections may cost: how many there are, and how long one may ask."""

import asyncio
import logging
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from dicom_node.web.handshake import PEER

logger = logging.getLogger(__name__)
MAXIMUM_HEADER_BYTES = 32 * 1024
_ASKING = (h11.IDLE, h11.SEND_BODY)
_NOT_ANSWERED = (h11.IDLE, h11.SEND_RESPONSE)


_LEAST_BYTES_PER_S = 1024
"""A long body is given time as it comes, but not for less."""


@dataclass(frozen=True, slots=True)
class Uploads:
    """Where bodies are long, and read as they come.

    Parameters
    ----------
    paths
        To these, and to what is below them, objects are posted.
    most_bytes
        Of one body.
    """

    paths: tuple[str, ...]
    most_bytes: int

    def has(self, method: str, path: str) -> bool:
        """Tell whether a request is one of them."""
        return method == "POST" and any(
            path == one or path.startswith(f"{one}/") for one in self.paths
        )


NO_UPLOADS = Uploads((), 0)


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What clients may cost before anybody knows who they are.

    Parameters
    ----------
    connections, connections_per_address
        At the same time, in all and from one address; further ones are closed.
    request_s
        From a request's first byte, or the connection, to the request's end.
    uploads
        Requests that get this time again and again while enough of them comes.
    """

    connections: int
    connections_per_address: int
    request_s: float
    uploads: Uploads = NO_UPLOADS


class _Counts:
    """The connections that are open, by address; a TLS handshake is one, too."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._open: Counter[str] = Counter()
        self._counting = threading.Lock()

    def take(self, address: str) -> bool:
        limits = self._limits
        with self._counting:
            if (
                self._open.total() >= limits.connections
                or self._open[address] >= limits.connections_per_address
            ):
                return False
            self._open[address] += 1
            return True

    def give_back(self, address: str) -> None:
        with self._counting:
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]


class _Counted(socket.socket):
    """A connection that is counted until it is closed."""

    def __init__(self, connection: socket.socket, closed: Callable[[], None]) -> None:
        self._when_closed = closed
        super().__init__(fileno=connection.detach())

    def close(self) -> None:
        """Close the connection; its place is free."""
        closed, self._when_closed = self._when_closed, _nothing
        super().close()
        closed()


class LimitedListener(socket.socket):
    """A listening socket that closes connections beyond the limits at once."""

    def __init__(self, address: tuple[str, int], limits: HttpLimits) -> None:
        self._counts = _Counts(limits)
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        bound = socket.create_server(address, family=family)
        super().__init__(fileno=bound.detach())

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept the next connection that is within the limits.

        Raises
        ------
        BlockingIOError
            It was not; the next may be.
        """
        connection, client = super().accept()
        address = str(client[0])
        if not self._counts.take(address):
            connection.close()
            logger.warning(
                "Closed an HTTP connection from %s: too many.",
                address,
                extra={"action": "reject"},
            )
            raise BlockingIOError
        PEER.set(address)
        return _Counted(connection, lambda: self._counts.give_back(address)), client


class TimedConnection(H11Protocol):
    """A connection on which a request has to be complete in time.

    Parameters
    ----------
    request_s
        From its first byte, or from the connection, to its end.
    uploads
        Requests that have it anew with every piece of a decent size.
    options
        uvicorn's.
    """

    def __init__(self, request_s: float, uploads: Uploads, **options: Any) -> None:
        super().__init__(**options)
        self._request_s = request_s
        self._uploads = uploads
        self._timer: asyncio.TimerHandle | None = None
        self._piece_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request; the last one ends the waiting."""
        self._wait()
        super().data_received(data)
        is_another_protocols = self.transport.get_protocol() is not self
        if is_another_protocols or self.conn.their_state not in _ASKING:
            self._rest()
        elif self._is_upload():
            self._piece_bytes += len(data)
            if self._piece_bytes >= self._request_s * _LEAST_BYTES_PER_S:
                self._rest()
                self._wait()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, and nothing after that.

        An application that is answering the same request would answer into a
        connection that takes no answer any more.
        """
        cycle: Any = self.cycle  # there is none before the first request
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        if self.conn.our_state in _NOT_ANSWERED:
            super().send_400_response(msg)
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._rest()
        super().connection_lost(exc)

    def _is_upload(self) -> bool:
        # uvicorn sets it with the first request, and says that it is always there
        asked: Mapping[str, Any] | None = self.scope
        if asked is None:
            return False
        return self._uploads.has(asked["method"], asked["path"])

    def _wait(self) -> None:
        if self._timer is None:
            self._piece_bytes = 0
            self._timer = self.loop.call_later(self._request_s, self._end)

    def _end(self) -> None:
        self._timer = None
        if self.flow.read_paused and self._is_upload():
            self._wait()  # it is the node that takes its time
        else:
            self.transport.abort()

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _nothing() -> None:
    """Do nothing: it was done."""
