"""``/api/v1/instances``: every received image with its one visible state."""

from typing import Annotated

from fastapi import APIRouter, Query

from dicom_node.web.api import views
from dicom_node.web.api.filters import Filter
from dicom_node.web.api.parts import ApiParts
from storage.catalog import arrivals
from storage.catalog import instances as catalog
from storage.records import InstanceState


class InstanceFilter(Filter):
    """Which received images to list."""

    state: InstanceState | None = None
    reason: str | None = None
    calling_ae: str | None = None
    duplicates: bool | None = None


def instances(parts: ApiParts) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/api/v1/instances", tags=["instances"])

    @router.get("")
    def list_instances(
        wanted: Annotated[InstanceFilter, Query()],
    ) -> views.Items[views.InstanceView]:
        """List every received image with its state, newest first."""
        with parts.database.transaction(read_only=True) as tx:
            page = arrivals.list_instances(tx, **wanted.model_dump())
        items = [views.instance(item) for item in page.items]
        return views.Items(items=items, next=page.next_cursor)

    @router.get("/{sop_instance_uid}")
    def show_instance(sop_instance_uid: str) -> views.InstanceView:
        """Show one received image."""
        with parts.database.transaction(read_only=True) as tx:
            return views.instance(catalog.get_status(tx, sop_instance_uid))

    return router
