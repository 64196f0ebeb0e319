"""The worklist: every film that came, found by what people know of it."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, Field

from dicom_node.web.pages.face import Face
from dicom_node.web.pages.parts import PageParts
from dicom_node.web.pages.views.words import reason_words
from storage.catalog.films import ArrivedFilm, FilmOrder, FilmSearch, search_films
from storage.records import InstanceState

PER_PAGE = 50
_PAGES = 200
_RECENT = timedelta(days=7)
_QUEUES = (
    InstanceState.QUEUED,
    InstanceState.ANALYZING,
    InstanceState.DELIVERING,
)
"""How far back what has no index is looked for, unless somebody says."""


def _nothing(value: object) -> object:
    """Take an empty field of a form for one that was not filled in."""
    return None if value == "" else value


_Text = Annotated[str, Field(max_length=64)]
_Optional = BeforeValidator(_nothing)


class WorklistQuery(BaseModel, extra="forbid"):
    """What the form asks for; its names stand in the address."""

    patient_id: _Text = ""
    accession_number: _Text = ""
    uid: Annotated[str, Field(max_length=64, pattern=r"^[0-9.]*$")] = ""
    name: _Text = ""
    device: _Text = ""
    state: Annotated[InstanceState | None, _Optional] = None
    reason: _Text = ""
    since: Annotated[date | None, _Optional] = None
    until: Annotated[date | None, _Optional] = None
    least: Annotated[float | None, Field(ge=0, le=100), _Optional] = None
    most: Annotated[float | None, Field(ge=0, le=100), _Optional] = None
    order: FilmOrder = FilmOrder.NEWEST
    page: Annotated[int, Field(ge=1, le=_PAGES)] = 1


@dataclass(frozen=True, slots=True)
class FilmRow:
    """One line.

    Parameters
    ----------
    severity, call
        What was found; ``None`` before, or where the record cannot be read.
    """

    film: ArrivedFilm
    address: str
    severity: float | None
    call: str | None
    took_s: float | None
    reason: str


def worklist(parts: PageParts, face: Face) -> APIRouter:
    """Make the route."""
    router = APIRouter(include_in_schema=False)

    @router.get("/worklist")
    def show(request: Request, wanted: Annotated[WorklistQuery, Query()]) -> Response:
        """List films that meet what is asked for."""
        return face.page(request, "worklist.html", _view(parts, wanted))

    return router


def _view(parts: PageParts, wanted: WorklistQuery) -> dict[str, Any]:
    names = parts.site().show_names
    search = _search(wanted, parts.clock())
    offset = (wanted.page - 1) * PER_PAGE
    with parts.database.transaction(read_only=True) as tx:
        found = search_films(
            tx, search, limit=PER_PAGE + 1, offset=offset, with_names=names
        )
    more = len(found) > PER_PAGE and wanted.page < _PAGES
    return {
        "active": "worklist",
        "rows": [_row(parts, one) for one in found[:PER_PAGE]],
        "wanted": wanted,
        "since": search.since.astimezone().date() if search.since else None,
        "until": wanted.until,
        "names": names,
        "states": tuple(InstanceState),
        "orders": tuple(FilmOrder),
        "before": _address(wanted, wanted.page - 1) if wanted.page > 1 else None,
        "after": _address(wanted, wanted.page + 1) if more else None,
    }


def _search(wanted: WorklistQuery, now: datetime) -> FilmSearch:
    named = wanted.patient_id or wanted.accession_number or wanted.uid
    search = FilmSearch(
        patient_id=wanted.patient_id,
        accession_number=wanted.accession_number,
        uid=wanted.uid,
        name=wanted.name,
        calling_ae=wanted.device,
        state=wanted.state,
        reason=wanted.reason,
        since=_midnight(wanted.since),
        until=_midnight(wanted.until, days=1),
        least=wanted.least,
        most=wanted.most,
        order=wanted.order,
    )
    plain = FilmSearch(order=wanted.order)
    by_arrival = wanted.order is not FilmOrder.SEVEREST and search == plain
    if named or by_arrival or wanted.state in _QUEUES or search.since is not None:
        return search
    end = search.until or now
    began = _midnight((end - _RECENT).astimezone().date())
    return replace(search, since=began)


def _midnight(day: date | None, days: int = 0) -> datetime | None:
    """Tell when a day begins, by the clock of the machine."""
    if day is None:
        return None
    try:
        return datetime.combine(day + timedelta(days=days), time()).astimezone()
    except (OverflowError, OSError, ValueError):
        return None  # the first or the last day that there is narrows nothing


def _row(parts: PageParts, film: ArrivedFilm) -> FilmRow:
    took = None
    if film.ended_at is not None:
        took = (film.ended_at - film.instance.received_at).total_seconds()
    said = film.result or {}
    try:
        severity, call = float(said["severity"]["total"]), said.get("call")
    except (KeyError, TypeError, ValueError):
        severity, call = None, None
    address = f"/films/{film.instance.sop_instance_uid}"
    if film.workitem_uid is not None:
        address = f"/jobs/{film.workitem_uid}"
    words = reason_words(parts.texts, film.reason).said if film.reason else ""
    return FilmRow(film, address, severity, call, took, words)


def _address(wanted: WorklistQuery, page: int) -> str:
    asked = wanted.model_dump(mode="json", exclude_defaults=True) | {"page": page}
    return f"/worklist?{urlencode(asked)}"
