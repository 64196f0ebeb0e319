"""Asks a peer what it has, and has it sent to this node (PS3.4 C.4.1, C.4.2, as SCU).

It arrives through the same door as any other, on an association of the peer's.
"""

from collections.abc import Callable, Iterator

from pydicom.dataset import Dataset
from pydicom.uid import UID

from dicom_node.dimse.presentation import UNCOMPRESSED, context
from dicom_node.dimse.scu.association import RemoteAE, Timeouts, associate
from dicom_node.dimse.status import Status, refusal
from dicom_node.errors import NodeError, PeerRefused, PeerUnreachable

STUDY_ROOT_MOVE = UID("1.2.840.10008.5.1.4.1.2.2.2")
STUDY_ROOT_FIND = UID("1.2.840.10008.5.1.4.1.2.2.1")
PULLED_BY = (STUDY_ROOT_FIND, STUDY_ROOT_MOVE)
"""What this node asks peers by."""
_PENDING, _PENDING_WARNING = 0xFF00, 0xFF01
_MOST_ANSWERS = 100_000


def find(
    remote: RemoteAE, keys: Dataset, *, calling_ae: str, timeouts: Timeouts
) -> Iterator[Dataset]:
    """Ask a peer what matches.

    Parameters
    ----------
    remote
        Who is asked.
    keys
        The identifier of a C-FIND request (Study Root).
    calling_ae, timeouts
        As whom, and how patiently.

    Raises
    ------
    PeerUnreachable, PeerBusy
        It may be asked later.
    PeerRefused
        The peer does not answer this.
    """
    offered = [context(STUDY_ROOT_FIND, UNCOMPRESSED)]
    with associate(
        remote, offered, calling_ae=calling_ae, timeouts=timeouts
    ) as association:
        answers = association.send_c_find(keys, STUDY_ROOT_FIND)
        for count, (answer, found) in enumerate(answers):
            if "Status" not in answer:
                raise PeerUnreachable(f"{remote} did not answer")
            if answer.Status not in (_PENDING, _PENDING_WARNING):
                if answer.Status != Status.SUCCESS:
                    raise _refused(answer)
                return
            if count >= _MOST_ANSWERS:
                raise PeerRefused(answer.Status, f"{remote} answers without end")
            if found is not None:
                yield found
    raise PeerUnreachable(f"{remote} did not answer")


def move_study(
    remote: RemoteAE,
    study_instance_uid: str,
    *,
    calling_ae: str,
    timeouts: Timeouts,
    went_on: Callable[[], None] = lambda: None,
) -> int:
    """Ask for a study to be sent here; returning means that all of it was.

    Parameters
    ----------
    remote, calling_ae, timeouts
        As for an instance.
    went_on
        Called when the peer says that it is at it.

    Returns
    -------
    int
        How many objects were sent.

    Raises
    ------
    PeerUnreachable, PeerBusy
        It may be had later.
    PeerRefused
        The peer does not send it, or not all of it.
    """
    keys = Dataset()
    keys.QueryRetrieveLevel = "STUDY"
    keys.StudyInstanceUID = study_instance_uid
    return _move(remote, keys, calling_ae, timeouts, went_on)


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
    if not _move(remote, keys, calling_ae, timeouts, lambda: None):
        raise PeerRefused(Status.SUCCESS, f"{remote} has no such instance")


def _move(
    remote: RemoteAE,
    keys: Dataset,
    calling_ae: str,
    timeouts: Timeouts,
    went_on: Callable[[], None],
) -> int:
    offered = [context(STUDY_ROOT_MOVE, UNCOMPRESSED)]
    with associate(
        remote, offered, calling_ae=calling_ae, timeouts=timeouts
    ) as association:
        for answer, _ in association.send_c_move(keys, calling_ae, STUDY_ROOT_MOVE):
            if "Status" not in answer:
                raise PeerUnreachable(f"{remote} did not answer")
            if answer.Status == _PENDING:
                went_on()
                continue
            if answer.Status != Status.SUCCESS:
                raise _refused(answer)
            return int(answer.get("NumberOfCompletedSuboperations") or 0)
    raise PeerUnreachable(f"{remote} did not answer")


def _refused(answer: Dataset) -> NodeError:
    return refusal(answer.Status, str(answer.get("ErrorComment", "")))
