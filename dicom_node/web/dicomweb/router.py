"""The origin server as one face."""

from fastapi import APIRouter

from dicom_node.web.dicomweb.parts import DicomwebParts
from dicom_node.web.dicomweb.qido import qido
from dicom_node.web.dicomweb.stow import stow


def dicomweb(parts: DicomwebParts) -> APIRouter:
    """Make all routes of the service."""
    router = APIRouter()
    for part in (qido, stow):
        router.include_router(part(parts))
    return router
