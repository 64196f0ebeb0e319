"""Pictures and thumbnails of what is held (DICOM PS3.18 10.4, rendered)."""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from io import BytesIO

from fastapi import APIRouter, Request, Response
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset
from starlette.exceptions import HTTPException

from dicom_node.dataset.attributes import value
from dicom_node.dataset.film.pixel_shape import aspect_of
from dicom_node.dataset.forms.whole import read_whole
from dicom_node.dataset.pixels.rendering import (
    in_square_pixels,
    picture,
    referenced_images,
    with_graphics,
    with_segments,
)
from dicom_node.errors import DatasetInvalid, PixelsUndecodable
from dicom_node.web.dicomweb import multipart_out
from dicom_node.web.dicomweb.accept import not_acceptable, ranges
from dicom_node.web.dicomweb.multipart_out import Part
from dicom_node.web.dicomweb.parts import PREFIX, DicomwebParts
from dicom_node.web.dicomweb.retrieving.frames import frame_numbers
from dicom_node.web.dicomweb.retrieving.held import entity_tag, objects_of, opened
from dicom_node.web.dicomweb.retrieving.picture_parameters import (
    Wanted,
    wanted_picture,
)
from storage.catalog.matching import Exact
from storage.catalog.query import HeldObject, Key, Query, find_objects
from storage.errors import ObjectMissing
from storage.held import Level

JPEG, PNG, PDF = "image/jpeg", "image/png", "application/pdf"
MEDIA_TYPES = (JPEG, PNG)
_NO_PICTURES = "There is no picture of that."


def rendered(parts: DicomwebParts) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix=PREFIX, include_in_schema=False)
    study, series = "/studies/{study}", "/studies/{study}/series/{series}"
    instance = f"{series}/instances/{{instance}}"

    @router.get(f"{study}/rendered")
    @router.get(f"{series}/rendered")
    def of_many(request: Request, study: str, series: str | None = None) -> Response:
        return _several(parts, request, objects_of(parts, study, series))

    @router.get(f"{study}/thumbnail")
    @router.get(f"{series}/thumbnail")
    def thumbnail(request: Request, study: str, series: str | None = None) -> Response:
        return _representative(parts, request, objects_of(parts, study, series))

    @router.get(f"{instance}/rendered")
    @router.get(f"{instance}/thumbnail")
    def of_one(request: Request, study: str, series: str, instance: str) -> Response:
        return _one(parts, request, objects_of(parts, study, series, instance)[0])

    @router.get(f"{instance}/frames/{{numbers}}/rendered")
    @router.get(f"{instance}/frames/{{numbers}}/thumbnail")
    def of_frames(
        request: Request, study: str, series: str, instance: str, numbers: str
    ) -> Response:
        held = objects_of(parts, study, series, instance)[0]
        return _one(parts, request, held, frame_numbers(numbers))

    return router


def _one(
    parts: DicomwebParts,
    request: Request,
    held: HeldObject,
    numbers: Sequence[int] = (),
) -> Response:
    wanted = _wanted(request)
    headers = entity_tag(request, [held])
    with opened(parts, held) as stream:
        dataset = read_whole(stream)
    if held.sop_class_uid == uid.EncapsulatedPDFStorage:
        return _document(request, dataset, headers)
    media_type = _media_type(request)
    try:
        drawn = draw(parts, dataset, numbers, wanted)
    except PixelsUndecodable as error:
        raise HTTPException(HTTPStatus.NOT_ACCEPTABLE, f"{_NO_PICTURES}") from error
    content = encode(drawn, media_type, wanted)
    return Response(content, HTTPStatus.OK, headers, media_type)


def _several(
    parts: DicomwebParts, request: Request, held: Sequence[HeldObject]
) -> Response:
    wanted, media_type = _wanted(request), _media_type(request)
    headers = entity_tag(request, held)
    made = _pictures(parts, held, wanted, media_type)
    first = next(made, None)
    if first is None:
        raise HTTPException(HTTPStatus.NOT_ACCEPTABLE, _NO_PICTURES)

    def all_of_them() -> Iterator[Part]:
        yield Part(media_type, first)
        for content in made:
            yield Part(media_type, content)

    return multipart_out.response(all_of_them(), media_type, headers)


