"""The acceptor's side of the DICOM Upper Layer, fit for large images and for foes.

pynetdicom's reactor polls every millisecond and reads 4 KiB at a time, as much as a
peer claims and for as long as it likes. This one waits for events, reads into one
buffer, and bounds what it reads and for how long (DICOM PS3.8 sections 9.2, 9.3).
"""

# ruff: noqa: SLF001  pynetdicom offers no public way into its reactors.

import contextlib
import logging
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider

from dicom_node.dataset.quiet import UNREADABLE
from dicom_node.dimse.acceptor.association_request import calling_title, tidied
from dicom_node.dimse.acceptor.messages import Malformed, StreamingMessages, split
from dicom_node.dimse.acceptor.pace import Pace
from dicom_node.dimse.library import Transitions, readable
from dicom_node.errors import NodeError

logger = logging.getLogger(__name__)

_P_DATA_TF, _ASSOCIATE_RQ = 0x04, 0x01
_PDU_TYPES = range(0x01, 0x08)
_SHORT_PDU_BYTES = 1024  # A-ASSOCIATE-RJ, A-RELEASE, A-ABORT have 4; PS3.8 9.3
_ASSOCIATE_PDU_BYTES = 256 * 1024
_SLACK_BYTES = 1024  # some senders forget that the PDV headers count
_IDLE_CHECK_S = 0.5
_DISCARDED_READS = 256
_CLOSING_STATES = frozenset({"Sta1", "Sta13"})


class RingingQueue(queue.Queue[Any]):
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
        """Add an item and wake the reader."""
        super().put(item, block, timeout)
        self._ring()


