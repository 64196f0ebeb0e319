"""An association in the acceptor role, from request to end (PS3.8 sections 7 and 9).

pynetdicom's reactor polls every millisecond; this one waits for events.
"""

# ruff: noqa: SLF001  pynetdicom offers no public way into its reactors.

import logging
import threading
from collections.abc import Callable
from typing import Any, cast

from pynetdicom import evt
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_GET, C_MOVE, N_EVENT_REPORT

from dicom_node.dimse.acceptor.messages import Opener, StreamingMessages, lacking
from dicom_node.dimse.acceptor.pace import Pace
from dicom_node.dimse.acceptor.upper_layer import EventDrivenProvider, RingingQueue

logger = logging.getLogger(__name__)
_IDLE_CHECK_S = 0.5
_MESSAGE_IDS = 0xFFFF
_ANSWERED_IN_FULL = {C_GET: evt.EVT_C_GET, C_MOVE: evt.EVT_C_MOVE}
"""Requests whose handlers send every response themselves."""


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
    minimum_bytes_per_s
        What a peer has to send while a message is under way.
    """

    def __init__(
        self,
        ae: ApplicationEntity,
        opener: Opener,
        ended: Callable[["StreamedAssociation"], None],
        minimum_bytes_per_s: float,
    ) -> None:
        self._woken = threading.Event()
        self._ended = ended
        self._afterwards: list[Callable[[], None]] = []
        self._unanswered: dict[int, Callable[[int | None], None]] = {}
        self._requests = 0
        super().__init__(ae, MODE_ACCEPTOR)
        self._messages = StreamingMessages(self, opener, RingingQueue(self.wake))
        self.dimse = self._messages
        grace_s = ae.network_timeout or float("inf")
        self.dul = EventDrivenProvider(
            self,
            self._messages,
            self.wake,
            ae.maximum_pdu_size,
            Pace(grace_s, minimum_bytes_per_s),
        )
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

    def afterwards(self, call: Callable[[], None]) -> None:
        """Call something once the present request is answered; see ``SpeaksFirst``."""
        self._afterwards.append(call)

    def report(
        self,
        request: N_EVENT_REPORT,
        context_id: int,
        answered: Callable[[int | None], None],
    ) -> None:
        """Send an N-EVENT-REPORT request; see ``SpeaksFirst``.

        The library's own way would take whatever comes next for the answer, the
        peer's next request too.
        """
        self._requests = self._requests % _MESSAGE_IDS + 1
        request.MessageID = self._requests
        self._unanswered[self._requests] = answered
        self.dimse.send_msg(request, context_id)

    def run_reactor(self) -> None:
        """Serve the association from its request to its end."""
        connection = self.dul.socket.socket if self.dul.socket else None
        try:
            super().run_reactor()
        finally:
            self._messages.abandon()
            for answered in self._unanswered.values():
                _call(answered, None)
            # The library leaves it open when the peer was the first to go.
            if connection is not None:
                connection.close()
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
            if message is None or context_id is None:
                continue
            if missing := lacking(message):
                self._tell(f"a request has no {missing}")
                self.abort()
                return
            if self._is_answer(message):
                continue
            self._serve_request(message, context_id)
            while self._afterwards:
                _call(self._afterwards.pop(0))
            # However long that took, the peer was not the one who was idle.
            self.dul._idle_timer.restart()

    def _serve_request(self, msg: Any, context_id: int) -> None:
        """Let a request be served, by the library or by who sends all responses.

        The library would send objects decoded and encoded anew, and by associations
        that it opens its own way.
        """
        event = _ANSWERED_IN_FULL.get(type(msg))
        accepted = (
            one for one in self.accepted_contexts if one.context_id == context_id
        )
        context = next(accepted, None)
        if event is None or context is None or not msg.is_valid_request:
            super()._serve_request(msg, context_id)
            return
        self.dimse.cancel_req = {}
        self._is_paused = True  # the handler may make requests of its own
        try:
            attributes = {
                "request": msg,
                "context": context.as_tuple,
                "_is_cancelled": self._is_cancelled,
            }
            evt.trigger(self, event, attributes)
        except Exception:
            logger.exception("A service failed.", extra={"action": "serve"})
            self.abort()
        finally:
            self._is_paused = False
            self.dimse.cancel_req = {}

    def _is_cancelled(self, message_id: int) -> bool:
        """Tell whether a C-CANCEL for a request has come."""
        return self.dimse.cancel_req.pop(message_id, None) is not None

    def _is_answer(self, message: object) -> bool:
        """Take the answer to a request of ours; anything else is a request."""
        if not isinstance(message, N_EVENT_REPORT) or message.is_valid_request:
            return False
        answered = self._unanswered.pop(message.MessageIDBeingRespondedTo or 0, None)
        if answered is not None:
            _call(answered, message.Status)
        return True

    def _tell(self, why: str) -> None:
        logger.warning(
            "Aborted the association of %s: %s.",
            cast("EventDrivenProvider", self.dul).caller,
            why,
            extra={"action": "abort"},
        )

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
            self._tell("nothing came within the network time-out")
            self.abort()
            return True
        return not self.dul.is_alive()


def _call(what: Callable[..., None], *arguments: Any) -> None:
    """Call a service back; its failure is no reason to end an association."""
    try:
        what(*arguments)
    except Exception:
        logger.exception("A service failed.", extra={"action": "serve"})
