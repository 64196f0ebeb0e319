"""Metadata and bulk data (DICOM PS3.18 10.4, metadata and bulk data)."""

from collections.abc import Iterator, Sequence
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from dicom_node.dataset.forms.metadata import bulk_value, metadata
from dicom_node.dataset.forms.whole import read_before_pixels, read_whole
from dicom_node.errors import DatasetInvalid
from dicom_node.web.dicomweb import multipart_out
from dicom_node.web.dicomweb.accept import (
    DICOM_JSON,
    DICOM_XML,
    OCTETS,
    MediaRange,
    not_acceptable,
    preferred,
    ranges,
)
from dicom_node.web.dicomweb.multipart_out import Part
from dicom_node.web.dicomweb.parts import PREFIX, DicomwebParts
from dicom_node.web.dicomweb.resources import root_of
from dicom_node.web.dicomweb.retrieving.frames import frames_of_objects
from dicom_node.web.dicomweb.retrieving.held import entity_tag, objects_of, opened
from dicom_node.web.dicomweb.searching.answers import Attributes, address, written
from storage.catalog.query import HeldObject
from storage.errors import ObjectMissing

_MEDIA_TYPES = (DICOM_JSON, "application/json", DICOM_XML)
_PIXELS = "7FE00010"


def metadata_and_bulk(parts: DicomwebParts) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix=PREFIX, include_in_schema=False)

    @router.get("/studies/{study}/metadata")
    def of_study(request: Request, study: str) -> Response:
        return _metadata(parts, request, objects_of(parts, study))

    @router.get("/studies/{study}/series/{series}/metadata")
    def of_series(request: Request, study: str, series: str) -> Response:
        return _metadata(parts, request, objects_of(parts, study, series))

    @router.get("/studies/{study}/series/{series}/instances/{instance}/metadata")
    def of_instance(
        request: Request, study: str, series: str, instance: str
    ) -> Response:
        return _metadata(parts, request, objects_of(parts, study, series, instance))

    @router.get(
        "/studies/{study}/series/{series}/instances/{instance}/bulkdata/{way:path}"
    )
    def bulk(
        request: Request, study: str, series: str, instance: str, way: str
    ) -> Response:
        held = objects_of(parts, study, series, instance)
        return _bulk(parts, request, held[0], way.strip("/"))

    return router


def _metadata(
    parts: DicomwebParts, request: Request, held: Sequence[HeldObject]
) -> Response:
    media_type = preferred(request, _MEDIA_TYPES)
    headers = entity_tag(request, held)
    answer = written(list(_read(parts, held, root_of(request))), media_type)
    answer.headers.update(headers)
    return answer


def _read(
    parts: DicomwebParts, held: Sequence[HeldObject], root: str
) -> Iterator[Attributes]:
    for one in held:
        place = address(
            root, one.study_instance_uid, one.series_instance_uid, one.sop_instance_uid
        )

        def at(way: Sequence[str], place: str = place) -> str:
            return f"{place}/bulkdata/{'/'.join(way)}"

        try:
            with opened(parts, one) as stream:
                yield metadata(*read_before_pixels(stream), at)
        except (DatasetInvalid, ObjectMissing):
            if len(held) == 1:
                raise


def _bulk(
    parts: DicomwebParts, request: Request, held: HeldObject, way: str
) -> Response:
    if way.upper() == _PIXELS:
        return _pixels(parts, request, held)
    headers = entity_tag(request, [held])
    with opened(parts, held) as stream:
        found = bulk_value(read_whole(stream), way.split("/"))
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There are no such bulk data.")
    for one in ranges(request):
        if one.takes(OCTETS):
            if one.media_type == OCTETS:
                return Response(found, HTTPStatus.OK, headers, OCTETS)
            return multipart_out.response([Part(OCTETS, found)], OCTETS, headers)
    raise not_acceptable([OCTETS])


def _pixels(parts: DicomwebParts, request: Request, held: HeldObject) -> Response:
    for one in ranges(request):
        answer = frames_of_objects(parts, request, [held], _as_parts(one))
        if answer is not None:
            return answer
    raise not_acceptable([OCTETS])


def _as_parts(wanted: MediaRange) -> MediaRange:
    """Take a single media type for parts of it: pixel data are frames."""
    if wanted.is_multipart:
        return wanted
    given = {**wanted.parameters, "type": wanted.media_type}
    return MediaRange("multipart/related", given, wanted.quality)
