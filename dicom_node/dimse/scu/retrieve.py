"""Has a peer send an instance to this node (C-MOVE SCU, DICOM PS3.4 C.4.2).

It arrives through the same door as any other, on an association of the peer's.
"""

from pydicom.dataset import Dataset
from pydicom.uid import UID

from dicom_node.dimse.presentation import UNCOMPRESSED, context
from dicom_node.dimse.scu.association import RemoteAE, Timeouts, associate
from dicom_node.dimse.status import Status, refusal
from dicom_node.errors import PeerRefused, PeerUnreachable

STUDY_ROOT_MOVE = UID("1.2.840.10008.5.1.4.1.2.2.2")
PULLED_BY = (STUDY_ROOT_MOVE,)
"""What this node asks peers by."""
_PENDING = 0xFF00


def move(
    remote: RemoteAE,
    wanted: tuple[str, str, str],
    *,
    calling_ae: str,
    timeouts: Timeouts,
) -> None:
    """Ask for one instance to be sent here; returning means that it was.

    Parameters
    ----------
    remote
        Who has it.
    wanted
        UIDs of study, series and instance.
    calling_ae
        Our AE title, which is also where it shall be sent.
    timeouts
        How long the peer may take.

    Raises
    ------
    PeerUnreachable, PeerBusy
        It may be had later.
    PeerRefused
        The peer does not send it.
    """
    keys = Dataset()
    keys.QueryRetrieveLevel = "IMAGE"
    keys.StudyInstanceUID, keys.SeriesInstanceUID, keys.SOPInstanceUID = wanted
    with associate(
        remote,
        [context(STUDY_ROOT_MOVE, UNCOMPRESSED)],
        calling_ae=calling_ae,
        timeouts=timeouts,
    ) as association:
        for answer, _ in association.send_c_move(keys, calling_ae, STUDY_ROOT_MOVE):
            if "Status" not in answer:
                raise PeerUnreachable(f"{remote} did not answer")
            if answer.Status == _PENDING:
                continue
            if answer.Status != Status.SUCCESS:
                raise refusal(answer.Status, str(answer.get("ErrorComment", "")))
            if not answer.get("NumberOfCompletedSuboperations"):
                raise PeerRefused(answer.Status, f"{remote} has no such instance")
            return
    raise PeerUnreachable(f"{remote} did not answer")
