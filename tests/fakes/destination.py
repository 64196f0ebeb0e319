"""A receiver of results that remembers, and can be told to misbehave."""

import threading
from collections.abc import Callable, Iterator, Sequence

from dicom_node.delivery.destination import Handover, Parcel
from dicom_node.errors import NodeError, PeerUnreachable

Script = Callable[[Parcel], NodeError | int | None]


class RecordingDestination:
    """Keeps what it is given.

    Parameters
    ----------
    script
        From an object to why it is refused, or to the number of a remark on it; by
        default it is taken without a word.
    """

    def __init__(self, script: Script | None = None) -> None:
        self._script = script or (lambda _: None)
        self._changed = threading.Condition()
        self.up = True
        self.received: list[tuple[str, bytes]] = []
        self.associations = 0
        self.probes = 0

    def deliver(self, parcels: Sequence[Parcel]) -> Iterator[Handover]:
        self.associations += 1
        for item in parcels:
            yield self._take(item)

    def _take(self, item: Parcel) -> Handover:
        uid = item.sop_instance_uid
        if not self.up:
            return Handover(uid, None, PeerUnreachable("the peer is down"))
        said = self._script(item)
        if isinstance(said, NodeError):
            return Handover(uid, getattr(said, "status", None), said)
        with self._changed:
            self.received.append((uid, item.path.read_bytes()))
            self._changed.notify_all()
        return Handover(uid, said or 0, detail=f"remark {said}" if said else "")

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
