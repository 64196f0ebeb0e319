"""Today: what came, where it stands, how long it took, what needs a look."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from dicom_node.web.pages.drawing.charts import bars
from dicom_node.web.pages.face import Face, safe, today_of
from dicom_node.web.pages.parts import PageParts
from dicom_node.web.pages.texts import Texts
from dicom_node.web.pages.views.destinations import health_of
from storage.catalog import statistics
from storage.catalog.statistics import Passage
from storage.records import InstanceState

_HOURS = 24
_DONE = (
    InstanceState.DELIVERED,
    InstanceState.COMMITTED,
    InstanceState.COMMITMENT_FAILED,
)
_WAITING = (
    InstanceState.QUEUED,
    InstanceState.ANALYZING,
    InstanceState.DELIVERING,
)
_FAILED = (InstanceState.FAILED, InstanceState.COMMITMENT_FAILED)
_ENOUGH_DAYS = 7.0


@dataclass(frozen=True, slots=True)
class FilmTally:
    """A number of films, where they are listed, and when they came."""

    name: str
    number: int
    address: str
    chart: str
    tone: str


def today(parts: PageParts, face: Face) -> APIRouter:
    """Make the route."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def show(
        request: Request,
        wall: Annotated[bool, Query()] = False,  # noqa: FBT002  a query
    ) -> Response:
        """Show the day."""
        return face.page(request, "today.html", _view(parts) | {"wall": wall})

    return router


def _view(parts: PageParts) -> dict[str, Any]:
    now, site = parts.clock(), parts.site()
    began = today_of(now)
    with parts.database.transaction(read_only=True) as tx:
        day = statistics.passages(tx, began)
        queue = statistics.queue(tx)
        stored = statistics.bytes_since(tx, now - timedelta(days=1))
        destinations = [health_of(tx, one, now) for one in site.destinations]
    target = site.arrival_to_pacs_s
    took = sorted(
        (one.ended_at - one.received_at).total_seconds()
        for one in day
        if one.state in _DONE and one.ended_at is not None
    )
    model = next((one for one in site.models() if one.in_service), None)
    return {
        "active": "today",
        "began": began,
        "tallies": _tallies(day, parts.texts, began, now, target),
        "reasons": _reasons(day, parts.texts),
        "p50": percentile(took, 0.5),
        "p95": percentile(took, 0.95),
        "target": target,
        "late": sum(is_late(one, now, target) for one in day),
        "queue": queue,
        "destinations": destinations,
        "disk": _disk(parts, stored),
        "model": model,
        "troubles": {name: said for name, said in parts.conditions().items() if said},
        "warnings": parts.warnings(),
    }


def _tallies(
    day: Sequence[Passage], t: Texts, began: datetime, now: datetime, target: float
) -> list[FilmTally]:
    since = began.astimezone().date().isoformat()
    groups: Mapping[str, tuple[list[Passage], str, str]] = {
        "received": (list(day), "", ""),
        "analysed": ([one for one in day if one.state in _DONE], "delivered", "good"),
        "waiting": ([one for one in day if one.state in _WAITING], "queued", ""),
        "refused": (
            [one for one in day if one.state is InstanceState.NOT_ELIGIBLE],
            "not eligible",
            "",
        ),
        "failed": ([one for one in day if one.state in _FAILED], "failed", "bad"),
        "late": ([one for one in day if is_late(one, now, target)], "", "warn"),
    }
    return [
        FilmTally(
            name=t(f"today.{name}"),
            number=len(films),
            address=f"/worklist?since={since}" + (f"&state={state}" if state else ""),
            chart=_by_hour(films, began, t(f"today.{name}"), t),
            tone=tone if films else "",
        )
        for name, (films, state, tone) in groups.items()
    ]


def _by_hour(films: Sequence[Passage], began: datetime, name: str, t: Texts) -> str:
    counts = Counter(
        int((one.received_at - began).total_seconds() // 3600) for one in films
    )
    values = [counts[hour] for hour in range(_HOURS)]
    hours = [f"{hour:02}:00" for hour in range(_HOURS)]
    return safe(bars(values, hours, t("today.by_hour", name=name)))


def _reasons(day: Sequence[Passage], t: Texts) -> list[tuple[str, str, int]]:
    counts = Counter(
        one.reason
        for one in day
        if one.state is InstanceState.NOT_ELIGIBLE and one.reason
    )
    return [
        (code, t.find(f"reason.{code}") or code, number)
        for code, number in counts.most_common()
    ]


def is_late(one: Passage, now: datetime, target_s: float) -> bool:
    """Tell whether results took, or take, longer than the site wants."""
    if one.state in _WAITING:
        return (now - one.received_at).total_seconds() > target_s
    if one.state in _DONE and one.ended_at is not None:
        return (one.ended_at - one.received_at).total_seconds() > target_s
    return False


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Take the value that so large a share does not exceed (the nearest rank)."""
    if not ordered:
        return None
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def _disk(parts: PageParts, stored_in_a_day: int) -> dict[str, Any]:
    free = parts.store.free_bytes()
    days = free / stored_in_a_day if stored_in_a_day else None
    tone = "good"
    if free <= 0:
        tone = "bad"
    elif days is not None and days < _ENOUGH_DAYS:
        tone = "warn"
    return {"free": max(free, 0), "days": days, "tone": tone}
