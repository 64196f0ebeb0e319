"""``/health``: for orchestrators, who ask without a key."""

from datetime import datetime
from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from dicom_node import __version__
from dicom_node.web.api.parts import ApiParts


class Health(BaseModel):
    """What each check found; ``ok`` or a sentence. A warning stops no work."""

    status: str
    checks: dict[str, str]
    warnings: dict[str, str]
    at: datetime


def health(parts: ApiParts) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/health", tags=["health"])

    @router.get("/live")
    def live() -> dict[str, str]:
        """Answer, which says enough: the process runs."""
        return {"status": "live", "version": __version__}

    @router.get("/ready", response_model=Health, responses={503: {"model": Health}})
    def ready() -> JSONResponse:
        """Tell whether work can be done: 200 or 503, and why."""
        found = parts.conditions()
        well = not any(found.values())
        told = Health(
            status="ready" if well else "not ready",
            checks={name: trouble or "ok" for name, trouble in found.items()},
            warnings=dict(parts.warnings()),
            at=parts.clock(),
        )
        status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse(told.model_dump(mode="json"), status_code=status.value)

    return router
