"""What the node's loops share: their threads, their end, and what makes them look."""

import logging
import threading
from collections.abc import Callable

from dicom_node.node.service import time_left
from storage.database import Database
from storage.signals import Topic, Watch

logger = logging.getLogger(__name__)

ENDED = "it ended"

Body = Callable[[threading.Event, Watch], None]
"""Works until the event is set; the watch makes it look."""


class Loop:
    """A loop in a thread of its own.

    Parameters
    ----------
    name
        Of the thread, for the log.
    body
        What it does.
    watch
        What makes it look.
    """

    def __init__(self, name: str, body: Body, watch: Watch) -> None:
        self.watch = watch
        self._end = threading.Event()
        self._thread = threading.Thread(
            target=body, args=(self._end, watch), name=name, daemon=True
        )
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self._thread.is_alive()

    def end(self) -> None:
        """Let it begin nothing more; what it does is finished."""
        self._end.set()
        self.watch.notify()

    def join(self, deadline: float) -> None:
        """Wait for its end; what it does not finish is done again."""
        self._thread.join(time_left(deadline))
        if self._thread.is_alive():
            logger.warning(
                "The %s did not finish in time; its work starts again later.",
                self._thread.name,
                extra={"action": "stop"},
            )


class Loops:
    """All loops of a process.

    They end together: while one is waited for, none of the others begins anything.

    Parameters
    ----------
    database
        Whose news they follow.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._loops: list[Loop] = []

    def run(self, name: str, body: Body, topic: Topic) -> Loop:
        """Run a loop."""
        loop = Loop(name, body, self._database.watch(topic))
        self._loops = [one for one in self._loops if one.running] + [loop]
        return loop

    def wake(self) -> None:
        """Make every loop look for work."""
        for loop in self._loops:
            loop.watch.notify()

    def finish(self, loop: Loop, deadline: float) -> None:
        """End all loops, and wait for one."""
        for one in self._loops:
            one.end()
        loop.join(deadline)
