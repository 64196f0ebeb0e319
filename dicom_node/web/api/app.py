"""The HTTP application: job status, received instances, health, and its description."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel
from starlette.exceptions import HTTPException

from dicom_node import __version__
from dicom_node.web import problems
from dicom_node.web.api import views
from dicom_node.web.api.description import add_description
from dicom_node.web.auth.keys import ApiKeys
from dicom_node.worklist.procedure_step import ProcedureSteps
from storage.catalog import instances
from storage.database import Database
from storage.records import InstanceState, ProcedureStepState, Stage
from storage.worklist import jobs

logger = logging.getLogger(__name__)

Limit = Annotated[int, Query(ge=1, le=1000)]
Checks = Mapping[str, Callable[[], str | None]]
"""Name -> what is wrong, in a sentence; ``None`` when nothing is."""


@dataclass(frozen=True, slots=True)
class AdminServices:
    """What the application works on."""

    database: Database
    steps: ProcedureSteps
    checks: Checks
    api_keys: Sequence[str] = ()


class Filter(BaseModel, extra="forbid"):
    """What every list may be narrowed by."""

    limit: Limit = 100
    cursor: str | None = None
    since: AwareDatetime | None = None
    patient_id: str | None = None
    accession_number: str | None = None
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    sop_instance_uid: str | None = None


class JobFilter(Filter):
    """Which jobs to list."""

    state: ProcedureStepState | None = None
    stage: Stage | None = None


class InstanceFilter(Filter):
    """Which received images to list."""

    state: InstanceState | None = None
    reason: str | None = None


class Retried(BaseModel):
    """The Workitem that does the work again."""

    workitem_uid: str


class Health(BaseModel):
    """What each check found; ``ok`` or a sentence."""

    status: str
    checks: dict[str, str]
    at: datetime


def create_app(services: AdminServices, clock: Callable[[], datetime]) -> FastAPI:
    """Build the application."""
    app = FastAPI(
        title="CXR Node",
        version=__version__,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.middleware("http")(ApiKeys(services.api_keys))
    for family in problems.FAMILIES:
        app.add_exception_handler(family, problems.answer)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(HTTPException, _http_refusal)
    app.add_exception_handler(Exception, _bug)
    _add_jobs(app, services)
    _add_instances(app, services)
    _add_health(app, services, clock)
    add_description(app, "/api/docs")
    return app


def _add_jobs(app: FastAPI, services: AdminServices) -> None:
    @app.get("/api/v1/jobs", tags=["jobs"])
    def list_jobs(wanted: Annotated[JobFilter, Query()]) -> views.Items[views.JobView]:
        """List jobs, newest first."""
        with services.database.transaction(read_only=True) as tx:
            page = jobs.list_jobs(tx, **wanted.model_dump())
        items = [views.job(item) for item in page.items]
        return views.Items(items=items, next=page.next_cursor)

    @app.get("/api/v1/jobs/{workitem_uid}", tags=["jobs"])
    def show_job(workitem_uid: str) -> views.JobView:
        """Show one job with its attempts, results and deliveries."""
        return views.job(services.steps.job(workitem_uid))

    @app.post("/api/v1/jobs/{workitem_uid}/retry", tags=["jobs"])
    def retry_job(workitem_uid: str) -> Retried:
        """Repeat a failed analysis, or failed deliveries without inference."""
        return Retried(workitem_uid=services.steps.retry(workitem_uid))

    @app.post("/api/v1/jobs/{workitem_uid}/reprocess", tags=["jobs"])
    def reprocess_job(workitem_uid: str) -> Retried:
        """Analyse an image again that has been analysed, with the model of now."""
        return Retried(workitem_uid=services.steps.reprocess(workitem_uid))

    @app.post("/api/v1/jobs/{workitem_uid}/cancel", tags=["jobs"])
    def cancel_job(workitem_uid: str) -> views.JobView:
        """Ask for a job to end; what runs ends at its next step."""
        services.steps.request_cancel(workitem_uid)
        return views.job(services.steps.job(workitem_uid))


def _add_instances(app: FastAPI, services: AdminServices) -> None:
    @app.get("/api/v1/instances", tags=["instances"])
    def list_instances(
        wanted: Annotated[InstanceFilter, Query()],
    ) -> views.Items[views.InstanceView]:
        """List received images with their state, newest first."""
        with services.database.transaction(read_only=True) as tx:
            page = instances.list_instances(tx, **wanted.model_dump())
        items = [views.instance(item) for item in page.items]
        return views.Items(items=items, next=page.next_cursor)

    @app.get("/api/v1/instances/{sop_instance_uid}", tags=["instances"])
    def show_instance(sop_instance_uid: str) -> views.InstanceView:
        """Show one received image."""
        with services.database.transaction(read_only=True) as tx:
            return views.instance(instances.get_status(tx, sop_instance_uid))


def _add_health(
    app: FastAPI, services: AdminServices, clock: Callable[[], datetime]
) -> None:
    @app.get("/health/live", tags=["health"])
    def live() -> dict[str, str]:
        """Answer, which says enough: the process runs."""
        return {"status": "live", "version": __version__}

    @app.get("/health/ready", tags=["health"], response_model=Health)
    def ready() -> JSONResponse:
        """Tell whether work can be done: 200 or 503, and why."""
        found = {name: check() for name, check in services.checks.items()}
        well = not any(found.values())
        health = Health(
            status="ready" if well else "not ready",
            checks={name: trouble or "ok" for name, trouble in found.items()},
            at=clock(),
        )
        status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse(health.model_dump(mode="json"), status_code=status.value)


async def _http_refusal(request: Request, error: Exception) -> JSONResponse:
    """Answer what the framework refuses: unknown paths, other methods."""
    del request
    code = error.status_code if isinstance(error, HTTPException) else 500
    status = HTTPStatus(code)
    return problems.problem(status, status.description or status.phrase)


async def _bug(request: Request, error: Exception) -> JSONResponse:
    """Answer what nobody foresaw: the interface's outermost edge."""
    logger.error(
        "A request failed: %s %s.",
        request.method,
        request.scope["route"].path if "route" in request.scope else "?",
        exc_info=error,
        extra={"action": "http"},
    )
    text = "Something unforeseen happened; the log has the details."
    return problems.problem(HTTPStatus.INTERNAL_SERVER_ERROR, text)


async def _bad_request(request: Request, error: Exception) -> JSONResponse:
    """Name the parameter; its value may be a patient's and is not repeated."""
    del request
    details = error.errors() if isinstance(error, RequestValidationError) else ()
    texts = [f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in details]
    return problems.problem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(texts))
