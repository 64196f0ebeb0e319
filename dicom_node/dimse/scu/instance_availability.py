"""Instance Availability Notification SCU (DICOM PS3.4 Annex R)."""

from collections.abc import Sequence
from itertools import groupby

from pydicom.dataset import Dataset

from dicom_node.dimse.presentation import AVAILABILITY_CLASS, UNCOMPRESSED, context
from dicom_node.dimse.scu.association import RemoteAE, Timeouts, associate
from dicom_node.dimse.status import Status, refusal
from dicom_node.errors import PeerUnreachable

_TAKEN = (Status.SUCCESS, Status.DUPLICATE_SOP_INSTANCE, 0x0107, 0x0116)
"""Success, told before, and the warnings of N-CREATE (PS3.7 10.1.5.1.6)."""


def notice(
    study: str, objects: Sequence[tuple[str, str, str]], retrieve_ae_title: str
) -> Dataset:
    """Write what can be retrieved, and from whom (PS3.4 Table R.3.2-1).

    Parameters
    ----------
    objects
        Series Instance UID, SOP Class UID and SOP Instance UID of each.
    """
    dataset = Dataset()
    dataset.ReferencedPerformedProcedureStepSequence = []
    dataset.StudyInstanceUID = study
    dataset.ReferencedSeriesSequence = []
    for series, members in groupby(sorted(objects), key=lambda one: one[0]):
        item = Dataset()
        item.SeriesInstanceUID = series
        item.ReferencedSOPSequence = [
            _available(sop_class, uid, retrieve_ae_title)
            for _, sop_class, uid in members
        ]
        dataset.ReferencedSeriesSequence.append(item)
    return dataset


def notify(
    remote: RemoteAE, uid: str, said: Dataset, *, calling_ae: str, timeouts: Timeouts
) -> None:
    """Send a notice by N-CREATE.

    Parameters
    ----------
    uid
        SOP Instance UID of the notice.

    Raises
    ------
    PeerUnreachable, PeerBusy, PeerRefused
        It did not take the notice.
    """
    with associate(
        remote,
        [context(AVAILABILITY_CLASS, UNCOMPRESSED)],
        calling_ae=calling_ae,
        timeouts=timeouts,
    ) as association:
        status, _ = association.send_n_create(said, AVAILABILITY_CLASS, uid)
        if "Status" not in status:
            raise PeerUnreachable(f"{remote} did not answer")
        if status.Status not in _TAKEN:
            raise refusal(status.Status, str(status.get("ErrorComment", "")))


def _available(sop_class: str, uid: str, retrieve_ae_title: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    item.InstanceAvailability = "ONLINE"
    item.RetrieveAETitle = retrieve_ae_title
    return item
