"""Frames: pixel data alone, plain or compressed (DICOM PS3.18 10.4, frames)."""

import re
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from itertools import chain

from fastapi import APIRouter, Request, Response
from pydicom.uid import ExplicitVRLittleEndian
from starlette.exceptions import HTTPException

from dicom_node.dataset.forms.whole import read_whole
from dicom_node.dataset.pixels.transcoding import PLAIN, StoredFrames
from dicom_node.errors import DatasetInvalid, PixelsUndecodable
from dicom_node.web.dicomweb import multipart_out
from dicom_node.web.dicomweb.accept import OCTETS, MediaRange, not_acceptable, ranges
from dicom_node.web.dicomweb.media_types import SYNTAXES, canonical, media_type_of
from dicom_node.web.dicomweb.multipart_out import Part
from dicom_node.web.dicomweb.parts import PREFIX, DicomwebParts
from dicom_node.web.dicomweb.resources import refused, root_of
from dicom_node.web.dicomweb.retrieving.held import entity_tag, objects_of, opened
from dicom_node.web.dicomweb.searching.answers import address
from storage.catalog.query import HeldObject
from storage.errors import ObjectMissing

_STORED = "*"
_NUMBERS = re.compile(r"[0-9]{1,6}(-[0-9]{1,6})?(,[0-9]{1,6}(-[0-9]{1,6})?)*")
_MOST_FRAMES = 100_000


def frames(parts: DicomwebParts) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix=PREFIX, include_in_schema=False)

    @router.get(
        "/studies/{study}/series/{series}/instances/{instance}/frames/{numbers}"
    )
    def frames_(
        request: Request, study: str, series: str, instance: str, numbers: str
    ) -> Response:
        wanted = frame_numbers(numbers)
        (held,) = objects_of(parts, study, series, instance)
        headers = entity_tag(request, [held])
        stored = stored_frames(parts, held)
        check_numbers(wanted, stored)
        for one in ranges(request):
            syntax = _syntax(one, stored)
            if syntax is None or not (one.is_multipart or len(wanted) == 1):
                continue
            try:
                first = _part(stored, wanted[0], syntax)
            except PixelsUndecodable:
                continue
            kind = first.media_type
            if one.is_multipart or one.of == "*/*":
                rest = (_part(stored, number, syntax) for number in wanted[1:])
                plain = kind.partition(";")[0]
                return multipart_out.response(chain([first], rest), plain, headers)
            return Response(first.content, HTTPStatus.OK, headers, kind)
        raise not_acceptable([*SYNTAXES])

    return router


def frame_numbers(text: str) -> list[int]:
    """Read a list of frame numbers, ranges among them.

    Raises
    ------
    HTTPException
        400, for what is none.
    """
    if not _NUMBERS.fullmatch(text):
        raise refused("Frames are numbers from 1, with commas between them")
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
        if len(found) > _MOST_FRAMES:
            raise refused("There are too many frames in the list")
    if not found or min(found) < 1:
        raise refused("Frames are numbered from 1")
    return list(dict.fromkeys(found))


def stored_frames(parts: DicomwebParts, held: HeldObject) -> StoredFrames:
    """Read an object with its frames.

    Raises
    ------
    HTTPException
        404, where it has none.
    """
    with opened(parts, held) as stream:
        dataset = read_whole(stream)
    try:
        return StoredFrames(dataset, parts.limits.pixels)
    except PixelsUndecodable as error:
        raise HTTPException(
            HTTPStatus.NOT_FOUND, "The object has no frames."
        ) from error


def check_numbers(wanted: Sequence[int], stored: StoredFrames) -> None:
    """Refuse a frame that there is none of, with 404."""
    if max(wanted) > stored.count:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"There are {stored.count} frames.")


def frames_of_objects(
    parts: DicomwebParts,
    request: Request,
    held: Sequence[HeldObject],
    wanted: MediaRange,
) -> Response | None:
    """Answer with all frames of objects; ``None`` where they are not to be had so."""
    if not any(wanted.takes(kind) for kind in SYNTAXES):
        return None
    headers = entity_tag(request, held)
    root = root_of(request)
    first = next(_frames_of(parts, held, wanted, root), None)
    if first is None:
        return None
    kind = first.media_type.partition(";")[0]
    return multipart_out.response(_frames_of(parts, held, wanted, root), kind, headers)


def _frames_of(
    parts: DicomwebParts,
    held: Sequence[HeldObject],
    wanted: MediaRange,
    root: str,
) -> Iterator[Part]:
    for one in held:
        place = address(
            root, one.study_instance_uid, one.series_instance_uid, one.sop_instance_uid
        )
        try:
            stored = stored_frames(parts, one)
            syntax = _syntax(wanted, stored)
            if syntax is None:
                continue
            for number in range(1, stored.count + 1):
                part = _part(stored, number, syntax)
                yield Part(part.media_type, part.content, f"{place}/frames/{number}")
        except (HTTPException, ObjectMissing, DatasetInvalid, PixelsUndecodable):
            continue  # it has no pixels, or none in this form


def _syntax(wanted: MediaRange, stored: StoredFrames) -> str | None:
    """Choose the form of frames that a range takes; ``None`` for none."""
    asked, kind = wanted.transfer_syntax, canonical(wanted.of)
    if asked == _STORED and (kind == OCTETS or wanted.takes(OCTETS)):
        return str(stored.syntax)
    if kind in SYNTAXES and kind != OCTETS:
        if asked in {None, _STORED}:
            is_kind = stored.syntax in SYNTAXES[kind]
            return str(stored.syntax if is_kind else SYNTAXES[kind][0])
        return asked if asked in SYNTAXES[kind] else None
    if kind == "image/*":
        return str(stored.syntax) if stored.is_compressed else None
    if not wanted.takes(OCTETS):
        return None
    plain = {str(syntax) for syntax in PLAIN}
    return str(ExplicitVRLittleEndian) if asked in {None, *plain} else None


def _part(stored: StoredFrames, number: int, syntax: str) -> Part:
    kind = media_type_of(syntax)
    if syntax == ExplicitVRLittleEndian or kind == OCTETS:
        return Part(
            f"{OCTETS}; transfer-syntax={ExplicitVRLittleEndian}",
            stored.plain(number - 1),
        )
    return Part(f"{kind}; transfer-syntax={syntax}", stored.encoded(number - 1, syntax))
