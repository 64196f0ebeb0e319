"""Destinations: how each does, and whether it answers just now."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from dicom_node.errors import NodeError
from dicom_node.web.pages.face import Face
from dicom_node.web.pages.parts import PageParts, ShownDestination
from storage.database import Transaction
from storage.outbox.backlog import Backlog, backlog

_PATIENCE = timedelta(minutes=10)
"""What waits longer is a sign."""


@dataclass(frozen=True, slots=True)
class DestinationHealth:
    """How one destination does.

    Parameters
    ----------
    tone
        ``good``, ``warn`` or ``bad``.
    word
        The same as a key of the words.
    """

    destination: ShownDestination
    backlog: Backlog
    tone: str
    word: str


def destinations(parts: PageParts, face: Face) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/destinations", include_in_schema=False)

    @router.get("")
    def show(request: Request) -> Response:
        """Show every destination."""
        return face.page(request, "destinations.html", _view(parts))

    @router.post("/{name}/test")
    def test(request: Request, name: str) -> Response:
        """Ask a destination whether it is there, and say what it answered."""
        known = {one.name: one for one in parts.site().destinations}
        if name not in known:
            text = parts.texts("destinations.unknown")
            raise HTTPException(HTTPStatus.NOT_FOUND, text)
        view = _view(parts) | {"tested": name, "trouble": _trouble(known[name])}
        return face.page(request, "destinations.html", view)

    return router


def health_of(
    tx: Transaction, one: ShownDestination, now: datetime
) -> DestinationHealth:
    """Judge a destination by what waits for it."""
    found = backlog(tx, one.name)
    waits = now - found.waits_since if found.waits_since else timedelta()
    tone, word = "good", "well"
    if found.pending and found.last_error:
        tone, word = "bad", "troubled"
    elif found.pending and waits > _PATIENCE:
        tone, word = "warn", "slow"
    elif found.failed:
        tone, word = "warn", "gave_up"
    elif found.sent_at is None and not found.pending:
        tone, word = "good", "idle"
    return DestinationHealth(one, found, tone, word)


def _view(parts: PageParts) -> dict[str, Any]:
    now = parts.clock()
    with parts.database.transaction(read_only=True) as tx:
        found = [health_of(tx, one, now) for one in parts.site().destinations]
    return {
        "active": "destinations",
        "destinations": found,
        "tested": None,
        "trouble": None,
    }


def _trouble(one: ShownDestination) -> str | None:
    try:
        one.probe()
    except NodeError as error:
        return str(error)
    return None
