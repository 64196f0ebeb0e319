"""A receiver of results that takes C-STORE (DICOM PS3.4 Annex B)."""

from collections.abc import Iterator, Sequence

from dicom_node.delivery.destination import Handover, Parcel
from dicom_node.dimse.scu import storage, verification
from dicom_node.dimse.scu.association import RemoteAE, Timeouts
from dicom_node.errors import DatasetInvalid, PeerBusy, PeerUnreachable


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

    def deliver(self, parcels: Sequence[Parcel]) -> Iterator[Handover]:
        """Send objects in one association; see ``Destination.deliver``."""
        readable: list[storage.Outgoing] = []
        for parcel in parcels:
            try:
                readable.append(storage.Outgoing.read(parcel.path))
            except DatasetInvalid as error:
                yield Handover(parcel.sop_instance_uid, None, error)
        yield from self._send(readable)

    def _send(self, objects: list[storage.Outgoing]) -> Iterator[Handover]:
        waiting = dict.fromkeys(item.sop_instance_uid for item in objects)
        try:
            for result in storage.send(
                objects,
                self._remote,
                calling_ae=self._calling_ae,
                timeouts=self._timeouts,
            ):
                waiting.pop(result.sop_instance_uid, None)
                yield _handover(result)
        except (PeerUnreachable, PeerBusy) as error:
            for uid in waiting:
                yield Handover(uid, None, error)

    def probe(self) -> None:
        """Send a C-ECHO; see ``Destination.probe``."""
        verification.echo(
            self._remote, calling_ae=self._calling_ae, timeouts=self._timeouts
        )


def _handover(result: storage.SendResult) -> Handover:
    warned = result.error is None and result.status
    detail = f"status 0x{result.status:04X}" if warned else ""
    return Handover(result.sop_instance_uid, result.status, result.error, detail)