def _representative(
    parts: DicomwebParts, request: Request, held: Sequence[HeldObject]
) -> Response:
    wanted, media_type = _wanted(request), _media_type(request)
    headers = entity_tag(request, held)
    # an image says more of a study than what was made of it
    images = sorted(held, key=lambda one: one.sop_class_uid in _RESULTS)
    content = next(_pictures(parts, images, wanted, media_type), None)
    if content is None:
        raise HTTPException(HTTPStatus.NOT_ACCEPTABLE, _NO_PICTURES)
    return Response(content, HTTPStatus.OK, headers, media_type)


_RESULTS = frozenset(
    {uid.SegmentationStorage, uid.GrayscaleSoftcopyPresentationStateStorage}
)


def _pictures(
    parts: DicomwebParts, held: Sequence[HeldObject], wanted: Wanted, media_type: str
) -> Iterator[bytes]:
    for one in held:
        try:
            with opened(parts, one) as stream:
                dataset = read_whole(stream)
            yield encode(draw(parts, dataset, (), wanted), media_type, wanted)
        except (ObjectMissing, DatasetInvalid, PixelsUndecodable):
            continue  # a report, or pixels that nobody can draw


def draw(
    parts: DicomwebParts, dataset: Dataset, numbers: Sequence[int], wanted: Wanted
) -> Image.Image:
    """Draw an image, or a result over the image that it is about.

    Raises
    ------
    PixelsUndecodable
        There is nothing to draw.
    """
    pixels, aspect = parts.limits.pixels, aspect_of(dataset)
    sop_class = str(value(dataset, "SOPClassUID") or "")
    if sop_class == uid.SegmentationStorage:
        film, aspect = _film_of(parts, dataset, wanted)
        count = int(dataset.get("NumberOfFrames") or 1)
        indices = [number - 1 for number in numbers] or list(range(count))
        if max(indices) >= count:
            raise PixelsUndecodable("there is no such frame")
        drawn = with_segments(film, dataset, indices, pixels)
    elif sop_class == uid.GrayscaleSoftcopyPresentationStateStorage:
        film, aspect = _film_of(parts, dataset, wanted)
        if film is None:
            raise PixelsUndecodable("its image is not held")
        drawn = with_graphics(film, dataset)
    else:
        index = numbers[0] - 1 if numbers else 0
        drawn = picture(dataset, index, pixels, wanted.window)
    drawn = in_square_pixels(drawn, aspect or 1.0)
    return drawn if wanted.viewport is None else wanted.viewport.shown(drawn)


def _film_of(
    parts: DicomwebParts, result: Dataset, wanted: Wanted
) -> tuple[Image.Image | None, float | None]:
    """Draw the film that a result is about, and say how tall its pixels are."""
    uids = referenced_images(result)
    if not uids:
        return None, None
    query = Query(Level.INSTANCE, (Key(("SOPInstanceUID",), Exact((uids[0],))),))
    with parts.database.transaction(read_only=True) as tx:
        found = find_objects(tx, query)
    try:
        for one in found:
            with opened(parts, one) as stream:
                film = read_whole(stream)
            drawn = picture(film, 0, parts.limits.pixels, wanted.window)
            return drawn, aspect_of(film)
    except (ObjectMissing, DatasetInvalid, PixelsUndecodable):
        return None, None
    return None, None


def encode(drawn: Image.Image, media_type: str, wanted: Wanted) -> bytes:
    """Write a picture as a file."""
    written = BytesIO()
    if media_type == PNG:
        drawn.save(written, "PNG", compress_level=1)
    else:
        drawn.save(written, "JPEG", quality=wanted.quality)
    return written.getvalue()


def _document(request: Request, dataset: Dataset, headers: dict[str, str]) -> Response:
    """Give a document as it is: it is rendered already."""
    found = value(dataset, "EncapsulatedDocument")
    if not isinstance(found, bytes) or not any(
        one.takes(PDF) for one in ranges(request)
    ):
        raise not_acceptable([PDF])
    return Response(found, HTTPStatus.OK, headers, PDF)


def _wanted(request: Request) -> Wanted:
    is_thumbnail = request.url.path.endswith("/thumbnail")
    return wanted_picture(request, is_thumbnail=is_thumbnail)


def _media_type(request: Request) -> str:
    for wanted in ranges(request):
        for offer in MEDIA_TYPES:
            if wanted.takes(offer):
                return offer
    raise not_acceptable(MEDIA_TYPES)
