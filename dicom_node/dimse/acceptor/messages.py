"""DIMSE messages of an association in the acceptor role (PS3.7 section 6.3, PS3.8 E).

A C-STORE data set is handed on fragment by fragment while the next is under way;
pynetdicom would hold it in memory until it is complete.
"""

import logging
import struct
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import P_DATA

if TYPE_CHECKING:
    import queue

logger = logging.getLogger(__name__)

_COMMAND, _LAST = 0x01, 0x02  # Message Control Header, PS3.8 E.2
_COMMAND_BYTES = 1024 * 1024
_QUEUED_MESSAGES = 16
_C_STORE_RSP, _NO_DATA_SET = 0x8001, 0x0101  # PS3.7 E.1
_PRIORITIES = (0, 1, 2)  # medium, high, low; PS3.7 E.1-1
_NEEDED = ("AffectedSOPClassUID", "AffectedSOPInstanceUID", "MessageID")

Opener = Callable[[Association, int, C_STORE_RQ], BytesIO]
"""Opens the place where the data set of a C-STORE request goes, piece by piece."""


class Malformed(Exception):
    """What the peer sent breaks the protocol."""


class Fragment(NamedTuple):
    """A presentation data value; its data are only there until the next PDU."""

    context_id: int
    control: int
    data: memoryview


def split(body: memoryview) -> Iterator[Fragment]:
    """Split a P-DATA-TF PDU into presentation data values (PS3.8 9.3.5.1).

    Raises
    ------
    Malformed
        The lengths contradict each other.
    """
    offset = 0
    while offset < len(body):
        if offset + 6 > len(body):
            raise Malformed("a presentation data value is cut short")
        length, context_id, control = struct.unpack_from(">IBB", body, offset)
        end = offset + 4 + length
        if length < 2 or end > len(body):  # noqa: PLR2004  context ID and control
            raise Malformed("a presentation data value has a wrong length")
        yield Fragment(context_id, control, body[offset + 6 : end])
        offset = end


def lacking(request: Any) -> str | None:
    """Name what a C-STORE request cannot do without and has not."""
    if not isinstance(request, (C_STORE, C_STORE_RQ)):
        return None
    said = request.command_set if isinstance(request, C_STORE_RQ) else request
    values = ((name, getattr(said, name, None)) for name in _NEEDED)
    return next((name for name, value in values if value in (None, "")), None)


def mend_priority(event: evt.Event) -> None:
    """Take a priority that means nothing for a medium one; this node knows no other.

    The library would refuse the request.
    """
    command = event.message.command_set
    if getattr(command, "Priority", None) not in (None, *_PRIORITIES):
        command.Priority = 0


class StreamingMessages(DIMSEServiceProvider):
    """The DIMSE service provider of one association.

    Parameters
    ----------
    assoc
        The association it serves.
    opener
        Called when the command set of a C-STORE request is complete.
    messages
        Where complete messages go.
    """

    def __init__(
        self, assoc: Association, opener: Opener, messages: "queue.Queue[Any]"
    ) -> None:
        super().__init__(assoc)
        self._opener = opener
        self._destination: BytesIO | None = None
        self._command_bytes = 0
        self.msg_queue = messages
        assoc.bind(evt.EVT_DIMSE_RECV, mend_priority)

    @property
    def complete(self) -> bool:
        """Whether every message that was begun has ended."""
        return self.message is None

    def abandon(self) -> None:
        """Close what was received and will not be served any more."""
        if self._destination is not None:
            self._destination.close()
        while not self.msg_queue.empty():
            _, message = self.msg_queue.get()
            data_set = getattr(message, "DataSet", None)
            if data_set is not None:
                data_set.close()

    def take(self, fragment: Fragment) -> None:
        """Take a fragment in, valid only for the length of this call."""
        if self._destination is None:
            self._take_command(fragment)
            return
        if fragment.control & _COMMAND:
            raise Malformed("a command within a data set")
        self._destination.write(fragment.data)
        if fragment.control & _LAST:
            destination, self._destination = self._destination, None
            self._pass_on(fragment._replace(data=memoryview(b"")))
            if self.message is not None:  # refused, and the association with it
                destination.close()

    def _take_command(self, fragment: Fragment) -> None:
        """Take a fragment of a command, or of any data set but a C-STORE's."""
        if self.msg_queue.qsize() >= _QUEUED_MESSAGES:
            raise Malformed("too many requests at once")
        self._command_bytes += len(fragment.data)
        if self._command_bytes > _COMMAND_BYTES:
            raise Malformed("the message is too long")
        self._pass_on(fragment)
        if isinstance(self.message, C_STORE_RQ):
            if missing := lacking(self.message):
                raise Malformed(f"a request has no {missing}")
            self._destination = self._opener(
                self.assoc, fragment.context_id, self.message
            )
            self.message.data_set = self._destination

    def _pass_on(self, fragment: Fragment) -> None:
        data = P_DATA()
        data.presentation_data_value_list.append(
            (fragment.context_id, bytes([fragment.control]) + bytes(fragment.data))
        )
        self.receive_primitive(data)
        if self.message is None:
            self._command_bytes = 0
        elif self._ends(fragment):
            # The library has queued the abort already, and says nothing.
            logger.warning(
                "Aborted an association with %s: a request has an unreadable value.",
                self.assoc.requestor.address,
                extra={"action": "abort"},
            )

    def _ends(self, fragment: Fragment) -> bool:
        """Tell whether a fragment is the last of its message."""
        if not fragment.control & _LAST:
            return False
        command = cast("DIMSEMessage", self.message).command_set
        alone = command.CommandDataSetType == _NO_DATA_SET
        return not fragment.control & _COMMAND or alone

    def send_msg(self, primitive: Any, context_id: int) -> None:
        """Send a message; the answer to a C-STORE takes a short cut."""
        if type(primitive) is C_STORE and primitive.is_valid_response:
            data = P_DATA()
            data.presentation_data_value_list.append(
                (context_id, bytes([_COMMAND | _LAST]) + encode_response(primitive))
            )
            self.dul.send_pdu(data)
        else:
            super().send_msg(primitive, context_id)


def encode_response(response: C_STORE) -> bytes:
    """Encode the command set of a C-STORE-RSP (PS3.7 9.3.1.2).

    Going by way of pydicom data sets would take longer than writing the object.
    """
    elements = [
        _element(0x0002, _padded(str(response.AffectedSOPClassUID), b"\0")),
        _element(0x0100, struct.pack("<H", _C_STORE_RSP)),
        _element(0x0120, struct.pack("<H", response.MessageIDBeingRespondedTo)),
        _element(0x0800, struct.pack("<H", _NO_DATA_SET)),
        _element(0x0900, struct.pack("<H", response.Status)),
    ]
    comment = cast("str | None", response.ErrorComment)
    if comment:
        elements.append(_element(0x0902, _padded(comment, b" ")))
    uid = _padded(str(response.AffectedSOPInstanceUID), b"\0")
    elements.append(_element(0x1000, uid))
    command = b"".join(elements)
    return _element(0x0000, struct.pack("<I", len(command))) + command


def _element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0x0000, number, len(value)) + value


def _padded(text: str, padding: bytes) -> bytes:
    value = text.encode("ascii", "replace")
    return value + padding[: len(value) % 2]
