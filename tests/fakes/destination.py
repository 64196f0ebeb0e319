"""A receiver of results that remembers, and can be told to misbehave."""

import threading
from collections.abc import Callable, Iterator, Sequence

from dicom_node.delivery.destination import Answer, Outgoing
from dicom_node.errors import NodeError, PeerUnreachable

Script = Callable[[Outgoing], NodeError | None]


class RecordingDestination:
    """Keeps what it is given.

    Parameters
    ----------
    script
        From an object to why it is refused; by default nothing is.
    """

    def __init__(self, script: Script | None = None) -> None:
        self._script = script or (lambda _: None)
        self._changed = threading.Condition()
        self.up = True
        self.received: list[tuple[str, bytes]] = []
        self.associations = 0
        self.probes = 0

    def deliver(self, objects: Sequence[Outgoing]) -> Iterator[Answer]:
        self.associations += 1
        for item in objects:
            yield self._take(item)

    def _take(self, item: Outgoing) -> Answer:
        uid = item.sop_instance_uid
        if not self.up:
            return Answer(uid, None, PeerUnreachable("the peer is down"))
        error = self._script(item)
        if error is not None:
            return Answer(uid, getattr(error, "status", None), error)
        with self._changed:
            self.received.append((uid, item.path.read_bytes()))
            self._changed.notify_all()
        return Answer(uid, 0x0000)

    def probe(self) -> None:
        self.probes += 1
        if not self.up:
            raise PeerUnreachable("the peer is down")

    def wait_for(self, count: int, timeout_s: float = 180.0) -> bool:
        """Wait until so many objects are here."""
        with self._changed:
            return self._changed.wait_for(
                lambda: len(self.received) >= count, timeout_s
            )
