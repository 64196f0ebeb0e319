"""Event reports over a WebSocket (DICOM PS3.18 section 8.10.5).

Reports wait in the outbox until they were sent; those that come while nobody listens
are sent when somebody does. An AE has one connection: a newer one takes the place of
an older one, which may be dead without anybody knowing.
"""

import asyncio
import contextlib
import json
import logging

from fastapi import APIRouter, WebSocket
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from dicom_node.errors import WorkitemRefused
from dicom_node.web.dicomweb.workitems import requests
from dicom_node.worklist.unified.workitem_content import UPS_PUSH, Json
from storage.database import Database
from storage.errors import StorageError
from storage.worklist import subscriptions
from storage.worklist.subscriptions import Channel, EventReport

logger = logging.getLogger(__name__)
_POLL_S = 0.5
_AT_ONCE = 50
_POLICY_VIOLATION, _TRY_AGAIN_LATER = 1008, 1013  # RFC 6455 7.4.1 and its registry
_MESSAGE_IDS = 0xFFFF


def channel(database: Database) -> APIRouter:
    """Make the route of the connections."""
    router = APIRouter(prefix="/dicom-web/subscribers")
    listening: dict[str, asyncio.Task[None]] = {}

    @router.websocket("/{ae_title}")
    async def listen(socket: WebSocket, ae_title: str) -> None:
        """Send the reports of an AE as long as it listens."""
        try:
            title = requests.ae_title(ae_title)
        except WorkitemRefused:
            await socket.close(_POLICY_VIOLATION)
            return
        await socket.accept()
        task = asyncio.ensure_future(_serve(socket, title, database))
        older = listening.get(title)
        listening[title] = task
        if older is not None:
            older.cancel()
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        finally:
            task.cancel()
            if listening.get(title) is task:
                del listening[title]
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await socket.close()

    return router


def message(report: EventReport) -> Json:
    """Write a report as PS3.18 does: the command beside the report."""
    return {
        "00000002": {"vr": "UI", "Value": [str(UPS_PUSH)]},
        "00000110": {"vr": "US", "Value": [report.report_id % _MESSAGE_IDS + 1]},
        "00001000": {"vr": "UI", "Value": [report.workitem_uid]},
        "00001002": {"vr": "US", "Value": [report.event_type]},
        **report.information,
    }


async def _serve(socket: WebSocket, title: str, database: Database) -> None:
    """Send what waits, then look again; end with the connection."""
    gone = asyncio.ensure_future(_until_gone(socket))
    try:
        while not gone.done():
            try:
                sent = await _send_waiting(socket, title, database)
            except (WebSocketDisconnect, RuntimeError):
                return
            except StorageError as error:
                logger.warning(
                    "Reports of the worklist wait: %s.", error, extra={"action": "tell"}
                )
                await socket.close(_TRY_AGAIN_LATER)
                return
            if not sent:
                await asyncio.wait({gone}, timeout=_POLL_S)
    finally:
        gone.cancel()


async def _send_waiting(socket: WebSocket, title: str, database: Database) -> int:
    waiting = await run_in_threadpool(_waiting, database, title)
    for one in waiting:
        await socket.send_text(json.dumps(message(one), ensure_ascii=False))
        await run_in_threadpool(_taken, database, one.report_id)
    return len(waiting)


async def _until_gone(socket: WebSocket) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass


def _waiting(database: Database, title: str) -> list[EventReport]:
    with database.transaction(read_only=True) as tx:
        return subscriptions.waiting(tx, Channel.WEB_SOCKET, title, _AT_ONCE)


def _taken(database: Database, report_id: int) -> None:
    with database.transaction() as tx:
        subscriptions.taken(tx, [report_id])
