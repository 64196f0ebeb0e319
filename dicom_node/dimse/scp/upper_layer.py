"""The acceptor's side of the DICOM Upper Layer, fit for large images and for foes.

pynetdicom's reactors poll every millisecond, read 4 KiB at a time and hold a whole
message in memory. These subclasses wait for events, read into one buffer, bound
what they read and for how long, and hand on each fragment of a C-STORE data set
while the next is under way (DICOM PS3.8 sections 9.2 and 9.3, PS3.7 6.3).
"""

# ruff: noqa: SLF001  pynetdicom offers no public way into its reactors.

import contextlib
import logging
import queue
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any, NamedTuple

from pynetdicom import evt
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import P_DATA

_LOG = logging.getLogger(__name__)

_P_DATA_TF, _ASSOCIATE_RQ = 0x04, 0x01
_PDU_TYPES = range(0x01, 0x08)
_SHORT_PDU_BYTES = 1024  # A-ASSOCIATE-RJ, A-RELEASE, A-ABORT have 4; PS3.8 9.3
_ASSOCIATE_PDU_BYTES = 256 * 1024
_SLACK_BYTES = 1024  # some senders forget that the PDV headers count
_COMMAND, _LAST = 0x01, 0x02  # Message Control Header, PS3.8 E.2
_COMMAND_BYTES = 1024 * 1024
_QUEUED_MESSAGES = 16
_IDLE_CHECK_S = 0.5
_DATA_STATES = frozenset({"Sta6", "Sta7", "Sta13"})
_CLOSING_STATES = frozenset({"Sta1", "Sta13"})

Opener = Callable[["StreamedAssociation", int, C_STORE_RQ], BytesIO]
"""Opens the place where the data set of a C-STORE request goes, piece by piece."""


class _Malformed(Exception):  # noqa: N818  never leaves this module
    """What the peer sent breaks the protocol."""


class _Fragment(NamedTuple):
    context_id: int
    control: int
    data: memoryview


class _Fragments:
    """A P-DATA-TF PDU, and its own primitive; valid until the next one is read."""

    def __init__(self, body: memoryview) -> None:
        self.fragments = list(_split(body))

    def to_primitive(self) -> "_Fragments":
        """Give pynetdicom's state machine what it hands to the DIMSE provider."""
        return self


def _split(body: memoryview) -> "list[_Fragment]":
    """Split a P-DATA-TF PDU into Presentation Data Values (PS3.8 9.3.5.1)."""
    fragments = []
    offset = 0
    while offset < len(body):
        if offset + 6 > len(body):
            raise _Malformed("a presentation data value is cut short")
        length, context_id, control = struct.unpack_from(">IBB", body, offset)
        end = offset + 4 + length
        if length < 2 or end > len(body):  # noqa: PLR2004  context ID and control
            raise _Malformed("a presentation data value has a wrong length")
        fragments.append(_Fragment(context_id, control, body[offset + 6 : end]))
        offset = end
    return fragments


class _RingingQueue(queue.Queue[Any]):
    """A queue that wakes its reader, who waits for other things too."""

    def __init__(self, ring: Callable[[], None]) -> None:
        super().__init__()
        self._ring = ring

    def put(
        self,
        item: Any,
        block: bool = True,  # noqa: FBT001, FBT002  the signature of queue.Queue
        timeout: float | None = None,
    ) -> None:
        super().put(item, block, timeout)
        self._ring()


