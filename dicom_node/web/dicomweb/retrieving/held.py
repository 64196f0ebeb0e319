"""What a resource is made of: the objects below it, and whether the client has them.

An entity tag follows from the stored bytes and from what is asked for, so that an
answer that a client has is never sent again (RFC 9110 13.1.2).
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import BinaryIO

from fastapi import Request
from starlette.exceptions import HTTPException

from dicom_node.web.dicomweb.parts import DicomwebParts
from dicom_node.web.dicomweb.resources import checked
from storage.catalog.query import HeldObject, Query, find_objects
from storage.errors import UnknownRecord
from storage.held import Level

_MOST_OBJECTS = 1_000_000
CHUNK_BYTES = 4 << 20


def objects_of(
    parts: DicomwebParts,
    study: str,
    series: str | None = None,
    instance: str | None = None,
) -> list[HeldObject]:
    """Find the objects of a study, a series, or one.

    Raises
    ------
    UnknownRecord
        Nothing of it is held.
    """
    query = Query(Level.INSTANCE, limit=_MOST_OBJECTS).within(
        study_instance_uid=checked(study),
        series_instance_uid=checked(series),
        sop_instance_uid=checked(instance),
    )
    with parts.database.transaction(read_only=True) as tx:
        found = find_objects(tx, query)
    if not found:
        raise UnknownRecord("nothing of that is held")
    return found


def entity_tag(request: Request, held: Sequence[HeldObject]) -> dict[str, str]:
    """Make the headers that let a client keep an answer.

    Raises
    ------
    HTTPException
        304: it has it.
    """
    digest = hashlib.sha256()
    for one in held:
        digest.update(one.sha256.encode())
    for asked in (
        request.url.path,
        request.url.query,
        ",".join(request.headers.getlist("accept")),
    ):
        digest.update(b"\0" + asked.encode())
    tag = f'W/"{digest.hexdigest()[:32]}"'
    headers = {"ETag": tag, "Vary": "Accept", "Cache-Control": "private, no-cache"}
    known = request.headers.get("if-none-match", "")
    if known.strip() == "*" or tag in (one.strip() for one in known.split(",")):
        raise HTTPException(HTTPStatus.NOT_MODIFIED, headers=headers)
    return headers


def pieces(stream: BinaryIO) -> Iterator[bytes]:
    """Read a file to its end, and close it."""
    with stream:
        while piece := stream.read(CHUNK_BYTES):
            yield piece


@contextmanager
def opened(parts: DicomwebParts, held: HeldObject) -> Iterator[BinaryIO]:
    """Open an object; raises ObjectMissing."""
    with parts.store.open(held.object_key) as stream:
        yield stream
