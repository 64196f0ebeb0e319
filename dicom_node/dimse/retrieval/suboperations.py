"""How far a C-MOVE or C-GET has come, and its responses (PS3.4 C.4.2, C.4.3)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom.dimse_primitives import C_GET, C_MOVE
from pynetdicom.dsutils import encode

from dicom_node.dimse.scu.storage import SendResult
from dicom_node.dimse.status import Status

PENDING, CANCEL, WARNING, UNABLE = 0xFF00, 0xFE00, 0xB000, 0xA702
DESTINATION_UNKNOWN, TOO_MANY = 0xA801, 0xA701
MOST_SUBOPERATIONS = 65_535
"""Their numbers are 16 bits long."""
_NAMED_FAILURES = 900  # as many UIDs as an element with a short length holds
_COMMENT_LENGTH = 64

Request = C_GET | C_MOVE


@dataclass(slots=True)
class SubOperations:
    """What became of the sub-operations of one request.

    Parameters
    ----------
    remaining
        How many are left.
    """

    remaining: int
    completed: int = 0
    failed: int = 0
    warned: int = 0
    failed_uids: list[str] = field(default_factory=list)

    def count(self, result: SendResult) -> None:
        """Count one; the peer's status says how it went."""
        self.remaining -= 1
        if result.error is not None:
            self.failed += 1
            if len(self.failed_uids) < _NAMED_FAILURES:
                self.failed_uids.append(result.sop_instance_uid)
        elif result.status == Status.SUCCESS:
            self.completed += 1
        else:
            self.warned += 1

    @property
    def status(self) -> int:
        """What the last response says when all are done."""
        if self.failed and not self.completed and not self.warned:
            return UNABLE
        return WARNING if self.failed or self.warned else int(Status.SUCCESS)


@dataclass(frozen=True, slots=True)
class Responder:
    """Sends the responses of one request.

    Parameters
    ----------
    request
        What is answered.
    send
        Sends a response.
    is_implicit
        Whether identifiers go out as Implicit VR Little Endian.
    """

    request: Request
    send: Callable[[Request], None]
    is_implicit: bool

    def refuse(self, status: int, comment: str = "") -> None:
        """Answer that nothing is done."""
        response: Any = self._response(status)
        if comment:
            plain = comment.encode("ascii", "replace").decode().replace("\\", "/")
            response.ErrorComment = plain[:_COMMENT_LENGTH]
        self.send(response)

    def pending(self, done: SubOperations) -> None:
        """Say how far it has come."""
        response = self._counted(PENDING, done)
        response.NumberOfRemainingSuboperations = done.remaining
        self.send(response)

    def end(self, done: SubOperations, *, is_cancelled: bool) -> None:
        """Say what became of it."""
        status = CANCEL if is_cancelled else done.status
        response = self._counted(status, done)
        if is_cancelled:
            response.NumberOfRemainingSuboperations = done.remaining
        if status != Status.SUCCESS:
            failures = Dataset()
            failures.FailedSOPInstanceUIDList = done.failed_uids
            encoded = encode(
                failures, self.is_implicit, is_little_endian=True, deflated=False
            )
            response.Identifier = BytesIO(encoded or b"")
        self.send(response)

    def _counted(self, status: int, done: SubOperations) -> Request:
        response = self._response(status)
        response.NumberOfCompletedSuboperations = done.completed
        response.NumberOfFailedSuboperations = done.failed
        response.NumberOfWarningSuboperations = done.warned
        return response

    def _response(self, status: int) -> Request:
        response = type(self.request)()
        response.MessageIDBeingRespondedTo = self.request.MessageID
        response.AffectedSOPClassUID = self.request.AffectedSOPClassUID
        response.Status = status
        return response
