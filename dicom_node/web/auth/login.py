"""``/login`` and ``/logout``: the form, what it is sent to, and another's word."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from dicom_node.web.auth import signing_in
from dicom_node.web.auth.access import Access, is_from_here, is_safe
from dicom_node.web.auth.attempts import LoginAttempts
from dicom_node.web.auth.login_page import TEXTS, local_path, login_page
from dicom_node.web.auth.oidc import OidcLogin, OidcRefused
from dicom_node.web.auth.passwords import TooBusy
from dicom_node.web.auth.principal import Principal

Wanted = Annotated[str, Query(alias="next", max_length=2000)]
_FLOW_COOKIE = "cxr_oidc"
_FLOW_S = 600


def login(
    access: Access,
    attempts: LoginAttempts,
    oidc: OidcLogin | None = None,
    sheets: Sequence[str] = (),
) -> APIRouter:
    """Make the routes.

    Parameters
    ----------
    access
        By what people are known afterwards.
    attempts
        How often somebody has tried.
    oidc
        Who else says who it is, if anybody.
    sheets
        Addresses of the style sheets.
    """
    router = APIRouter(include_in_schema=False)
    form = _LoginForm(access, attempts, oidc.name if oidc else None, sheets)

    @router.get("/login")
    def ask(request: Request, wanted: Wanted = "/") -> HTMLResponse:
        notice = "" if _is_private(request) else TEXTS["plain"]
        return form.page(wanted, notice, HTTPStatus.OK)

    @router.post("/login")
    def sign_in(
        request: Request,
        name: Annotated[str, Form(max_length=200)],
        password: Annotated[str, Form(max_length=1000)],
        wanted: Annotated[str, Form(alias="next", max_length=2000)] = "/",
    ) -> Response:
        return form.answer(request, (name, password), wanted)

    @router.post("/logout")
    def sign_out(request: Request) -> Response:
        response = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
        signing_in.end_session(request, response, access)
        return response

    if oidc is not None:
        router.include_router(_elsewhere(access, oidc, sheets))
    return router


@dataclass(frozen=True, slots=True)
class _LoginForm:
    """The form, and what is answered to what is sent in it."""

    access: Access
    attempts: LoginAttempts
    provider: str | None
    sheets: Sequence[str]

    def page(self, wanted: str, notice: str, status: HTTPStatus) -> HTMLResponse:
        text = login_page(local_path(wanted), notice, self.provider, self.sheets)
        return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})

    def answer(self, request: Request, given: tuple[str, str], wanted: str) -> Response:
        if not _is_private(request):
            return self.page(wanted, TEXTS["plain"], HTTPStatus.FORBIDDEN)
        try:
            who = self._known(request, given)
        except signing_in.TooManyTries as refusal:
            return self._wait(wanted, refusal.wait_s)
        except TooBusy:
            busy = HTTPStatus.SERVICE_UNAVAILABLE
            return self.page(wanted, TEXTS["busy"], busy)
        if who is None:
            signing_in.tell_refused(request, self.access)
            return self.page(wanted, TEXTS["wrong"], HTTPStatus.UNAUTHORIZED)
        response = RedirectResponse(local_path(wanted), HTTPStatus.SEE_OTHER)
        signing_in.begin_session(request, response, self.access, who)
        return response

    def _known(self, request: Request, given: tuple[str, str]) -> Principal | None:
        database = self.access.database
        if database is None:
            return None
        address = request.client.host if request.client else ""
        return signing_in.known_user(database, self.attempts, given, address)

    def _wait(self, wanted: str, wait_s: float) -> HTMLResponse:
        text = TEXTS["wait"].format(minutes=ceil(wait_s / 60))
        refused = self.page(wanted, text, HTTPStatus.TOO_MANY_REQUESTS)
        refused.headers["Retry-After"] = str(ceil(wait_s))
        return refused


def _elsewhere(access: Access, oidc: OidcLogin, sheets: Sequence[str]) -> APIRouter:
    """Make the routes to an OpenID provider and back."""
    router = APIRouter(prefix="/login/oidc", include_in_schema=False)

    def refused(why: str, status: HTTPStatus) -> HTMLResponse:
        return HTMLResponse(login_page("/", why, oidc.name, sheets), status)

    @router.get("")
    def go(request: Request, wanted: Wanted = "/") -> Response:
        if not _is_private(request):
            return refused(TEXTS["plain"], HTTPStatus.FORBIDDEN)
        try:
            place, flow = oidc.begin(_callback(request), local_path(wanted))
        except OidcRefused as error:
            text = TEXTS["refused"].format(provider=oidc.name, why=error)
            return refused(text, HTTPStatus.BAD_GATEWAY)
        response = RedirectResponse(place, HTTPStatus.SEE_OTHER)
        safe = is_safe(request)
        response.set_cookie(
            _flow_cookie(request),
            flow,
            max_age=_FLOW_S,
            secure=safe,
            httponly=True,
            samesite="lax",
            path="/",
        )
        return response

    @router.get("/callback")
    def come_back(request: Request) -> Response:
        name = _flow_cookie(request)
        flow = request.cookies.get(name, "")
        try:
            who, wanted = oidc.finish(_callback(request), flow, request.query_params)
        except OidcRefused as error:
            text = TEXTS["refused"].format(provider=oidc.name, why=error)
            return refused(text, HTTPStatus.UNAUTHORIZED)
        if who is None:
            text = TEXTS["no_role"].format(provider=oidc.name)
            return refused(text, HTTPStatus.FORBIDDEN)
        response = RedirectResponse(local_path(wanted), HTTPStatus.SEE_OTHER)
        signing_in.begin_session(request, response, access, who)
        response.delete_cookie(name, path="/", secure=is_safe(request), httponly=True)
        return response

    return router


def _flow_cookie(request: Request) -> str:
    return f"__Host-{_FLOW_COOKIE}" if is_safe(request) else _FLOW_COOKIE


def _callback(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}/login/oidc/callback"


def _is_private(request: Request) -> bool:
    """Tell whether a password may be sent, and a cookie: nobody else reads them."""
    return is_safe(request) or is_from_here(request)
