"""The JSON API as one face: jobs, instances, health, and its description."""

from fastapi import APIRouter

from dicom_node.web.api.description import description
from dicom_node.web.api.health import health
from dicom_node.web.api.instances import instances
from dicom_node.web.api.jobs import jobs
from dicom_node.web.api.parts import ApiParts


def api(parts: ApiParts) -> APIRouter:
    """Make all routes of the API."""
    router = APIRouter()
    for part in (jobs, instances, health):
        router.include_router(part(parts))
    router.include_router(description("/api/docs"))
    return router
