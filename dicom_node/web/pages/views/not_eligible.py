"""Not eligible: what was not analysed, by reason and by who sent it."""

from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from dicom_node.web.pages.face import Face
from dicom_node.web.pages.parts import PageParts
from storage.catalog import statistics

Days = Annotated[int, Query(ge=1, le=90)]


def not_eligible(parts: PageParts, face: Face) -> APIRouter:
    """Make the route."""
    router = APIRouter(include_in_schema=False)

    @router.get("/not-eligible")
    def show(request: Request, days: Days = 7) -> Response:
        """Show what was not analysed in the last days."""
        return face.page(request, "not_eligible.html", _view(parts, days))

    return router


def _view(parts: PageParts, days: int) -> dict[str, Any]:
    since = parts.clock() - timedelta(days=days)
    with parts.database.transaction(read_only=True) as tx:
        found = statistics.refusals(tx, since)
    day = since.astimezone().date().isoformat()
    groups: dict[str, dict[str, Any]] = {}
    for one in found:
        group = groups.setdefault(
            one.code,
            {
                "code": one.code,
                "text": one.text,
                "remedy": parts.texts.find(f"remedy.{one.code}")
                or parts.texts("remedy.of_image"),
                "number": 0,
                "senders": [],
            },
        )
        group["number"] += one.number
        asked = {"reason": one.code, "device": one.calling_ae, "since": day}
        group["senders"].append((one, f"/worklist?{urlencode(asked)}"))
    ordered = sorted(groups.values(), key=lambda group: -group["number"])
    return {"active": "refusals", "groups": ordered, "days": days}
