"""``/api/v1/jobs``: how the work stands, and what people may do about it."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from dicom_node.web.api import views
from dicom_node.web.api.filters import Filter
from dicom_node.web.api.parts import ApiParts
from storage.records import InstanceState, ProcedureStepState
from storage.worklist import jobs as worklist


class JobFilter(Filter):
    """Which jobs to list."""

    state: ProcedureStepState | None = None
    stage: InstanceState | None = None


class Retried(BaseModel):
    """The Workitem that does the work again."""

    workitem_uid: str


def jobs(parts: ApiParts) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])

    @router.get("")
    def list_jobs(wanted: Annotated[JobFilter, Query()]) -> views.Items[views.JobView]:
        """List jobs, newest first."""
        with parts.database.transaction(read_only=True) as tx:
            page = worklist.list_jobs(tx, **wanted.model_dump())
        items = [views.job(item) for item in page.items]
        return views.Items(items=items, next=page.next_cursor)

    @router.get("/{workitem_uid}")
    def show_job(workitem_uid: str) -> views.JobView:
        """Show one job with its attempts, results and deliveries."""
        return views.job(parts.steps.job(workitem_uid))

    @router.post("/{workitem_uid}/retry")
    def retry_job(workitem_uid: str) -> Retried:
        """Repeat a failed analysis, or failed deliveries without inference."""
        return Retried(workitem_uid=parts.steps.retry(workitem_uid))

    @router.post("/{workitem_uid}/reprocess")
    def reprocess_job(workitem_uid: str) -> Retried:
        """Analyse an image again that has been analysed, with the model of now."""
        return Retried(workitem_uid=parts.steps.reprocess(workitem_uid))

    @router.post("/{workitem_uid}/cancel")
    def cancel_job(workitem_uid: str) -> views.JobView:
        """Ask for a job to end; what runs ends at its next step."""
        parts.steps.request_cancel(workitem_uid)
        return views.job(parts.steps.job(workitem_uid))

    return router
