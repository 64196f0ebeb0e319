"""The origin server as one face."""

from fastapi import APIRouter

from dicom_node.web.dicomweb.parts import DicomwebParts
from dicom_node.web.dicomweb.retrieving.frames import frames
from dicom_node.web.dicomweb.retrieving.metadata import metadata_and_bulk
from dicom_node.web.dicomweb.retrieving.objects import objects
from dicom_node.web.dicomweb.retrieving.rendered import rendered
from dicom_node.web.dicomweb.retrieving.wado_uri import wado_uri
from dicom_node.web.dicomweb.searching.qido import qido
from dicom_node.web.dicomweb.storing.stow import stow

FACES = (qido, stow, objects, frames, metadata_and_bulk, rendered, wado_uri)
"""What makes routes, one for each transaction."""


def dicomweb(parts: DicomwebParts) -> APIRouter:
    """Make all routes of the service."""
    router = APIRouter()
    for part in FACES:
        router.include_router(part(parts))
    return router
