"""API keys: who may use the HTTP interface."""

import hmac
from collections.abc import Sequence
from http import HTTPStatus

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from dicom_node.web.problems import problem

OPEN = ("/health/live", "/health/ready")
"""Orchestrators ask without a key; the answers hold nothing about patients."""


class ApiKeys:
    """Middleware that asks for ``Authorization: Bearer <key>``, of WebSockets too.

    Parameters
    ----------
    app
        Who answers those that have one.
    keys
        Accepted keys; none means that nobody is asked.
    """

    def __init__(self, app: ASGIApp, keys: Sequence[str]) -> None:
        self._app = app
        self._keys = tuple(key.encode() for key in keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer 401; bodies go by untouched."""
        asks = self._keys and scope["type"] in ("http", "websocket")
        if asks and not self._admits(HTTPConnection(scope)):
            refusal = problem(HTTPStatus.UNAUTHORIZED, "An API key is needed.")
            refusal.headers["WWW-Authenticate"] = "Bearer"
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _admits(self, request: HTTPConnection) -> bool:
        return request.url.path in OPEN or self._knows(request)

    def _knows(self, request: HTTPConnection) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        offered = given.strip().encode()
        # Every key is compared, each in constant time: timing tells nothing.
        matches = [hmac.compare_digest(offered, key) for key in self._keys]
        return scheme.lower() == "bearer" and any(matches)
