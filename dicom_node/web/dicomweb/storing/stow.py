"""STOW-RS: objects that are stored (DICOM PS3.18 10.5).

A body is taken apart in a thread of its own while it arrives. Each object is on disk
and in the database before the answer says so, as for C-STORE; those that came before a
body broke off are kept, and are told as known when they come again.
"""

from collections.abc import Iterable
from http import HTTPStatus

from anyio import CapacityLimiter, create_task_group, to_thread
from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from dicom_node.web.dicomweb.accept import (
    DICOM,
    DICOM_JSON,
    DICOM_XML,
    MULTIPART,
    parse,
    preferred,
)
from dicom_node.web.dicomweb.parts import PREFIX, DicomwebParts
from dicom_node.web.dicomweb.resources import checked, refused, root_of
from dicom_node.web.dicomweb.storing.arrival import ObjectParts
from dicom_node.web.dicomweb.storing.json_parts import JsonParts
from dicom_node.web.dicomweb.storing.multipart_in import PartReader
from dicom_node.web.dicomweb.storing.outcomes import StoreOutcome, report
from dicom_node.web.dicomweb.storing.pump import Pump
from storage.errors import StoreFull

ANSWERS = (DICOM_JSON, "application/json", DICOM_XML)
ACCEPTED = (DICOM, DICOM_JSON)
"""What parts may be; the second may also be the whole body."""

_AT_ONCE = 16


def stow(parts: DicomwebParts) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix=PREFIX, include_in_schema=False)
    limiter = CapacityLimiter(_AT_ONCE)

    async def store(request: Request, study: str = "") -> Response:
        if study:
            checked(study)
        answer = preferred(request, ANSWERS)
        whole = _Body(parts, request.headers.get("content-type", ""), study)
        pump = Pump()
        outcomes: list[StoreOutcome] = []

        def work() -> None:
            try:
                outcomes.extend(whole.store(pump))
            finally:
                pump.stop_reading()

        try:
            async with create_task_group() as group:
                group.start_soon(pump.fill, request.stream())
                await to_thread.run_sync(work, limiter=limiter)
        except* (HTTPException, StoreFull) as refusals:
            raise refusals.exceptions[0] from None
        except* ConnectionError:
            raise refused("The body broke off") from None
        return report(outcomes, root_of(request), answer)

    router.add_api_route("/studies", store, methods=["POST"])
    router.add_api_route("/studies/{study}", store, methods=["POST"])
    return router


class _Body:
    """What a request says its body is."""

    def __init__(self, parts: DicomwebParts, content_type: str, study: str) -> None:
        media_type, parameters = parse(content_type or "application/octet-stream")
        self._parts = parts
        self._study = study
        self._is_multipart = media_type == MULTIPART
        self._boundary = parameters.get("boundary", "")
        self._type = media_type
        if self._is_multipart:
            self._type = parameters.get("type", DICOM).lower()
        if self._type not in ACCEPTED or (
            self._type == DICOM and not self._is_multipart
        ):
            raise HTTPException(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"Objects are stored as multipart/related of {' or '.join(ACCEPTED)}.",
            )

    def store(self, body: Iterable[bytes]) -> list[StoreOutcome]:
        """Read a body and store what is in it, in a thread."""
        limits, reception = self._parts.limits, self._parts.reception
        kind = ObjectParts if self._type == DICOM else JsonParts
        sink = kind(reception, self._study, limits.object_bytes)
        try:
            self._read(body, sink)
            if isinstance(sink, JsonParts):
                sink.store()
        finally:
            sink.abort()
        outcomes = sink.outcomes
        if not outcomes:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "There is no object to store.")
        return outcomes

    def _read(self, body: Iterable[bytes], sink: ObjectParts | JsonParts) -> None:
        limits = self._parts.limits
        if not self._is_multipart:
            sink.begin({"content-type": DICOM_JSON})
            for piece in body:
                sink.data(memoryview(piece))
            sink.end()
            return
        PartReader(
            self._boundary,
            sink,
            most_parts=limits.parts,
            most_bytes=limits.request_bytes,
        ).read(body)
