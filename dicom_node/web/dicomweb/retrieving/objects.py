"""Whole objects: a study's, a series', or one (DICOM PS3.18 10.4, instances)."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from pydicom.uid import UID, ExplicitVRLittleEndian
from starlette.responses import StreamingResponse

from dicom_node.dataset.forms.whole import read_whole
from dicom_node.dataset.pixels.transcoding import LOSSLESS, TARGETS, transcoded
from dicom_node.errors import DatasetInvalid, PixelsUndecodable
from dicom_node.web.dicomweb import multipart_out
from dicom_node.web.dicomweb.accept import (
    DICOM,
    MediaRange,
    not_acceptable,
    ranges,
)
from dicom_node.web.dicomweb.multipart_out import Part
from dicom_node.web.dicomweb.parts import PREFIX, DicomwebParts
from dicom_node.web.dicomweb.resources import root_of
from dicom_node.web.dicomweb.retrieving.frames import frames_of_objects
from dicom_node.web.dicomweb.retrieving.held import (
    entity_tag,
    objects_of,
    opened,
    pieces,
)
from dicom_node.web.dicomweb.searching.answers import address
from storage.catalog.query import HeldObject
from storage.errors import ObjectMissing

logger = logging.getLogger(__name__)
STORED = "*"


@dataclass(frozen=True, slots=True)
class _Form:
    """How an object is sent: the syntax, and whether another will not do."""

    syntax: str
    is_demanded: bool


def objects(parts: DicomwebParts) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix=PREFIX, include_in_schema=False)

    @router.get("/studies/{study}")
    def study_(request: Request, study: str) -> Response:
        return _retrieve(parts, request, objects_of(parts, study))

    @router.get("/studies/{study}/series/{series}")
    def series_(request: Request, study: str, series: str) -> Response:
        return _retrieve(parts, request, objects_of(parts, study, series))

    @router.get("/studies/{study}/series/{series}/instances/{instance}")
    def instance_(request: Request, study: str, series: str, instance: str) -> Response:
        held = objects_of(parts, study, series, instance)
        return _retrieve(parts, request, held, is_one=True)

    return router


def _retrieve(
    parts: DicomwebParts,
    request: Request,
    held: Sequence[HeldObject],
    *,
    is_one: bool = False,
) -> Response:
    wanted = ranges(request)
    for one in wanted:
        if not one.takes(DICOM):
            if one.is_multipart:
                answer = frames_of_objects(parts, request, held, one)
                if answer is not None:
                    return answer
            continue
        form = _form(one)
        if form is None or (one.media_type == DICOM and not is_one):
            continue
        headers = entity_tag(request, held)
        try:
            if one.media_type == DICOM:
                return _single(parts, held[0], form, headers)
            return _several(parts, request, held, form, headers)
        except PixelsUndecodable:
            continue
    raise not_acceptable([f"{DICOM} with transfer-syntax={STORED}", *TARGETS])


def _form(wanted: MediaRange) -> _Form | None:
    """Tell the form that a range asks for; ``None`` for one that nobody can write."""
    syntax = wanted.transfer_syntax
    if syntax is None:
        # the default of PS3.18 8.7.3.3.2, unless only the stored form is to be had
        return _Form(str(ExplicitVRLittleEndian), wanted.of == DICOM)
    if syntax == STORED:
        return _Form(STORED, is_demanded=False)
    return _Form(syntax, is_demanded=True)


def _several(
    parts: DicomwebParts,
    request: Request,
    held: Sequence[HeldObject],
    form: _Form,
    headers: dict[str, str],
) -> Response:
    root = root_of(request)
    first = content_of(parts, held[0], form.syntax, is_demanded=form.is_demanded)

    def written() -> Iterator[Part]:
        for number, one in enumerate(held):
            try:
                content, syntax = (
                    first
                    if number == 0
                    else content_of(
                        parts, one, form.syntax, is_demanded=form.is_demanded
                    )
                )
            except (ObjectMissing, DatasetInvalid, PixelsUndecodable) as error:
                _tell_left_out(one, error)
                continue
            yield Part(
                f"{DICOM}; transfer-syntax={syntax}",
                content,
                address(
                    root,
                    one.study_instance_uid,
                    one.series_instance_uid,
                    one.sop_instance_uid,
                ),
            )

    return multipart_out.response(written(), DICOM, headers)


def _single(
    parts: DicomwebParts, held: HeldObject, form: _Form, headers: dict[str, str]
) -> Response:
    content, syntax = content_of(parts, held, form.syntax, is_demanded=form.is_demanded)
    kind = f"{DICOM}; transfer-syntax={syntax}"
    if isinstance(content, bytes):
        return Response(content, HTTPStatus.OK, headers, kind)
    headers = headers | {"Content-Length": str(held.size_bytes)}
    return StreamingResponse(content, HTTPStatus.OK, headers, kind)


def content_of(
    parts: DicomwebParts, held: HeldObject, syntax: str, *, is_demanded: bool
) -> tuple[bytes | Iterator[bytes], str]:
    """Give an object in a transfer syntax.

    An object without pixels to compress is given plain (PS3.18 8.7.3.3.2).

    Parameters
    ----------
    syntax
        UID, or ``*`` for the stored one.
    is_demanded
        Whether the stored form will not do where it cannot be converted.

    Returns
    -------
        The file, and its transfer syntax.

    Raises
    ------
    PixelsUndecodable
        It is not to be had so.
    """
    stored = held.transfer_syntax_uid
    if syntax in {STORED, stored}:
        return pieces(parts.store.open(held.object_key)), stored
    try:
        return _converted(parts, held, syntax)
    except (PixelsUndecodable, DatasetInvalid):
        if is_demanded:
            raise
        return pieces(parts.store.open(held.object_key)), stored


def _converted(
    parts: DicomwebParts, held: HeldObject, syntax: str
) -> tuple[bytes | Iterator[bytes], str]:
    if syntax not in TARGETS:
        raise PixelsUndecodable(f"not written as {UID(syntax).name}")
    with opened(parts, held) as stream:
        dataset = read_whole(stream)
    if syntax in LOSSLESS and not _has_grey(dataset):
        syntax = str(ExplicitVRLittleEndian)
        if held.transfer_syntax_uid == syntax:
            return pieces(parts.store.open(held.object_key)), syntax
    return transcoded(dataset, syntax, parts.limits.pixels), syntax


def _has_grey(dataset: object) -> bool:
    found = (
        getattr(dataset, "BitsAllocated", None),
        getattr(dataset, "SamplesPerPixel", None),
    )
    return found[0] in {8, 16} and found[1] in {1, None}


def _tell_left_out(held: HeldObject, error: Exception) -> None:
    logger.warning(
        "An object was left out of an answer: %s.",
        error,
        extra={"action": "retrieve", "instance": held.sop_instance_uid},
    )
