"""Storage SCP: C-STORE into the reception (DICOM PS3.4 Annex B).

The data set goes to disk fragment by fragment, as it was sent. Success is answered
only after ``reception.receive`` returned.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, cast

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.presentation import PresentationContext

from dicom_node.dataset.part10 import Arriving, part10_header
from dicom_node.dimse.presentation import STORAGE_CLASSES, acceptor_contexts
from dicom_node.dimse.service_class import Handler, Roles
from dicom_node.dimse.status import STATUS, Status, status_of
from dicom_node.errors import ClassNotAccepted, DatasetInvalid, NodeError
from dicom_node.worklist.reception import Custody, Receipt, Reception
from storage.errors import DuplicateInstance, StorageError
from storage.objects.protocol import Incoming

if TYPE_CHECKING:
    from pynetdicom.dimse_primitives import C_STORE

logger = logging.getLogger(__name__)
_COMMENT_LENGTH = 64  # Error Comment is LO; PS3.7 C.4
_PATIENCE = 4
_PRIORITIES = {1: 1, 2: -1}
"""Priority (0000,0700) of a request: 1 is HIGH, 2 is LOW; PS3.7 9.1.1."""


class Arrival(BytesIO):
    """A data set on its way to disk; pynetdicom takes it for a message's buffer.

    An error does not end the association: the rest is read and thrown away, and
    the response says what was wrong (PS3.7 9.1.1.1.9).

    Parameters
    ----------
    reception
        Where it goes.
    maximum_bytes
        A longer data set is refused; one that does not end at all makes ``write``
        fail, which aborts the association.
    """

    def __init__(self, reception: Reception, header: bytes, maximum_bytes: int) -> None:
        super().__init__()
        self._maximum_bytes = maximum_bytes
        self._received_bytes = 0
        self._incoming: Incoming | None = None
        self._failure: Exception | None = None
        try:
            self._incoming = reception.incoming()
            self._incoming.write(header)
        except (StorageError, OSError) as error:
            self._give_up(error)

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        """Take a fragment."""
        self._received_bytes += len(data)
        if self._received_bytes > _PATIENCE * self._maximum_bytes:
            raise DatasetInvalid("the data set does not end")
        if self._received_bytes > self._maximum_bytes:
            self._give_up(DatasetInvalid("larger than this node accepts"))
        if self._incoming is not None:
            try:
                self._incoming.write(data)
            except (StorageError, OSError) as error:
                self._give_up(error)
        return len(data)

    def hand_over(self) -> Incoming:
        """Give up the complete object, or raise what went wrong on its way."""
        if self._failure is not None:
            raise self._failure
        if self._incoming is None:
            raise DatasetInvalid("there is no data set")
        incoming, self._incoming = self._incoming, None
        return incoming

    def close(self) -> None:
        """Forget what was received and not handed over."""
        if self._incoming is not None:
            self._incoming.abort()
            self._incoming = None
        super().close()

    def _give_up(self, error: Exception) -> None:
        self._failure = self._failure or error
        if self._incoming is not None:
            self._incoming.abort()
            self._incoming = None


class StorageSCP:
    """Answers C-STORE requests.

    Parameters
    ----------
    reception
        Makes objects durable.
    maximum_object_bytes
        Longer data sets are refused.
    titles
        Titles of ours that have a word of their own: it stays with what was sent to
        them, in the file too.
    """

    def __init__(
        self,
        reception: Reception,
        maximum_object_bytes: int,
        titles: Collection[str] = (),
    ) -> None:
        self._reception = reception
        self._maximum_object_bytes = maximum_object_bytes
        self._titles = titles

    @property
    def contexts(self) -> Sequence[PresentationContext]:
        """Images that a modality may send."""
        return acceptor_contexts("Storage")

    @property
    def roles(self) -> Mapping[str, Roles]:
        """Either: who retrieves images by C-GET takes them as SCP."""
        return {str(uid): Roles(scu=True, scp=True) for uid in STORAGE_CLASSES}

    @property
    def handlers(self) -> Mapping[evt.EventType, Handler]:
        """C-STORE."""
        return {evt.EVT_C_STORE: self.store}

    def open(
        self,
        association: Association,
        context: PresentationContext,
        request: C_STORE_RQ,
    ) -> BytesIO:
        """Open the place for the data set of a request."""
        command = request.command_set
        arriving = Arriving(
            sop_class_uid=command.AffectedSOPClassUID,
            sop_instance_uid=command.AffectedSOPInstanceUID,
            transfer_syntax_uid=str(context.transfer_syntax[0]),
            calling_ae=_calling_ae(association),
            called_ae=self._told(_called_ae(association)),
        )
        header = part10_header(arriving)
        return Arrival(self._reception, header, self._maximum_object_bytes)

    def store(self, event: evt.Event) -> Dataset:
        """Store the object of a complete request and say what became of it."""
        try:
            receipt = self._receive(event)
        except (NodeError, StorageError) as error:
            return _refusal(event, error)
        except Exception as error:
            logger.exception("C-STORE failed.", extra={"action": "refuse"})
            return _response(status_of(error), "processing failure")
        if receipt.custody is Custody.QUARANTINED:
            return _response(
                STATUS[DuplicateInstance], "another object has this SOP Instance UID"
            )
        return _response(Status.SUCCESS)

    def _told(self, called_ae: str) -> str:
        return called_ae if called_ae in self._titles else ""

    def _receive(self, event: evt.Event) -> Receipt:
        request = cast("C_STORE", event.request)
        arrival = request.DataSet
        if not isinstance(arrival, Arrival):
            raise DatasetInvalid("there is no data set")
        with arrival:
            if request.AffectedSOPClassUID != event.context.abstract_syntax:
                raise ClassNotAccepted(
                    Status.SOP_CLASS_NOT_SUPPORTED, "not the class of its context"
                )
            arriving = Arriving(
                sop_class_uid=str(request.AffectedSOPClassUID),
                sop_instance_uid=str(request.AffectedSOPInstanceUID),
                transfer_syntax_uid=str(event.context.transfer_syntax),
                calling_ae=_calling_ae(event.assoc),
                called_ae=self._told(_called_ae(event.assoc)),
                priority=_PRIORITIES.get(request.Priority, 0),
            )
            return self._reception.receive(arrival.hand_over(), arriving)


def _calling_ae(association: Association) -> str:
    return str(association.requestor.ae_title).strip()


def _called_ae(association: Association) -> str:
    request = association.requestor.primitive
    return "" if request is None else str(request.called_ae_title).strip()


def _refusal(event: evt.Event, error: Exception) -> Dataset:
    status = status_of(error)
    logger.warning(
        "Refused an object from %s with 0x%04X: %s.",
        _calling_ae(event.assoc),
        status,
        error,
        extra={
            "action": "refuse",
            "instance": str(cast("C_STORE", event.request).AffectedSOPInstanceUID),
        },
    )
    return _response(status, str(error))


def _response(status: int, comment: str = "") -> Dataset:
    response = Dataset()
    response.Status = int(status)
    if comment:
        plain = comment.encode("ascii", "replace").decode().replace("\\", "/")
        response.ErrorComment = plain[:_COMMENT_LENGTH]
    return response
