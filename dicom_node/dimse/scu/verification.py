"""Verification SCU: asks a peer whether it is there (DICOM PS3.4 Annex A)."""

from dicom_node.dimse.presentation import UNCOMPRESSED, VERIFICATION_CLASS, context
from dicom_node.dimse.scu.association import (
    RemoteAE,
    Timeouts,
    associate,
)
from dicom_node.dimse.status import Status, refusal
from dicom_node.errors import PeerUnreachable


def echo(remote: RemoteAE, *, calling_ae: str, timeouts: Timeouts) -> None:
    """Send a C-ECHO; returning means that the peer answered Success.

    Parameters
    ----------
    remote
        Whom to ask.
    calling_ae
        Our AE title.
    timeouts
        How long it may take.

    Raises
    ------
    PeerUnreachable
        There is no association, or no answer.
    PeerBusy
        The peer takes no association now.
    PeerRefused
        The peer answered with a failure.
    """
    contexts = [context(VERIFICATION_CLASS, UNCOMPRESSED)]
    with associate(
        remote, contexts, calling_ae=calling_ae, timeouts=timeouts
    ) as association:
        response = association.send_c_echo()
        if "Status" not in response:
            raise PeerUnreachable(f"{remote} did not answer")
        if response.Status != Status.SUCCESS:
            raise refusal(response.Status, str(response.get("ErrorComment", "")))
