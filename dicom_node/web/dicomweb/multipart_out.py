"""Parts on their way out: ``multipart/related``, written as it is sent.

RFC 2387; DICOM PS3.18 8.7.1. Nothing is gathered before it goes.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import Response
from starlette.responses import StreamingResponse


@dataclass(frozen=True, slots=True)
class Part:
    """One part.

    Parameters
    ----------
    media_type
        With its parameters.
    content
        All of it, or piece by piece.
    location
        Where this very part may be had.
    """

    media_type: str
    content: bytes | Iterable[bytes]
    location: str = ""


def response(
    parts: Iterable[Part],
    media_type: str,
    headers: Mapping[str, str] | None = None,
    *,
    transfer_syntax: str = "",
) -> Response:
    """Answer with parts.

    Parameters
    ----------
    parts
        Taken one after the other as they are sent.
    media_type
        Of the parts.
    transfer_syntax
        UID, where it is one for all parts.
    """
    boundary = uuid.uuid4().hex
    kind = f'multipart/related; type="{media_type}"; boundary={boundary}'
    if transfer_syntax:
        kind += f"; transfer-syntax={transfer_syntax}"
    return StreamingResponse(
        _written(parts, boundary.encode()),
        HTTPStatus.OK,
        dict(headers or {}) | {"Content-Type": kind},
    )


def _written(parts: Iterable[Part], boundary: bytes) -> Iterator[bytes]:
    """Write the parts; what stands around them goes out with their first piece."""
    before = b""
    for part in parts:
        head = f"Content-Type: {part.media_type}\r\n"
        if part.location:
            head += f"Content-Location: {part.location}\r\n"
        before += b"--" + boundary + b"\r\n" + head.encode("ascii", "replace") + b"\r\n"
        whole = (part.content,) if isinstance(part.content, bytes) else part.content
        for piece in whole:
            yield before + piece
            before = b""
        before += b"\r\n"
    yield before + b"--" + boundary + b"--\r\n"
