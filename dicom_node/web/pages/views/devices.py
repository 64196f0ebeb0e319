"""Devices: what each sending AE sends, and how much of it cannot be analysed."""

from datetime import UTC, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from dicom_node.web.pages.drawing.charts import bars
from dicom_node.web.pages.face import Face, safe
from dicom_node.web.pages.parts import PageParts
from storage.catalog import statistics


def devices(parts: PageParts, face: Face) -> APIRouter:
    """Make the route."""
    router = APIRouter(include_in_schema=False)

    @router.get("/devices")
    def show(
        request: Request, days: Annotated[int, Query(ge=1, le=31)] = 7
    ) -> Response:
        """Show who sent what in the last days."""
        return face.page(request, "devices.html", _view(parts, days))

    return router


def _view(parts: PageParts, days: int) -> dict[str, Any]:
    now = parts.clock().astimezone(UTC)
    dates = [(now - timedelta(days=back)).date() for back in reversed(range(days))]
    began = now.replace(hour=0, minute=0, second=0, microsecond=0)
    with parts.database.transaction(read_only=True) as tx:
        found = statistics.senders(tx, began - timedelta(days=days - 1))
    names = [day.isoformat() for day in dates]
    shown = [
        {
            "sender": one,
            "a_day": one.number / days,
            "share": 100 * one.refused / one.number,
            "chart": safe(
                bars(
                    [one.days.get(name, 0) for name in names],
                    names,
                    parts.texts("devices.chart", name=one.calling_ae or "—"),
                )
            ),
        }
        for one in found
    ]
    return {"active": "devices", "senders": shown, "days": days, "since": names[0]}
