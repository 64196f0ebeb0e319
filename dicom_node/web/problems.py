"""Error -> HTTP status, and the body that says so (RFC 9457 problem details)."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse

from storage import errors as storage

_MEDIA_TYPE = "application/problem+json"
_TYPES = "urn:cxr-node:problem:"
_WORDS = re.compile(r"(?<!^)(?=[A-Z])")

STATUS: Mapping[type[Exception], HTTPStatus] = {
    storage.StoreFull: HTTPStatus.INSUFFICIENT_STORAGE,
    storage.ObjectMissing: HTTPStatus.GONE,
    storage.UnknownRecord: HTTPStatus.NOT_FOUND,
    storage.CursorInvalid: HTTPStatus.BAD_REQUEST,
    storage.QueryInvalid: HTTPStatus.BAD_REQUEST,
    storage.RecordExists: HTTPStatus.CONFLICT,
    storage.TransitionRefused: HTTPStatus.CONFLICT,
    storage.StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    storage.DatabaseUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""Everything that can end a request; any other error is a bug and answers 500."""


_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}


def described(statuses: Iterable[HTTPStatus]) -> dict[int | str, dict[str, Any]]:
    """Describe refusals for the OpenAPI document."""
    content = {_MEDIA_TYPE: {"schema": _PROBLEM}}
    return {
        status.value: {"description": status.phrase, "content": content}
        for status in statuses
    }


def status_of(error: Exception) -> HTTPStatus:
    """Find the status of the nearest class in the table."""
    for kind in type(error).__mro__:
        if status := STATUS.get(kind):
            return status
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem(status: HTTPStatus, detail: str, kind: str | None = None) -> JSONResponse:
    """Build the body of a refusal.

    Parameters
    ----------
    status
        Of HTTP.
    detail
        What is wrong, and what to do about it.
    kind
        The last part of its type, which programs may rely on; else the status's.
    """
    name = kind or status.name.lower().replace("_", "-")
    return JSONResponse(
        {
            "type": f"{_TYPES}{name}",
            "title": status.phrase,
            "status": status.value,
            "detail": detail,
        },
        status_code=status.value,
        media_type=_MEDIA_TYPE,
    )


def refusal_of(error: Exception) -> JSONResponse:
    """Build the body of a refusal by one of our own errors."""
    kinds = (kind for kind in type(error).__mro__ if kind in STATUS)
    named = next(kinds, type(error)).__name__
    return problem(status_of(error), str(error), _WORDS.sub("-", named).lower())
