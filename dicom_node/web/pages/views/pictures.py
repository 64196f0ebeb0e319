"""Films as pictures, and outlines to be laid over them; objects to take away."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from io import BytesIO
from typing import BinaryIO

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from PIL import Image
from pydicom.dataset import Dataset
from starlette.exceptions import HTTPException

from dicom_node.dataset.attributes import integer
from dicom_node.dataset.forms.whole import read_whole
from dicom_node.dataset.pixels.rendering import picture, segments
from dicom_node.errors import DatasetInvalid, PixelsUndecodable
from dicom_node.evidence.kinds import EvidenceKind
from dicom_node.evidence.outline import simplified
from dicom_node.web.pages.drawing.outlines import Outline, outlines
from dicom_node.web.pages.face import SECURITY
from dicom_node.web.pages.parts import PageParts
from inference.findings import Region
from storage.catalog.instances import get_instance
from storage.errors import ObjectMissing, UnknownRecord
from storage.records import Evidence

_LONGEST_PX = 1600
_CHUNK_BYTES = 1 << 20
_KINDS = {
    "opacities": EvidenceKind.SEGMENTATION,
    "lungs": EvidenceKind.LUNG_SEGMENTATION,
}


def pictures(parts: PageParts) -> APIRouter:
    """Make the routes."""
    router = APIRouter(include_in_schema=False)
    t = parts.texts

    @router.get("/films/{sop_instance_uid}/film.png")
    def film(request: Request, sop_instance_uid: str) -> Response:
        """Draw a film, as large as a screen shows."""
        with parts.database.transaction(read_only=True) as tx:
            found = get_instance(tx, sop_instance_uid)
        headers = _kept(request, found.sha256)
        with _readable(parts, found.object_key) as dataset:
            drawn = picture(dataset, 0, parts.pixels)
        drawn.thumbnail((_LONGEST_PX, _LONGEST_PX), Image.Resampling.BILINEAR)
        written = BytesIO()
        drawn.save(written, "PNG", compress_level=3)
        return Response(written.getvalue(), headers=headers, media_type="image/png")

    @router.get("/jobs/{workitem_uid}/{what}.svg")
    def overlay(request: Request, workitem_uid: str, what: str) -> Response:
        """Outline the opacities or the lungs, as they stand in the segmentation."""
        kind = _KINDS.get(what)
        evidence = parts.steps.job(workitem_uid).evidence
        stored = next((one for one in evidence if one.kind == kind), None)
        if stored is None:
            raise UnknownRecord(t("job.no_outlines"))
        headers = _kept(request, stored.sha256)
        with _readable(parts, stored.object_key) as dataset:
            drawn = _outlined(dataset, parts.pixels, what, t(f"job.{what}"))
        return Response(drawn, headers=headers, media_type="image/svg+xml")

    @router.get("/jobs/{workitem_uid}/objects/{sop_instance_uid}.dcm")
    def download(workitem_uid: str, sop_instance_uid: str) -> Response:
        """Give a result object as a file."""
        stored = _of_job(parts, workitem_uid, sop_instance_uid)
        stream = parts.store.open(stored.object_key)
        name = f'attachment; filename="{stored.kind}-{sop_instance_uid}.dcm"'
        headers = SECURITY | {"Content-Disposition": name}
        return StreamingResponse(
            _pieces(stream), headers=headers, media_type="application/dicom"
        )

    return router


def _kept(request: Request, sha256: str) -> dict[str, str]:
    """Let a browser keep what it has, and ask each time whether it may."""
    tag = f'"{sha256[:32]}"'
    headers = SECURITY | {"ETag": tag, "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match") == tag:
        raise HTTPException(HTTPStatus.NOT_MODIFIED, headers=headers)
    return headers


@contextmanager
def _readable(parts: PageParts, key: str) -> Iterator[Dataset]:
    """Read an object; what cannot be drawn is no bug of the page."""
    try:
        with parts.store.open(key) as stream:
            dataset = read_whole(stream)
        yield dataset
    except (DatasetInvalid, PixelsUndecodable) as error:
        text = parts.texts("job.undrawable")
        raise HTTPException(HTTPStatus.NOT_ACCEPTABLE, text) from error


def _outlined(dataset: Dataset, pixels: int, what: str, label: str) -> str:
    drawn = []
    for segment in segments(dataset, pixels):
        region = Region.of(np.asarray(segment.mask))
        if region is not None:
            drawn.append(Outline(segment.label, simplified(region)))
    columns, rows = integer(dataset, "Columns") or 1, integer(dataset, "Rows") or 1
    return outlines(drawn, columns, rows, what, label)


def _of_job(parts: PageParts, workitem_uid: str, sop_instance_uid: str) -> Evidence:
    for one in parts.steps.job(workitem_uid).evidence:
        if one.sop_instance_uid == sop_instance_uid:
            if one.object_removed_at is not None:
                raise ObjectMissing(parts.texts("job.object_removed"))
            return one
    raise UnknownRecord(parts.texts("job.no_object"))


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while piece := stream.read(_CHUNK_BYTES):
            yield piece
