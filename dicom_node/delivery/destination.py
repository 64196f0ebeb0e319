"""A receiver of results: the seam, and the receiver that speaks DIMSE.

Adding a kind of destination is one class here and its row in ``node``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dicom_node.dimse.scu import storage as storage_scu
from dicom_node.dimse.scu import verification as verification_scu
from dicom_node.dimse.scu.association import RemoteAE, Timeouts
from dicom_node.errors import DatasetInvalid, NodeError, PeerBusy, PeerUnreachable
from storage.errors import StorageError


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An object to send: the stored bytes, never made again."""

    sop_class_uid: str
    sop_instance_uid: str
    path: Path


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one object.

    Parameters
    ----------
    status
        The response status, ``None`` when there was no response.
    error
        Why the receiver does not have it; ``None`` when it does.
    """

    sop_instance_uid: str
    status: int | None = None
    error: NodeError | StorageError | None = None


class Destination(Protocol):
    """A receiver of results."""

    def deliver(self, objects: Sequence[Outgoing]) -> Iterable[Answer]:
        """Send objects; one answer for each, as they come, in any order.

        No exception: an unreachable receiver is every object's error.
        """
        ...

    def probe(self) -> None:
        """Ask whether it is there; raises PeerUnreachable or PeerRefused."""
        ...


class DimseDestination:
    """A receiver that takes C-STORE.

    Parameters
    ----------
    remote
        Whom to call.
    calling_ae
        Our AE title.
    timeouts
        How long it may take.
    """

    def __init__(self, remote: RemoteAE, calling_ae: str, timeouts: Timeouts) -> None:
        self._remote = remote
        self._calling_ae = calling_ae
        self._timeouts = timeouts

    def deliver(self, objects: Sequence[Outgoing]) -> Iterator[Answer]:
        """Send objects in one association; see ``Destination.deliver``."""
        readable: list[storage_scu.Outgoing] = []
        for item in objects:
            try:
                readable.append(storage_scu.Outgoing.read(item.path))
            except DatasetInvalid as error:
                yield Answer(item.sop_instance_uid, None, error)
        yield from self._send(readable)

    def _send(self, objects: list[storage_scu.Outgoing]) -> Iterator[Answer]:
        waiting = dict.fromkeys(item.sop_instance_uid for item in objects)
        try:
            for result in storage_scu.send(
                objects,
                self._remote,
                calling_ae=self._calling_ae,
                timeouts=self._timeouts,
            ):
                waiting.pop(result.sop_instance_uid, None)
                yield Answer(result.sop_instance_uid, result.status, result.error)
        except (PeerUnreachable, PeerBusy) as error:
            for uid in waiting:
                yield Answer(uid, None, error)

    def probe(self) -> None:
        """Send a C-ECHO; see ``Destination.probe``."""
        verification_scu.echo(
            self._remote, calling_ae=self._calling_ae, timeouts=self._timeouts
        )
