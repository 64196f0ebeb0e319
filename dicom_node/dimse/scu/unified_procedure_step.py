"""Tells subscribers what happened to Workitems (N-EVENT-REPORT, PS3.4 CC.2.4).

The node is the SCP of the event, on an association that it asks for: it says so by role
selection, and goes on where the subscriber does not answer to that.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pynetdicom import build_role

from dicom_node.dimse.presentation import (
    EVENT_CLASS,
    UNCOMPRESSED,
    WORKLIST_CLASSES,
    context,
)
from dicom_node.dimse.scu.association import RemoteAE, Timeouts, associate
from dicom_node.errors import PeerUnreachable


@dataclass(frozen=True, slots=True)
class Told:
    """One report for a subscriber."""

    report_id: int
    workitem_uid: str
    event_type: int
    information: Dataset


def report(
    remote: RemoteAE,
    reports: Iterable[Told],
    *,
    calling_ae: str,
    timeouts: Timeouts,
) -> Iterator[tuple[int, int]]:
    """Send reports in their order; give the number and the status of each.

    Raises
    ------
    PeerUnreachable
        There is no association, or it broke; what was not given was not taken.
    PeerBusy, ClassNotAccepted
        The subscriber takes no reports.
    """
    push = WORKLIST_CLASSES[0]
    role = build_role(EVENT_CLASS, scp_role=True)
    with associate(
        remote,
        [context(EVENT_CLASS, UNCOMPRESSED)],
        calling_ae=calling_ae,
        timeouts=timeouts,
        roles=[role],
    ) as association:
        for one in reports:
            status, _ = association.send_n_event_report(
                one.information,
                one.event_type,
                push,
                one.workitem_uid,
                meta_uid=EVENT_CLASS,
            )
            if "Status" not in status:
                raise PeerUnreachable(f"{remote} did not answer")
            yield one.report_id, int(status.Status)