class _Bell:
    """Wakes a thread that waits for its connection."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._out, self._in = socket.socketpair()
        self._out.setblocking(False)  # noqa: FBT003
        self._in.setblocking(False)  # noqa: FBT003

    def ring(self) -> None:
        with self._lock, contextlib.suppress(OSError):  # full, or closed
            self._in.send(b"\0")

    def wait_for(self, connection: socket.socket, timeout_s: float) -> None:
        """Wait until the bell rings or the connection has something to read."""
        ready, _, _ = select.select([connection, self._out], [], [], timeout_s)
        if self._out in ready:
            self._out.recv(4096)

    def close(self) -> None:
        # Never while another thread writes: its descriptor may be someone else's.
        with self._lock:
            self._in.close()
            self._out.close()


class EventDrivenProvider(DULServiceProvider):
    """The Upper Layer service provider of one association.

    Parameters
    ----------
    assoc
        The association it serves.
    maximum_pdu_bytes
        What was announced as the maximum length received.
    """

    def __init__(self, assoc: "StreamedAssociation", maximum_pdu_bytes: int) -> None:
        super().__init__(assoc)
        self._maximum_pdu_bytes = maximum_pdu_bytes + _SLACK_BYTES
        self._buffer = bytearray()
        self._bell = _Bell()
        self.to_provider_queue = _RingingQueue(self._bell.ring)
        self.to_user_queue = _RingingQueue(assoc.wake)

    def run_reactor(self) -> None:
        """Turn what comes from the peer and from the user into events."""
        self._idle_timer.start()
        self.assoc._dul_ready.set()
        try:
            while not self._kill_thread:
                self._turn()
        except Exception:  # noqa: BLE001  the outermost edge of this thread
            _LOG.exception("An association broke.", extra={"action": "abort"})
        finally:
            self._end()

    def _turn(self) -> None:
        if self.event_queue.empty():
            self._wait()
        if self.artim_timer.expired:
            self.event_queue.put("Evt18")
        # A P-DATA-TF PDU lives in the buffer until its event is dealt with.
        elif self.event_queue.empty() and (
            not self._process_recv_primitive() and self._is_transport_event()
        ):
            self._idle_timer.restart()
        if not self.event_queue.empty():
            self.state_machine.do_action(self.event_queue.get())

    def _wait(self) -> None:
        """Sleep until the peer or the user does something."""
        if self.to_provider_queue.queue or self.socket is None:
            return
        connection = self.socket.socket
        if connection is None:
            time.sleep(self._run_loop_delay)
            return
        closing = self.state_machine.current_state in _CLOSING_STATES
        if closing or self.socket.ready:
            return
        timeout = min(_IDLE_CHECK_S, max(self.artim_timer.remaining, 0))
        try:
            self._bell.wait_for(connection, timeout)
        except (OSError, ValueError):
            self.event_queue.put("Evt17")

    def _end(self) -> None:
        self._kill_thread = True
        if self.socket is not None:
            self.socket._shutdown_socket()
        # The association may be waiting for a request that will never come.
        self.to_user_queue.put(None)
        self._bell.close()

    def _read_pdu_data(self) -> None:
        """Read one PDU and queue the event that it is."""
        try:
            pdu_type, body = self._read_pdu()
            if pdu_type == _P_DATA_TF:
                self._recv_pdu.put(_Fragments(body))  # type: ignore[arg-type]
                self.event_queue.put("Evt10")
                return
            header = struct.pack(">BBI", pdu_type, 0, len(body))
            pdu, event = self._decode_pdu(bytearray(header + bytes(body)))
        except OSError:
            self.event_queue.put("Evt17")  # Transport connection closed
        except _Malformed as error:
            _LOG.warning("Refused a PDU: %s.", error, extra={"action": "abort"})
            self.event_queue.put("Evt19")  # Unrecognized or invalid PDU
        except Exception as error:  # noqa: BLE001  the decoder raises anything
            _LOG.warning(
                "Refused a PDU: %s.", type(error).__name__, extra={"action": "abort"}
            )
            self.event_queue.put("Evt19")
        else:
            self._recv_pdu.put(pdu)
            self.event_queue.put(event)

    def _read_pdu(self) -> tuple[int, memoryview]:
        header = bytearray(6)
        self._fill(memoryview(header))
        pdu_type, _, length = struct.unpack(">BBI", header)
        if length > self._limit(pdu_type):
            raise _Malformed(f"type 0x{pdu_type:02X} with {length} bytes")
        if len(self._buffer) < length:
            self._buffer = bytearray(max(length, 16 * 1024))
        body = memoryview(self._buffer)[:length]
        self._fill(body)
        return pdu_type, body

    def _limit(self, pdu_type: int) -> int:
        if pdu_type not in _PDU_TYPES:
            raise _Malformed(f"unknown type 0x{pdu_type:02X}")
        if pdu_type == _P_DATA_TF:
            if self.state_machine.current_state not in _DATA_STATES:
                raise _Malformed("data before the association was accepted")
            return self._maximum_pdu_bytes
        if pdu_type == _ASSOCIATE_RQ:
            return _ASSOCIATE_PDU_BYTES
        return _SHORT_PDU_BYTES

    def _fill(self, view: memoryview) -> None:
        """Read exactly that many bytes, each lot within the network time-out.

        Before the association is accepted, the whole request has to come before
        the ARTIM timer runs out.
        """
        connection = self.socket.socket if self.socket else None
        if connection is None:
            raise OSError("the connection is closed")
        timeout = self.network_timeout
        while view:
            if self.state_machine.current_state == "Sta2":
                timeout = max(self.artim_timer.remaining, 0.001)
            connection.settimeout(timeout)
            count = connection.recv_into(view)
            if not count:
                raise ConnectionResetError("the peer closed the connection")
            view = view[count:]


class StreamingMessages(DIMSEServiceProvider):
    """The DIMSE service provider of one association.

    Parameters
    ----------
    assoc
        The association it serves.
    opener
        Called when the command set of a C-STORE request is complete.
    """

    def __init__(self, assoc: "StreamedAssociation", opener: Opener) -> None:
        super().__init__(assoc)
        self._opener = opener
        self._streamed = assoc
        self._destination: BytesIO | None = None
        self._command_bytes = 0
        self.msg_queue = _RingingQueue(assoc.wake)

    def receive_primitive(self, primitive: Any) -> None:
        """Take the fragments of a P-DATA-TF PDU in."""
        try:
            for fragment in primitive.fragments:
                self._take(fragment)
        except Exception as error:  # noqa: BLE001  the decoder raises anything
            _LOG.warning(
                "Refused a DIMSE message: %s.",
                error if isinstance(error, _Malformed) else type(error).__name__,
                extra={"action": "abort"},
            )
            self.dul.event_queue.put("Evt19")

    def abandon(self) -> None:
        """Close what was received and will not be served any more."""
        if self._destination is not None:
            self._destination.close()
        while not self.msg_queue.empty():
            _, message = self.msg_queue.get()
            data_set = getattr(message, "DataSet", None)
            if data_set is not None:
                data_set.close()

    def _take(self, fragment: _Fragment) -> None:
        if self._destination is None:
            self._take_command(fragment)
            return
        if fragment.control & _COMMAND:
            raise _Malformed("a command within a data set")
        self._destination.write(fragment.data)
        if fragment.control & _LAST:
            self._destination = None
            self._pass_on(fragment._replace(data=memoryview(b"")))

    def _take_command(self, fragment: _Fragment) -> None:
        """Take a fragment of a command, or of any data set but a C-STORE's."""
        if self.msg_queue.qsize() >= _QUEUED_MESSAGES:
            raise _Malformed("too many requests at once")
        self._command_bytes += len(fragment.data)
        if self._command_bytes > _COMMAND_BYTES:
            raise _Malformed("the message is too long")
        self._pass_on(fragment)
        if isinstance(self.message, C_STORE_RQ):
            self._destination = self._opener(
                self._streamed, fragment.context_id, self.message
            )
            self.message.data_set = self._destination

    def _pass_on(self, fragment: _Fragment) -> None:
        data = P_DATA()
        data.presentation_data_value_list.append(
            (fragment.context_id, bytes([fragment.control]) + bytes(fragment.data))
        )
        super().receive_primitive(data)
        if self.message is None:
            self._command_bytes = 0


