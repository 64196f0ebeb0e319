"""Storage Commitment Push Model in both roles, as far as callers ask (PS3.4 Annex J).

A modality's N-ACTION is answered as soon as it is written down, and reported on the
same association while that lasts. An archive's N-EVENT-REPORT about our results is
always answered.
"""

import logging
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, cast

from pynetdicom import evt
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.dsutils import encode
from pynetdicom.presentation import PresentationContext

from dicom_node.dataset.quiet import MALFORMED, quiet
from dicom_node.dimse.presentation import (
    COMMITMENT_CLASS,
    COMMITMENT_INSTANCE,
    acceptor_contexts,
)
from dicom_node.dimse.scu.storage_commitment import (
    ALL_COMMITTED,
    FAILURES_EXIST,
    REQUEST,
    CommitmentReport,
    read_request,
)
from dicom_node.dimse.service_class import Handler, Roles, SpeaksFirst
from dicom_node.dimse.status import Status, status_of
from dicom_node.errors import DatasetInvalid, NodeError
from dicom_node.worklist.commitment import Commitments
from dicom_node.worklist.commitment_requests import CommitmentRequests
from storage.errors import DuplicateInstance, StorageError
from storage.records import CommitmentRequest

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.dimse_primitives import N_ACTION

logger = logging.getLogger(__name__)


class StorageCommitmentService:
    """Answers requests for commitment, and reports of it.

    Parameters
    ----------
    requests
        Of peers, to this node.
    commitments
        Of destinations, to keep our results.
    """

    def __init__(self, requests: CommitmentRequests, commitments: Commitments) -> None:
        self._requests = requests
        self._commitments = commitments

    @property
    def contexts(self) -> Sequence[PresentationContext]:
        """The one class of the service."""
        return acceptor_contexts("Storage Commitment")

    @property
    def roles(self) -> Mapping[str, Roles]:
        """Callers ask as SCU, and report as SCP."""
        return {COMMITMENT_CLASS: Roles(scu=True, scp=True)}

    @property
    def handlers(self) -> Mapping[evt.EventType, Handler]:
        """N-ACTION and N-EVENT-REPORT."""
        return {evt.EVT_N_ACTION: self.act, evt.EVT_N_EVENT_REPORT: self.take}

    def act(self, event: evt.Event) -> tuple[int, None]:
        """Write a request down; the report follows its response."""
        request = cast("N_ACTION", event.request)
        if request.ActionTypeID != REQUEST:
            return Status.NO_SUCH_ACTION_TYPE, None
        if request.RequestedSOPInstanceUID != COMMITMENT_INSTANCE:
            return Status.NO_SUCH_SOP_INSTANCE, None
        try:
            asked = self._receive(event)
        except DatasetInvalid as error:
            return _refuse(event, Status.INVALID_ARGUMENT_VALUE, error)
        except DuplicateInstance as error:
            return _refuse(event, Status.PROCESSING_FAILURE, error)
        except (NodeError, StorageError) as error:
            return _refuse(event, status_of(error), error)
        association = event.assoc
        if isinstance(association, SpeaksFirst):
            association.afterwards(lambda: self._report(event, association, asked))
        return Status.SUCCESS, None

    def take(self, event: evt.Event) -> tuple[int, None]:
        """Take an archive's report, and answer it whatever it says."""
        request = cast("N_EVENT_REPORT", event.request)
        if request.EventTypeID not in (ALL_COMMITTED, FAILURES_EXIST):
            return Status.NO_SUCH_EVENT_TYPE, None
        try:
            report = CommitmentReport.of(event)
            self._commitments.take(report, _calling_ae(event.assoc))
        except DatasetInvalid as error:
            return _refuse(event, Status.INVALID_ARGUMENT_VALUE, error)
        except StorageError as error:
            return _refuse(event, Status.PROCESSING_FAILURE, error)
        return Status.SUCCESS, None

    def _receive(self, event: evt.Event) -> CommitmentRequest:
        try:
            with quiet():
                action = event.action_information
        except MALFORMED as error:
            raise DatasetInvalid("the data set is malformed") from error
        transaction_uid, objects = read_request(action)
        called = event.assoc.requestor.primitive
        return self._requests.receive(
            transaction_uid,
            objects,
            peer=_calling_ae(event.assoc),
            called_ae="" if called is None else str(called.called_ae_title).strip(),
            address=str(event.assoc.requestor.address),
        )

    def _report(
        self, event: evt.Event, association: SpeaksFirst, asked: CommitmentRequest
    ) -> None:
        """Report on the association of the request."""
        said = self._requests.report_on(asked)
        syntax = event.context.transfer_syntax
        encoded = encode(
            said.dataset(),
            syntax.is_implicit_VR,
            syntax.is_little_endian,
            syntax.is_deflated,
        )
        report = N_EVENT_REPORT()
        report.AffectedSOPClassUID = COMMITMENT_CLASS
        report.AffectedSOPInstanceUID = COMMITMENT_INSTANCE
        report.EventTypeID = said.event_type
        report.EventInformation = BytesIO(encoded or b"")
        association.report(
            report,
            event.context.context_id,
            lambda status: self._requests.answered(asked, status),
        )


def _calling_ae(association: "Association") -> str:
    return str(association.requestor.ae_title).strip()


def _refuse(event: evt.Event, status: int, error: Exception) -> tuple[int, None]:
    logger.warning(
        "Refused a Storage Commitment message from %s with 0x%04X: %s.",
        _calling_ae(event.assoc),
        status,
        error if isinstance(error, NodeError | StorageError) else "it is malformed",
        extra={"action": "refuse"},
    )
    return status, None
