"""Storage Commitment Push Model, as it is asked and reported (DICOM PS3.4 Annex J).

Who asks is the SCU; who is asked answers at once that it will see, and reports later:
on the same association or on a new one, which it opens in the role of an SCP.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import build_role, evt
from pynetdicom.association import Association

from dicom_node.dataset.quiet import MALFORMED, quiet
from dicom_node.dimse.presentation import (
    COMMITMENT_CLASS,
    COMMITMENT_INSTANCE,
    UNCOMPRESSED,
    context,
)
from dicom_node.dimse.scu.association import RemoteAE, Timeouts, associate
from dicom_node.dimse.status import Status, refusal
from dicom_node.errors import DatasetInvalid, PeerUnreachable
from storage.errors import StorageError

REQUEST = 1
"""Action Type ID: Request Storage Commitment (PS3.4 J.3.2.1.1)."""
ALL_COMMITTED, FAILURES_EXIST = 1, 2
"""Event Type IDs (PS3.4 J.3.3.1.1)."""

FAILURE_REASONS: Mapping[int, str] = {
    0x0110: "processing failure",
    0x0112: "no such object instance",
    0x0119: "class and instance conflict",
    0x0122: "referenced SOP class not supported",
    0x0131: "duplicate Transaction UID",
    0x0213: "resource limitation",
}
"""Failure Reason (0008,1197) in words, PS3.3 C.14.1.1."""

_MAXIMUM_UID = 64


@dataclass(frozen=True, slots=True)
class CommitmentReport:
    """What became of the objects of a request.

    Parameters
    ----------
    committed
        (SOP Class UID, SOP Instance UID) of what is kept.
    failed
        The same of what is not -> Failure Reason.
    """

    transaction_uid: str
    committed: tuple[tuple[str, str], ...] = ()
    failed: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def event_type(self) -> int:
        """Event Type ID of the notification."""
        return FAILURES_EXIST if self.failed else ALL_COMMITTED

    def dataset(self) -> Dataset:
        """Write the Event Information (PS3.4 Table J.3-2)."""
        dataset = Dataset()
        dataset.TransactionUID = self.transaction_uid
        if self.committed or not self.failed:
            dataset.ReferencedSOPSequence = list(map(_reference, self.committed))
        if self.failed:
            dataset.FailedSOPSequence = [
                _reference(one, reason) for one, reason in self.failed.items()
            ]
        return dataset

    @classmethod
    def of(cls, event: evt.Event) -> "CommitmentReport":
        """Read the Event Information of an N-EVENT-REPORT request.

        Raises
        ------
        DatasetInvalid
            It cannot be read, or names no transaction.
        """
        with _readable():
            dataset = event.event_information
            failed = {
                _names(item): int(item.get("FailureReason", None) or 0)
                for item in dataset.get("FailedSOPSequence", None) or ()
            }
            return cls(_transaction(dataset), tuple(_references(dataset)), failed)


def read_request(dataset: Dataset) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Read the Action Information of a request (PS3.4 Table J.3-1).

    Returns
    -------
    tuple
        Transaction UID, and (SOP Class UID, SOP Instance UID) of each object.

    Raises
    ------
    DatasetInvalid
        It cannot be read, or names no transaction or no object.
    """
    with _readable():
        objects = tuple(dict.fromkeys(_references(dataset)))
        transaction_uid = _transaction(dataset)
    if not objects:
        raise DatasetInvalid("the request names no object")
    return transaction_uid, objects


def request(  # noqa: PLR0913  one request is one call
    remote: RemoteAE,
    transaction_uid: str,
    objects: Sequence[tuple[str, str]],
    *,
    calling_ae: str,
    timeouts: Timeouts,
    listen_s: float,
    take: Callable[["CommitmentReport"], object],
) -> None:
    """Ask a peer to commit itself; returning means that it will see.

    Parameters
    ----------
    objects
        (SOP Class UID, SOP Instance UID) of each.
    listen_s
        How long to stay for a report on the same association.
    take
        Takes reports that come meanwhile.

    Raises
    ------
    PeerUnreachable, PeerBusy, PeerRefused
        It will not.
    """
    heard = threading.Event()

    def reported(event: evt.Event) -> tuple[int, None]:
        try:
            take(CommitmentReport.of(event))
        except DatasetInvalid:
            return Status.INVALID_ARGUMENT_VALUE, None
        except StorageError:
            return Status.PROCESSING_FAILURE, None
        finally:
            heard.set()
        return Status.SUCCESS, None

    action = Dataset()
    action.TransactionUID = transaction_uid
    action.ReferencedSOPSequence = list(map(_reference, objects))
    with associate(
        remote,
        [context(COMMITMENT_CLASS, UNCOMPRESSED)],
        calling_ae=calling_ae,
        timeouts=timeouts,
        handlers=[(evt.EVT_N_EVENT_REPORT, reported)],
    ) as association:
        status, _ = association.send_n_action(
            action, REQUEST, COMMITMENT_CLASS, COMMITMENT_INSTANCE
        )
        _check(remote, status)
        _stay(association, heard, listen_s)


def report(
    remote: RemoteAE,
    said: CommitmentReport,
    *,
    calling_ae: str,
    timeouts: Timeouts,
) -> None:
    """Report to a peer on a new association, in the role of the SCP.

    Raises
    ------
    PeerUnreachable, PeerBusy, PeerRefused
        It did not take the report.
    """
    role = build_role(COMMITMENT_CLASS, scu_role=False, scp_role=True)
    with associate(
        remote,
        [context(COMMITMENT_CLASS, UNCOMPRESSED)],
        calling_ae=calling_ae,
        timeouts=timeouts,
        roles=[role],
    ) as association:
        # A peer that does not answer about the role may take the report all the same.
        status, _ = association.send_n_event_report(
            said.dataset(), said.event_type, COMMITMENT_CLASS, COMMITMENT_INSTANCE
        )
        _check(remote, status)


def _stay(association: Association, heard: threading.Event, listen_s: float) -> None:
    """Wait for a report while the peer holds the association too."""
    step_s = 0.1
    while listen_s > 0 and association.is_established and not heard.wait(step_s):
        listen_s -= step_s


def _check(remote: RemoteAE, status: Dataset) -> None:
    if "Status" not in status:
        raise PeerUnreachable(f"{remote} did not answer")
    if status.Status != Status.SUCCESS:
        raise refusal(status.Status, str(status.get("ErrorComment", "")))


def _reference(one: tuple[str, str], reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = one
    if reason is not None:
        item.FailureReason = reason
    return item


def _references(dataset: Dataset) -> Iterable[tuple[str, str]]:
    return map(_names, dataset.get("ReferencedSOPSequence", None) or ())


def _names(item: Any) -> tuple[str, str]:
    uids = (
        str(item.get("ReferencedSOPClassUID", None) or ""),
        str(item.get("ReferencedSOPInstanceUID", None) or ""),
    )
    if not all(0 < len(uid) <= _MAXIMUM_UID for uid in uids):
        raise DatasetInvalid("a reference is no pair of UIDs")
    return uids


def _transaction(dataset: Dataset) -> str:
    uid = str(dataset.get("TransactionUID", None) or "")
    if not 0 < len(uid) <= _MAXIMUM_UID:
        raise DatasetInvalid("there is no Transaction UID")
    return uid


@contextmanager
def _readable() -> Iterator[None]:
    """Turn what a library raises on a malformed data set into one error."""
    try:
        with quiet():
            yield
    except MALFORMED as error:
        raise DatasetInvalid("the data set is malformed") from error
