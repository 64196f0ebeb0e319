"""A request's body, on its way from the event loop to the thread that stores it.

The loop goes on receiving while the thread writes to disk; it stops when the thread
falls behind, so that a body of any length takes the same memory.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator

from starlette.requests import ClientDisconnect

_MOST_BYTES = 4 << 20


class Pump:
    """Pieces of a body; made within the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._changed = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._is_complete = False
        self._is_broken = False
        self._is_unread = False

    async def fill(self, body: AsyncIterator[bytes]) -> None:
        """Take a whole body in."""
        try:
            async for piece in body:
                await self._put(piece)
        except ClientDisconnect:
            self._end(broken=True)
        except BaseException:
            self._end(broken=True)
            raise
        else:
            self._end(broken=False)

    def __iter__(self) -> Iterator[bytes]:
        """Give the pieces, in the thread.

        Raises
        ------
        ConnectionError
            The client went away.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pieces or self._is_complete)
                if not self._pieces:
                    if self._is_broken:
                        raise ConnectionError("the client went away")
                    return
                piece = self._pieces.popleft()
                self._waiting_bytes -= len(piece)
            self._loop.call_soon_threadsafe(self._room.set)
            yield piece

    def stop_reading(self) -> None:
        """Let the rest of the body go by: nobody reads it any more."""
        with self._changed:
            self._is_unread = True
            self._pieces.clear()
            self._waiting_bytes = 0
        self._loop.call_soon_threadsafe(self._room.set)

    async def _put(self, piece: bytes) -> None:
        if not piece or self._is_unread:
            return
        with self._changed:
            self._pieces.append(piece)
            self._waiting_bytes += len(piece)
            self._changed.notify()
        while self._waiting_bytes > _MOST_BYTES and not self._is_unread:
            self._room.clear()
            if self._waiting_bytes > _MOST_BYTES:
                await self._room.wait()

    def _end(self, *, broken: bool) -> None:
        with self._changed:
            self._is_broken = broken
            self._is_complete = True
            self._changed.notify()
