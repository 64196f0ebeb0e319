"""Middleware that lets a request pass when whoever asks may have what it asks for."""

from http import HTTPStatus
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dicom_node.web.auth.access import (
    Access,
    principal_of,
    session_token,
)
from dicom_node.web.auth.csrf import is_forged
from dicom_node.web.auth.permissions import Need, Openness, needed
from dicom_node.web.auth.principal import Principal
from dicom_node.web.problems import problem, refusal_of
from storage.errors import StorageError


class Guard:
    """Asks who asks, and looks into the table; bodies go by untouched.

    Parameters
    ----------
    app
        Who answers those that may.
    access
        By what they are known.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer why not."""
        if scope["type"] in ("http", "websocket"):
            refusal = await self._refusal(scope)
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _refusal(self, scope: Scope) -> Response | None:
        request = HTTPConnection(scope)
        method, path = scope.get("method", "GET"), scope["path"]
        state = scope.setdefault("state", {})
        state["principal"] = None
        by_cookie = session_token(request) is not None
        if is_forged(method, request.headers, by_cookie=by_cookie):
            text = "The page that asks does not come from this node."
            return problem(HTTPStatus.FORBIDDEN, text)
        need = needed(method, path)
        if need is Openness.ANYONE:
            return None
        try:
            principal = await run_in_threadpool(principal_of, request, self._access)
        except StorageError as error:
            return refusal_of(error)
        state["principal"] = principal
        if principal is None:
            return _unknown(request)
        return _denied(scope, principal, need)


def _unknown(request: HTTPConnection) -> Response:
    """Ask who it is: people by a page, programs by a status."""
    is_page = request.scope.get("method") == "GET" and "text/html" in (
        request.headers.get("accept", "")
    )
    if is_page:
        query = request.url.query
        wanted = request.url.path + (f"?{query}" if query else "")
        place = f"/login?next={quote(wanted, safe='')}"
        return RedirectResponse(place, HTTPStatus.SEE_OTHER)
    refusal = problem(HTTPStatus.UNAUTHORIZED, "An API key is needed.")
    refusal.headers["WWW-Authenticate"] = "Bearer"
    return refusal


def _denied(scope: Scope, principal: Principal, need: Need) -> Response | None:
    """Refuse what a role may not, and what is in no row of the table."""
    if isinstance(need, Openness):
        status = HTTPStatus.NOT_FOUND
        return _said(scope, status, status.description)
    if principal.role >= need:
        return None
    text = f"The role {principal.role.word} is not enough: {need.word} is needed."
    return _said(scope, HTTPStatus.FORBIDDEN, text)


def _said(scope: Scope, status: HTTPStatus, text: str) -> Response:
    """Say a refusal in the form that whoever asks can read."""
    as_page = getattr(scope["app"].state, "as_page", None)
    page: Response | None = None
    if as_page is not None and scope["type"] == "http":
        page = as_page(Request(scope), status, text)
    return page or problem(status, text)
