"""``/metrics`` for Prometheus: by key, or without one from named addresses."""

import ipaddress
from collections.abc import Callable, Sequence

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from dicom_node.web.problems import problem, status_of
from storage.errors import StorageError

PATH = "/metrics"
_MEDIA_TYPE = "text/plain; version=0.0.4"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def metrics(expose: Callable[[], bytes]) -> APIRouter:
    """Make the route."""
    router = APIRouter(tags=["metrics"])

    @router.get(PATH, response_class=PlainTextResponse)
    def scrape() -> Response:
        """Give every metric in Prometheus' text format."""
        return Response(expose(), media_type=_MEDIA_TYPE)

    return router


class ScrapersEntrance:
    """Middleware that answers named addresses before anybody asks them for a key.

    Parameters
    ----------
    app
        Who answers everybody else, and all that is not ``GET /metrics``.
    expose
        Writes the metrics.
    allow
        Where scrapers call from.
    """

    def __init__(
        self,
        app: ASGIApp,
        expose: Callable[[], bytes],
        allow: Sequence[Network],
    ) -> None:
        self._app = app
        self._expose = expose
        self._allow = tuple(allow)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a scraper, or hand the request on."""
        if not self._is_scraper(scope):
            await self._app(scope, receive, send)
            return
        await (await run_in_threadpool(self._answer))(scope, receive, send)

    def _answer(self) -> Response:
        try:
            return Response(self._expose(), media_type=_MEDIA_TYPE)
        except StorageError as error:
            return problem(status_of(error), str(error))

    def _is_scraper(self, scope: Scope) -> bool:
        asks = scope["type"] == "http" and scope["method"] == "GET"
        if not asks or scope["path"] != PATH or not scope.get("client"):
            return False
        try:
            caller = ipaddress.ip_address(scope["client"][0].split("%", 1)[0])
        except ValueError:
            return False
        plain = getattr(caller, "ipv4_mapped", None) or caller
        return any(plain in network for network in self._allow)
