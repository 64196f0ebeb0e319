"""WADO-URI: one object by query parameters, for viewers of old (DICOM PS3.18 9)."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from pydicom.uid import ExplicitVRLittleEndian
from starlette.responses import StreamingResponse

from dicom_node.dataset.forms.whole import read_whole
from dicom_node.errors import PixelsUndecodable
from dicom_node.web.dicomweb.accept import DICOM, not_acceptable, parse
from dicom_node.web.dicomweb.parts import PREFIX, DicomwebParts
from dicom_node.web.dicomweb.resources import refused
from dicom_node.web.dicomweb.retrieving.frames import frame_numbers
from dicom_node.web.dicomweb.retrieving.held import entity_tag, objects_of, opened
from dicom_node.web.dicomweb.retrieving.objects import STORED, content_of
from dicom_node.web.dicomweb.retrieving.picture_parameters import (
    LARGEST_PX,
    Viewport,
    Wanted,
    quality_of,
    size_of,
    window_of,
)
from dicom_node.web.dicomweb.retrieving.rendered import JPEG, PNG, draw, encode
from storage.catalog.query import HeldObject


def wado_uri(parts: DicomwebParts) -> APIRouter:
    """Make the routes."""
    router = APIRouter(include_in_schema=False)

    @router.get(PREFIX)
    @router.get(f"{PREFIX}/")
    @router.get(f"{PREFIX}/wado")
    def wado(request: Request) -> Response:
        query = request.query_params
        if query.get("requestType") != "WADO":
            raise refused("requestType is WADO")
        names = ("studyUID", "seriesUID", "objectUID")
        missing = [name for name in names if not query.get(name)]
        if missing:
            raise refused(f"{', '.join(missing)} must be there")
        (held,) = objects_of(parts, *(query[name] for name in names))
        for asked in query.get("contentType", f"{JPEG},{DICOM}").split(","):
            kind = parse(asked)[0]
            if kind == DICOM or (kind == "*/*" and "contentType" in query):
                return _object(parts, request, held)
            if kind in {JPEG, PNG}:
                try:
                    return _picture(parts, request, held, kind)
                except PixelsUndecodable:
                    continue
        raise not_acceptable([DICOM, JPEG, PNG])

    return router


def _object(parts: DicomwebParts, request: Request, held: HeldObject) -> Response:
    asked = request.query_params.get("transferSyntax", str(ExplicitVRLittleEndian))
    headers = entity_tag(request, [held])
    content, _ = content_of(parts, held, asked or STORED, is_demanded=False)
    if isinstance(content, bytes):
        return Response(content, HTTPStatus.OK, headers, DICOM)
    return StreamingResponse(content, HTTPStatus.OK, headers, DICOM)


def _picture(
    parts: DicomwebParts, request: Request, held: HeldObject, media_type: str
) -> Response:
    query = request.query_params
    headers = entity_tag(request, [held])
    center, width = query.get("windowCenter"), query.get("windowWidth")
    if (center is None) != (width is None):
        raise refused("windowCenter and windowWidth belong together")
    window = None if center is None else window_of(f"{center},{width}")
    wanted = Wanted(window, _viewport(request), quality_of(query.get("imageQuality")))
    numbers = frame_numbers(query["frameNumber"]) if "frameNumber" in query else []
    with opened(parts, held) as stream:
        dataset = read_whole(stream)
    drawn = draw(parts, dataset, numbers, wanted)
    content = encode(drawn, media_type, wanted)
    return Response(content, HTTPStatus.OK, headers, media_type)


def _viewport(request: Request) -> Viewport | None:
    query = request.query_params
    if not {"rows", "columns"} & query.keys():
        return None
    most = str(LARGEST_PX)
    return Viewport(
        size_of("columns", query.get("columns", most)),
        size_of("rows", query.get("rows", most)),
    )
