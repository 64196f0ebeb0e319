"""Where the resources of the service are: addresses and UIDs in them."""

import re
from typing import overload

from fastapi import Request

from dicom_node.web.dicomweb.parts import PREFIX
from dicom_node.web.dicomweb.search_parameters import refused

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_UID_LENGTH = 64


def root_of(request: Request) -> str:
    """Say under which address the client asks."""
    return f"{str(request.base_url).rstrip('/')}{PREFIX}"


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
