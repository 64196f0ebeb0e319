"""API keys: who may use the HTTP interface."""

import hmac
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

from fastapi import Request, Response

from dicom_node.web.problems import problem

OPEN = ("/health/live", "/health/ready")
"""Orchestrators ask without a key; the answers hold nothing about patients."""

Next = Callable[[Request], Awaitable[Response]]


class ApiKeys:
    """Middleware that asks for ``Authorization: Bearer <key>``.

    Parameters
    ----------
    keys
        Accepted keys; none means that nobody is asked.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = tuple(key.encode() for key in keys)

    async def __call__(self, request: Request, call_next: Next) -> Response:
        """Let a request pass, or answer 401."""
        if self._keys and request.url.path not in OPEN and not self._knows(request):
            refusal = problem(HTTPStatus.UNAUTHORIZED, "An API key is needed.")
            refusal.headers["WWW-Authenticate"] = "Bearer"
            return refusal
        return await call_next(request)

    def _knows(self, request: Request) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        offered = given.strip().encode()
        # Every key is compared, each in constant time: timing tells nothing.
        matches = [hmac.compare_digest(offered, key) for key in self._keys]
        return scheme.lower() == "bearer" and any(matches)
