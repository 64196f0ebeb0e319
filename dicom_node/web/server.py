"""Runs the HTTP application in a thread of its own, on a socket bound beforehand."""

import socket
import ssl
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from dicom_node.web.connections import (
    MAXIMUM_HEADER_BYTES,
    HttpLimits,
    LimitedListener,
    TimedConnection,
)
from dicom_node.web.handshake import NewestContext

if TYPE_CHECKING:
    import asyncio

START_S = 10.0
_LAST_WORDS_S = 2.0
_UNREAD_MESSAGES = 4


@dataclass(frozen=True, slots=True)
class HttpAddress:
    """Where to listen, and the context of a server, when clients talk TLS."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    proxies: tuple[str, ...] = ("127.0.0.1",)
    """Networks from where it is believed for whom somebody asks, and how."""


class _Connected:
    """Remembers who is connected, before it is heard for whom."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        scope.setdefault("state", {})["peer"] = client[0] if client else ""
        await self._app(scope, receive, send)


class _Server(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


class HttpServer:
    """Start and stop of the HTTP listener.

    Parameters
    ----------
    app
        What answers.
    address
        Where.
    limits
        What clients may cost.
    """

    def __init__(self, app: FastAPI, address: HttpAddress, limits: HttpLimits) -> None:
        self.app = app
        self._address = address
        self._limits = limits
        self._tls = NewestContext(address.tls) if address.tls else None
        self._server = _Server(_config(_told(app, address), self._tls, limits))
        self._thread: threading.Thread | None = None
        self._socket: socket.socket | None = None

    def start(self) -> int:
        """Listen; return the port.

        Raises
        ------
        OSError
            The address cannot be bound.
        """
        address = self._address
        self._socket = LimitedListener((address.host, address.port), self._limits)
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._socket]},
            name="http",
            daemon=True,
        )
        self._thread.start()
        self._server.ready.wait(START_S)
        return int(self._socket.getsockname()[1])

    @property
    def listening(self) -> bool:
        """Whether requests are answered."""
        alive = self._thread is not None and self._thread.is_alive()
        return alive and not self._server.should_exit

    def exchange(self, tls: ssl.SSLContext | None) -> None:
        """Let the next handshakes be made by another context; open ones go on."""
        if self._tls is not None and tls is not None:
            self._tls.newest = tls

    def stop(self, drain_s: float) -> None:
        """Finish the requests under way, then stop listening."""
        # Answers that never end look at it.
        self.app.state.is_stopping = True
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(drain_s)
            # Else what is not finished is broken off: the socket is that loop's.
            self._server.force_exit = True
            self._thread.join(_LAST_WORDS_S)
        if self._socket is not None:
            self._socket.close()


def _told(app: FastAPI, address: HttpAddress) -> ASGIApp:
    """Let the application hear of the proxies' clients in place of the proxies."""
    believing = ProxyHeadersMiddleware(app, list(address.proxies))  # type: ignore[arg-type]
    return _Connected(cast("ASGIApp", believing))


def _config(
    app: ASGIApp, tls: ssl.SSLContext | None, limits: HttpLimits
) -> uvicorn.Config:
    connection = partial(TimedConnection, limits.request_s, limits.uploads)
    # The access log is off: query strings may hold a patient's ID.
    config = uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", connection),  # it is only called
        h11_max_incomplete_event_size=MAXIMUM_HEADER_BYTES,
        # Subscribers listen; what they say is not read.
        ws_max_size=MAXIMUM_HEADER_BYTES,
        ws_max_queue=_UNREAD_MESSAGES,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # they are read already
        server_header=False,
        lifespan="off",
    )
    config.load()
    config.ssl = tls
    return config
