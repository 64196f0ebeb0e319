"""Tells a page that something happened, by server-sent events; it then asks again.

No event says what: a page shows nothing that a request of its own would not get.
"""

import asyncio
import logging
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from dicom_node.web.pages.parts import PageParts
from storage.errors import StorageError
from storage.events import newest_id

logger = logging.getLogger(__name__)
_LOOK_S = 0.5
_LONGEST_LOOKS = 7200
"""After an hour the browser asks anew, and is asked who it is."""


def live(parts: PageParts) -> APIRouter:
    """Make the route."""
    router = APIRouter(include_in_schema=False)

    @router.get("/live", response_class=EventSourceResponse)
    async def listen(request: Request) -> AsyncIterator[ServerSentEvent]:
        """Send an event whenever something has happened."""
        seen = await run_in_threadpool(_newest, parts)
        yield ServerSentEvent(event="open", data=seen)
        for _ in range(_LONGEST_LOOKS):
            await asyncio.sleep(_LOOK_S)
            if request.app.state.is_stopping or await request.is_disconnected():
                return
            found = await run_in_threadpool(_newest, parts)
            if found not in (seen, None):
                seen = found
                yield ServerSentEvent(event="changed", data=seen)

    return router


def _newest(parts: PageParts) -> int | None:
    try:
        with parts.database.transaction(read_only=True) as tx:
            return newest_id(tx)
    except StorageError as error:
        logger.warning("Pages are not told: %s.", error, extra={"action": "tell"})
        return None
