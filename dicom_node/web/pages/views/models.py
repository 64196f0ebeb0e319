"""Models: what is at hand, its card and digest, and what it says of films."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request, Response

from dicom_node.web.pages.drawing.charts import bars, histogram
from dicom_node.web.pages.face import Face, safe
from dicom_node.web.pages.parts import PageParts
from storage.catalog import statistics

_DAYS, _MOST_FILMS, _BINS = 30, 2_000, 20


def models(parts: PageParts, face: Face) -> APIRouter:
    """Make the route."""
    router = APIRouter(include_in_schema=False)

    @router.get("/models")
    def show(request: Request) -> Response:
        """Show every model and its distributions."""
        return face.page(request, "models.html", _view(parts))

    return router


def _view(parts: PageParts) -> dict[str, Any]:
    since = parts.clock() - timedelta(days=_DAYS)
    with parts.database.transaction(read_only=True) as tx:
        found = statistics.scores(tx, since, _MOST_FILMS)
    by_model: dict[str, list[statistics.Scored]] = defaultdict(list)
    for one in found:
        by_model[one.model].append(one)
    t = parts.texts
    produced = [
        {
            "model": name,
            "films": len(films),
            "scores": _chart([one.score for one in films], 1.0, t("models.scores")),
            "severities": _chart(
                [one.severity for one in films], 100.0, t("models.severities")
            ),
        }
        for name, films in sorted(by_model.items())
    ]
    return {
        "active": "models",
        "models": parts.site().models(),
        "produced": produced,
        "days": _DAYS,
    }


def _chart(values: list[float], most: float, label: str) -> str:
    width = most / _BINS
    names = [f"{place * width:g} to {(place + 1) * width:g}" for place in range(_BINS)]
    return safe(bars(histogram(values, most, _BINS), names, label))
