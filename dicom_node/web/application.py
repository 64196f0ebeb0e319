"""The HTTP application: what every face shares, and the faces mounted on it."""

import logging
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from dicom_node import __version__
from dicom_node.errors import DatasetInvalid
from dicom_node.web import problems
from dicom_node.web.auth.access import Access
from dicom_node.web.auth.guard import Guard
from dicom_node.web.auth.headers import SecurityHeaders
from dicom_node.web.connections import NO_UPLOADS, Uploads
from dicom_node.web.door import Door

logger = logging.getLogger(__name__)

OPEN_HERE = Access()
"""Nobody is known, and nobody is asked."""

DOCUMENT = "/api/v1/openapi.json"
_REFUSALS = {
    *problems.STATUS.values(),
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.LENGTH_REQUIRED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.MISDIRECTED_REQUEST,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
}
"""How any request may end that is not answered."""

AsPage = Callable[[Request, HTTPStatus, str], Response | None]
"""Says a refusal as a page, where one is asked for."""


def create_app(
    faces: Iterable[APIRouter],
    access: Access = OPEN_HERE,
    hosts: Sequence[str] = (),
    uploads: Uploads = NO_UPLOADS,
    as_page: AsPage | None = None,
) -> FastAPI:
    """Build the application.

    Parameters
    ----------
    faces
        The routes of each face.
    access
        By what it is known who asks.
    hosts
        Names by which this node may be called.
    uploads
        Where bodies may be long.
    as_page
        Says refusals to people; without it everybody gets problem details.
    """
    app = FastAPI(
        title="CXR Node",
        version=__version__,
        openapi_url=DOCUMENT,
        docs_url=None,
        redoc_url=None,
    )
    app.state.as_page = as_page
    app.state.is_stopping = False
    # Each is around those before it: the door knows nobody's keys, and every answer
    # has its headers.
    app.add_middleware(Guard, access=access)
    app.add_middleware(Door, hosts=hosts, uploads=uploads)
    app.add_middleware(SecurityHeaders)
    for error in problems.STATUS:
        app.add_exception_handler(error, _known)
    app.add_exception_handler(DatasetInvalid, _unreadable)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(HTTPException, _http_refusal)
    app.add_exception_handler(Exception, _bug)
    for face in faces:
        app.include_router(face, responses=problems.described(sorted(_REFUSALS)))
    return app


def _page(request: Request, status: HTTPStatus, text: str) -> Response | None:
    """Say a refusal to a person, if one asks."""
    as_page: AsPage | None = request.app.state.as_page
    return as_page(request, status, text) if as_page else None


def _said(request: Request, status: HTTPStatus, text: str) -> Response:
    """Say a refusal in the form that whoever asks can read."""
    return _page(request, status, text) or problems.problem(status, text)


async def _known(request: Request, error: Exception) -> Response:
    """Answer a request that ended with one of our own errors."""
    page = _page(request, problems.status_of(error), str(error))
    return page or problems.refusal_of(error)


async def _http_refusal(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses, and what a client has already."""
    if (
        isinstance(error, HTTPException)
        and error.status_code == HTTPStatus.NOT_MODIFIED
    ):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=error.headers)
    code = error.status_code if isinstance(error, HTTPException) else 500
    status = HTTPStatus(code)
    said = error.detail if isinstance(error, HTTPException) else status.phrase
    text = status.description or status.phrase if said == status.phrase else said
    return _said(request, status, text)


async def _unreadable(request: Request, error: Exception) -> Response:
    """Say of a stored object that it can be given as it is, and not looked into."""
    del error
    text = "The object cannot be read; it is to be had as it is stored."
    return _said(request, HTTPStatus.NOT_ACCEPTABLE, text)


async def _bug(request: Request, error: Exception) -> Response:
    """Answer what nobody foresaw: the interface's outermost edge."""
    logger.error(
        "A request failed: %s %s.",
        request.method,
        request.scope["route"].path if "route" in request.scope else "?",
        exc_info=error,
        extra={"action": "http"},
    )
    text = "Something unforeseen happened; the log has the details."
    return _said(request, HTTPStatus.INTERNAL_SERVER_ERROR, text)


async def _bad_request(request: Request, error: Exception) -> Response:
    """Name the parameter; its value may be a patient's and is not repeated."""
    details = error.errors() if isinstance(error, RequestValidationError) else ()
    texts = [f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in details]
    return _said(request, HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(texts))
