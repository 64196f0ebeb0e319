"""What both roles need of pynetdicom's inside: switches, a bounded socket, its states.

The manual names the switches, but keeps them in a module with a private name and gives
no public spelling. The library reads as much as a peer claims, for as long as it likes,
and asks ``select``, which knows no descriptor beyond 1,023. No other private name of
the library is used outside ``acceptor``.
"""

import contextlib
import logging
import queue
import select
import socket
import ssl
import threading
from time import monotonic
from typing import Any

from pynetdicom import _config, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.fsm import TRANSITION_TABLE, StateMachine
from pynetdicom.transport import AddressInformation, AssociationSocket

from dicom_node.dataset.quiet import UNREADABLE

logger = logging.getLogger(__name__)
_PDU_BYTES = 256 * 1024
_RECEIVED_BYTES = 64 * 1024 * 1024  # all answers of an association are far shorter
_PIECE_BYTES = 64 * 1024
_BYTES_PER_S = 1024
_IDLE = "Sta1"  # PS3.8 Table 9-7
# What the user of the association wants, PS3.8 Table 9-10.
_OUR_EVENTS = frozenset(("Evt1", "Evt7", "Evt8", "Evt9", "Evt11", "Evt14", "Evt15"))


def configure() -> None:
    """Set the library's switches; once more does no harm."""
    # The library would print identifiers and data sets at its own discretion.
    _config.LOG_HANDLER_LEVEL = "none"
    # Objects leave as they are stored, without being decoded.
    _config.STORE_SEND_CHUNKED_DATASET = True


def readable(connection: socket.socket, *others: socket.socket, wait_s: float) -> bool:
    """Wait until one of some sockets has something to read, or is at its end."""
    poll = select.poll()
    for one in (connection, *others):
        poll.register(one, select.POLLIN)
    return bool(poll.poll(max(0.0, wait_s) * 1000))


class PeerSocket(AssociationSocket):
    """The connection of an association, whose peer may be slow, endless or lying."""

    def __init__(
        self,
        assoc: Association,
        client_socket: socket.socket | None = None,
        address: AddressInformation | None = None,
    ) -> None:
        self._received = 0
        super().__init__(assoc, client_socket, address)

    @property
    def ready(self) -> bool:
        """Whether there is something to read, now."""
        connection = self.socket
        if connection is None or not self._is_connected:
            return False
        if isinstance(connection, ssl.SSLSocket) and connection.pending():
            return True
        try:
            return readable(connection, wait_s=0)
        except (OSError, ValueError):
            self.event_queue.put("Evt17")  # Transport connection closed
            return False

    def recv(self, nr_bytes: int) -> bytearray:
        """Read exactly that many bytes, in bounded memory and time.

        Raises
        ------
        OSError
            The peer claims, sent or took too much.
        """
        self._received += nr_bytes
        if nr_bytes > _PDU_BYTES or self._received > _RECEIVED_BYTES:
            raise OSError("the peer sends more than an answer can be")
        connection = self._open()
        ends_at = monotonic() + self._patience_s()
        received = bytearray()
        while len(received) < nr_bytes:
            connection.settimeout(_left(ends_at))
            piece = connection.recv(min(_PIECE_BYTES, nr_bytes - len(received)))
            if not piece:
                break
            received += piece
        return received

    def send(self, bytestream: bytes) -> None:
        """Send a PDU; a peer that takes it too slowly is one that is gone."""
        try:
            connection = self._open()
            ends_at = monotonic() + self._patience_s()
            ends_at += len(bytestream) / _BYTES_PER_S
            rest = memoryview(bytestream)
            while rest:
                connection.settimeout(_left(ends_at))
                rest = rest[connection.send(rest) :]
        except Exception:  # noqa: BLE001  whatever it was, the library's answer is this
            self.event_queue.put("Evt17")  # Transport connection closed
        else:
            evt.trigger(self.assoc, evt.EVT_DATA_SENT, {"data": bytestream})

    def _shutdown_socket(self) -> None:
        """Close the socket; the library does not where the peer was faster."""
        if self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self.socket.close()

    def _open(self) -> socket.socket:
        if self.socket is None:
            raise OSError("the connection is closed")
        return self.socket

    def _patience_s(self) -> float:
        association = self.assoc
        patience = association.network_timeout
        if not association.is_established:
            patience = association.acse_timeout
        return float("inf") if patience is None else patience


class Transitions(StateMachine):
    """The library's state machine, which lets pass what comes too late.

    An answer that is ready when the peer has just gone has no place in the table of
    PS3.8 9.2.3; the library ends its thread over it.
    """

    def do_action(self, event: str) -> None:
        """Act on an event, if this state has an answer to it."""
        if (event, self.current_state) in TRANSITION_TABLE:
            super().do_action(event)
        elif event in _OUR_EVENTS:  # an action would take what is to be sent
            with contextlib.suppress(queue.Empty):
                self.dul.to_provider_queue.get(block=False)


class _RequestorTransitions(Transitions):
    """Ends an association whose peer answers what the library cannot read.

    And closes the connection of one that has ended: the library leaves that to the
    peer.
    """

    def do_action(self, event: str) -> None:
        """Act on an event, if that is possible."""
        try:
            super().do_action(event)
        except UNREADABLE as error:  # the library has told its thread to end
            provider: Any = self.dul
            association = provider.assoc
            logger.warning(
                "Aborted the association with '%s': its answer cannot be read (%s).",
                association.acceptor.ae_title,
                type(error).__name__,
                extra={"action": "abort"},
            )
            # The thread of this call ends with it; nobody need wait any longer.
            association.is_aborted, association.is_established = True, False
            association.dimse.msg_queue.put((None, None))
            provider.to_user_queue.put(None)
            if provider.socket is not None:
                provider.socket.close()
        if self.current_state == _IDLE and self.dul.socket is not None:
            connection = self.dul.socket.socket
            if connection is not None:
                connection.close()


class ReactorCheckpoint:
    """Where the library's thread of an association waits while somebody asks the peer.

    The library notes that its thread pauses, and a moment later that it goes on; who
    began to ask within that moment lost the answer to that thread. Here it goes on, and
    says so, before anybody can ask.

    Parameters
    ----------
    association
        Whose thread it is.
    """

    def __init__(self, association: Association) -> None:
        self._inside = vars(association)
        self._condition = threading.Condition()
        self._is_open = True

    def set(self) -> None:
        """Let the thread go on."""
        with self._condition:
            self._is_open = True
            self._condition.notify_all()

    def clear(self) -> None:
        """Let the thread pause when it comes here next."""
        with self._condition:
            self._is_open = False

    def wait(self) -> None:
        """Pause as long as somebody asks the peer."""
        with self._condition:
            self._condition.wait_for(lambda: self._is_open)
            self._inside["_is_paused"] = False


class RequestingEntity(ApplicationEntity):
    """An Application Entity whose associations, when it calls, have bounds."""

    def _create_socket(
        self, assoc: Association, address: AddressInformation, tls_args: Any
    ) -> AssociationSocket:
        assoc.dul.state_machine = _RequestorTransitions(assoc.dul)
        vars(assoc)["_reactor_checkpoint"] = ReactorCheckpoint(assoc)
        connection = PeerSocket(assoc, address=address)
        connection.tls_args = tls_args
        return connection


def _left(ends_at: float) -> float | None:
    left = ends_at - monotonic()
    if left <= 0:
        raise TimeoutError("the peer is too slow")
    return None if left == float("inf") else left