class _Bell:
    """Wakes a thread that waits for its connection."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._out, self._in = socket.socketpair()
        self._out.setblocking(False)  # noqa: FBT003  socket's signature
        self._in.setblocking(False)  # noqa: FBT003  socket's signature

    def ring(self) -> None:
        with self._lock, contextlib.suppress(OSError):  # full, or closed
            self._in.send(b"\0")

    def wait_for(self, connection: socket.socket, timeout_s: float) -> None:
        """Wait until the bell rings or the connection has something to read."""
        readable(connection, self._out, wait_s=timeout_s)
        with contextlib.suppress(BlockingIOError):  # it was the connection
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
    messages
        Where the data go.
    wake
        Called when there is something for the association.
    maximum_pdu_bytes
        What was announced as the maximum length received.
    pace
        How slow the peer may be within a message.
    """

    def __init__(
        self,
        assoc: Association,
        messages: StreamingMessages,
        wake: Callable[[], None],
        maximum_pdu_bytes: int,
        pace: Pace,
    ) -> None:
        super().__init__(assoc)
        self.daemon = True
        self.state_machine = Transitions(self)
        self._pace = pace
        self._calling = "?"
        self._messages = messages
        self._maximum_pdu_bytes = maximum_pdu_bytes + _SLACK_BYTES
        self._buffer = bytearray()
        self._bell = _Bell()
        self.to_provider_queue = RingingQueue(self._bell.ring)
        self.to_user_queue = RingingQueue(wake)

    def run_reactor(self) -> None:
        """Turn what comes from the peer and from the user into events."""
        self._idle_timer.start()
        self.assoc._dul_ready.set()
        try:
            while not self._kill_thread:
                self._turn()
        except Exception:
            logger.exception("An association broke.", extra={"action": "abort"})
        finally:
            self._end()

    def _turn(self) -> None:
        if self.event_queue.empty():
            self._wait()
        if self.artim_timer.expired:
            self.event_queue.put("Evt18")
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

    def _is_transport_event(self) -> bool:
        """Read a PDU, or close the connection when the association is over."""
        if self.state_machine.current_state != "Sta13" or self.socket is None:
            return super()._is_transport_event()
        self._discard()
        self.socket.close()
        return True

    def _discard(self) -> None:
        """Throw away what is still there: closing on it would cost the last PDU."""
        connection = self.socket.socket if self.socket else None
        if connection is None:
            return
        connection.setblocking(False)  # noqa: FBT003  socket's signature
        with contextlib.suppress(OSError):
            for _ in range(_DISCARDED_READS):
                if not connection.recv(64 * 1024):
                    return

    @property
    def caller(self) -> str:
        """Who is at the other end, for the log: its title, as far as known, and where.

        What it called itself is escaped where it is logged.
        """
        return f"'{self._calling}' at {self.assoc.requestor.address}"

    def _read_pdu_data(self) -> None:
        """Read one PDU and queue the event that it is."""
        try:
            pdu_type, body = self._read_pdu()
            if pdu_type == _P_DATA_TF:
                self._indicate(body)
                return
            said = self._tidied(bytes(body)) if pdu_type == _ASSOCIATE_RQ else body
            header = struct.pack(">BBI", pdu_type, 0, len(said))
            pdu, event = self._decode_pdu(bytearray(header + bytes(said)))
            pdu.to_primitive()  # what it cannot hold is refused here, not later
        except OSError:
            self.event_queue.put("Evt17")  # Transport connection closed
        except Malformed as error:
            self._refuse(str(error))
        except (AssertionError, NodeError, *UNREADABLE) as error:
            self._refuse(f"the library cannot read it ({type(error).__name__})")
        else:
            self._recv_pdu.put(pdu)
            self.event_queue.put(event)

    def _refuse(self, why: str) -> None:
        logger.warning(
            "Aborted the association of %s: %s.",
            self.caller,
            why,
            extra={"action": "abort"},
        )
        self.event_queue.put("Evt19")  # Unrecognized or invalid PDU

    def _tidied(self, body: bytes) -> bytes:
        """Mend an association request, and say what of it is refused."""
        self._calling = calling_title(body)
        request = tidied(body)
        if not request.version & 1:
            logger.warning(
                "Rejected an association from %s: protocol version %d.",
                self.caller,
                request.version,
                extra={"action": "reject"},
            )
        elif request.defects:
            logger.warning(
                "Refused a part of the association of %s: %s.",
                self.caller,
                "; ".join(request.defects),
                extra={"action": "reject"},
            )
        return request.body

    def _indicate(self, body: memoryview) -> None:
        """Hand data on: action DT-2 without its detour by way of two queues."""
        for fragment in split(body):
            self._messages.take(fragment)
        if self._messages.complete:
            self._pace.restart()

    def _read_pdu(self) -> tuple[int, memoryview]:
        header = bytearray(6)
        self._fill(memoryview(header))
        pdu_type, _, length = struct.unpack(">BBI", header)
        if length > self._limit(pdu_type):
            raise Malformed(f"type 0x{pdu_type:02X} with {length} bytes")
        if len(self._buffer) < length:
            self._buffer = bytearray(max(length, 16 * 1024))
        body = memoryview(self._buffer)[:length]
        self._fill(body)
        if pdu_type != _P_DATA_TF:
            self._pace.restart()
        return pdu_type, body

    def _limit(self, pdu_type: int) -> int:
        if pdu_type not in _PDU_TYPES:
            raise Malformed(f"unknown type 0x{pdu_type:02X}")
        if pdu_type == _P_DATA_TF:
            if self.state_machine.current_state != "Sta6":
                raise Malformed("data before the association was accepted")
            return self._maximum_pdu_bytes
        if pdu_type == _ASSOCIATE_RQ:
            return _ASSOCIATE_PDU_BYTES
        return _SHORT_PDU_BYTES

    def _fill(self, view: memoryview) -> None:
        """Read exactly that many bytes, each lot in time and all at a fair pace.

        Before the association is accepted, the whole request has to come before
        the ARTIM timer runs out.
        """
        connection = self.socket.socket if self.socket else None
        if connection is None:
            raise OSError("the connection is closed")
        while view:
            since = time.monotonic()
            try:
                connection.settimeout(self._patience_s())
                count = connection.recv_into(view)
            except TimeoutError as error:
                if self.state_machine.current_state == "Sta2":
                    raise
                raise Malformed("what it began comes too slowly") from error
            if not count:
                raise ConnectionResetError("the peer closed the connection")
            self._pace.took(count, since)
            self._idle_timer.restart()  # slow is another thing than silent
            view = view[count:]

    def _patience_s(self) -> float | None:
        if self.state_machine.current_state == "Sta2":
            return max(self.artim_timer.remaining, 0.001)
        patience = self.network_timeout or float("inf")
        left = min(patience, self._pace.left_s())
        if left <= 0:
            raise TimeoutError
        return None if left == float("inf") else left