class StreamedAssociation(Association):
    """An association in the acceptor role that waits for events.

    Parameters
    ----------
    ae
        The local application entity.
    opener
        Opens the place for the data set of a C-STORE request.
    ended
        Called with the association when its thread ends.
    """

    def __init__(
        self,
        ae: ApplicationEntity,
        opener: Opener,
        ended: Callable[["StreamedAssociation"], None],
    ) -> None:
        self._woken = threading.Event()
        self._ended = ended
        super().__init__(ae, MODE_ACCEPTOR)
        self.dul = EventDrivenProvider(self, ae.maximum_pdu_size)
        self._messages = StreamingMessages(self, opener)
        self.dimse = self._messages
        # These setters also start from the providers' timers.
        self.acse_timeout = ae.acse_timeout
        self.network_timeout = ae.network_timeout

    def disconnect(self) -> None:
        """Close the connection under an association that does not end."""
        if self.dul.socket is not None:
            self.dul.socket._shutdown_socket()

    def wake(self) -> None:
        """Let the association look at its queues."""
        self._woken.set()

    def run_reactor(self) -> None:
        """Serve the association from its request to its end."""
        try:
            super().run_reactor()
        finally:
            self._messages.abandon()
            self._ended(self)

    def _run_reactor(self) -> None:
        """Serve DIMSE requests until the association ends."""
        while not self._kill:
            self._woken.wait(_IDLE_CHECK_S)
            self._woken.clear()
            # Pynetdicom's own senders ask for this pause (Association.send_...).
            self._is_paused = True
            self._reactor_checkpoint.wait()
            self._is_paused = False
            self._serve_queued()
            if self._is_over():
                self.kill()

    def _serve_queued(self) -> None:
        while not self._kill and not self.dimse.msg_queue.empty():
            context_id, message = self.dimse.get_msg(block=False)
            if message is not None and context_id is not None:
                self._serve_request(message, context_id)

    def _is_over(self) -> bool:
        """Tell whether the association ended; answer a release request."""
        if self.is_established and self.acse.is_release_requested():
            self.acse.send_release(is_response=True)
            self.is_released = True
            self.is_established = False
            evt.trigger(self, evt.EVT_RELEASED, {})
            return True
        if self.acse.is_aborted():
            self.dul.receive_pdu(wait=False)
            self.is_aborted = True
            self.is_established = False
            evt.trigger(self, evt.EVT_ABORTED, {})
            return True
        if self.dul.idle_timer_expired():
            _LOG.warning(
                "Nothing came within the network time-out.", extra={"action": "abort"}
            )
            self.abort()
            return True
        return not self.dul.is_alive()
