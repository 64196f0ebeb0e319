"""Where the resources of the service are: addresses and UIDs in them."""

import re
from http import HTTPStatus
from typing import overload

from fastapi import Request
from starlette.exceptions import HTTPException

from dicom_node.web.dicomweb.parts import PREFIX

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_UID_LENGTH = 64


def root_of(request: Request) -> str:
    """Say under which address the client asks.

    Some clients name the host and leave the port out; where that host is the very
    address that they are connected to, there is no proxy that could know better.
    """
    base = request.base_url
    here = request.scope.get("server") or ("", None)
    if base.port is None and base.hostname in {here[0], "localhost"} and here[1]:
        base = base.replace(port=here[1])
    return f"{str(base).rstrip('/')}{PREFIX}"


@overload
def checked(uid: str) -> str: ...
@overload
def checked(uid: None) -> None: ...
@overload
def checked(uid: str | None) -> str | None: ...


def checked(uid: str | None) -> str | None:
    """Let a UID pass.

    Raises
    ------
    HTTPException
        400, for what is none (PS3.5 9.1).
    """
    if uid is not None and not (len(uid) <= _UID_LENGTH and _UID.fullmatch(uid)):
        raise refused("A UID in the address is none")
    return uid


def refused(sentence: str) -> HTTPException:
    """Make the refusal of a request that is malformed."""
    return HTTPException(HTTPStatus.BAD_REQUEST, f"{sentence}.")
