"""Which requests are let in at all: addressed to this node, by its own pages, short.

A page of anywhere can make a browser ask a node on its loopback address, by a name that
it lets point there (DNS rebinding) or by a form. Such a request names another host than
this node, or another origin; programs name the host that they were told, and no origin.
"""

import ipaddress
import socket
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from dicom_node.web.connections import (
    MAXIMUM_HEADER_BYTES,
    NO_UPLOADS,
    Uploads,
)
from dicom_node.web.problems import problem

_PROBES = ("/health/live", "/health/ready")
"""Orchestrators ask by whatever address a machine has; nothing is told to anybody."""
MAXIMUM_BODY_BYTES = 1_048_576
_PORTS = {"http": 80, "https": 443}


class Door:
    """Middleware that turns away what is not meant for this node, or too long.

    Parameters
    ----------
    app
        Who answers the others.
    hosts
        Names by which this node may be called, besides its addresses and its own.
    uploads
        Where bodies may be long, and need not say how long they are.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Sequence[str] = (),
        uploads: Uploads = NO_UPLOADS,
    ) -> None:
        self._app = app
        self._uploads = uploads
        own = socket.gethostname().lower()
        self._names = {"localhost", own, own.partition(".")[0]}
        self._names |= {name.lower().rstrip(".") for name in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer why not."""
        asks = scope["type"] in ("http", "websocket")
        refusal = self._refusal(HTTPConnection(scope)) if asks else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await problem(*refusal)(scope, receive, send)

    def _refusal(self, request: HTTPConnection) -> tuple[HTTPStatus, str] | None:
        method = request.scope.get("method", "GET")  # a WebSocket begins as a GET
        is_upload = self._uploads.has(method, request.url.path)
        most = self._uploads.most_bytes if is_upload else MAXIMUM_BODY_BYTES
        if too_long := _too_long(request.headers, most, is_counted=is_upload):
            return too_long
        headers = request.headers
        if request.url.path in _PROBES:
            return None
        host = headers.get("host", "")
        if not self._is_ours(host):
            text = "This node has another name: see http.allowed_hosts."
            return HTTPStatus.MISDIRECTED_REQUEST, text
        origin = headers.get("origin")
        if origin is not None and not _is_same(origin, host):
            text = "The page that asks does not come from this node."
            return HTTPStatus.FORBIDDEN, text
        return None

    def _is_ours(self, host: str) -> bool:
        name = _split(f"//{host}")[0]
        if name in self._names:
            return True
        try:
            # By an address nobody is led astray: only names can be made to point here.
            ipaddress.ip_address(name.partition("%")[0])
        except ValueError:
            return False
        return True


def _too_long(
    headers: Headers, most_bytes: int, *, is_counted: bool
) -> tuple[HTTPStatus, str] | None:
    """Refuse by what is said beforehand; ``is_counted``: whoever reads counts."""
    if sum(map(len, (*headers, *headers.values()))) > MAXIMUM_HEADER_BYTES:
        text = f"Headers have {MAXIMUM_HEADER_BYTES} bytes at most."
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, text
    if "transfer-encoding" in headers and not is_counted:
        return HTTPStatus.LENGTH_REQUIRED, "A body needs a Content-Length."
    length = headers.get("content-length", "0")
    # h11 has read it: there are but digits.
    if len(length) > len(str(most_bytes)) or int(length) > most_bytes:
        text = f"A body has {most_bytes} bytes at most."
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text
    return None


def _is_same(origin: str, host: str) -> bool:
    """Compare a page's origin with the host that it asks.

    A proxy in between may have another scheme towards this node, not another host.
    """
    scheme = origin.partition("://")[0].lower()
    default = _PORTS.get(scheme)
    if default is None:  # "null", or no page of a server
        return False
    there, here = _split(origin), _split(f"//{host}")
    return there[0] == here[0] and (there[1] or default) == (here[1] or default)


def _split(address: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(address)
        return (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return "", None
