"""The JSON API as one face: jobs, instances, access, health, its description."""

from fastapi import APIRouter

from dicom_node.web.api.description import description
from dicom_node.web.api.health import health
from dicom_node.web.api.instances import instances
from dicom_node.web.api.jobs import jobs
from dicom_node.web.api.keys import keys
from dicom_node.web.api.parts import ApiParts
from dicom_node.web.api.users import me, signed_in, users


def api(parts: ApiParts) -> APIRouter:
    """Make all routes of the API."""
    router = APIRouter()
    for part in (jobs, instances, users, signed_in, keys, health):
        router.include_router(part(parts))
    router.include_router(me())
    router.include_router(description("/api/docs"))
    return router
