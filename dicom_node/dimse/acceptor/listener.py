"""The listening socket, and one association for each connection (PS3.8 section 9.1)."""

# ruff: noqa: SLF001  pynetdicom offers no public way into its server.

import logging
import socket
import ssl
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pynetdicom.ae import ApplicationEntity
from pynetdicom.events import EventHandlerType
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from dicom_node.dimse.acceptor.association import StreamedAssociation
from dicom_node.dimse.acceptor.messages import Opener
from dicom_node.dimse.library import PeerSocket, configure

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What peers may cost before anybody knows who they are.

    Parameters
    ----------
    connections
        At the same time; further ones are closed at once, for each takes a thread.
    connections_per_address
        Of them from one address, so that one machine shuts out none of the others.
    bytes_per_s
        What has to come while a message is under way.
    """

    connections: int
    connections_per_address: int
    bytes_per_s: float


class Listener(ThreadedAssociationServer):
    """Accepts connections, no more of them than it can serve.

    Parameters
    ----------
    entity
        Titles, time-outs and presentation contexts.
    address
        Host and port.
    handlers
        Event and function, for each event that is answered.
    opener
        Opens the place for the data set of a C-STORE request.
    ended
        Called with each association that ends.
    limits
        What a peer may cost.
    tls
        Context of a server.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(  # noqa: PLR0913  one listener is one call
        self,
        entity: ApplicationEntity,
        address: tuple[str, int],
        *,
        handlers: list[EventHandlerType],
        opener: Opener,
        ended: Callable[[StreamedAssociation], None],
        limits: Limits,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        configure()
        self.opener = opener
        self.tls = tls
        self._ended = ended
        self._connections: Counter[str] = Counter()
        self._counting = threading.Lock()
        self.limits = limits
        super().__init__(
            entity,
            address,
            entity.ae_title,
            entity.supported_contexts,
            evt_handlers=handlers,
            request_handler=_Connection,
        )
        entity._servers.append(self)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Turn a connection away when there are too many."""
        del request
        # Counted here, before it has a thread: a burst is no way round the limit.
        with self._counting:
            too_many = self._too_many(str(client_address[0]))
            if too_many is None:
                self._connections[str(client_address[0])] += 1
                return True
        logger.warning(
            "Closed a connection from %s: %s.",
            client_address[0],
            too_many,
            extra={"action": "reject"},
        )
        return False

    def _too_many(self, address: str) -> str | None:
        if self._connections.total() >= self.limits.connections:
            return "too many connections"
        if self._connections[address] >= self.limits.connections_per_address:
            return "too many connections from this address"
        return None

    def end(self, address: str, association: StreamedAssociation) -> None:
        """Forget an association that ended, and the connection from an address."""
        self._uncount(address)
        self._ended(association)

    def service_actions(self) -> None:
        """Leave collecting garbage to Python."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say in one line what broke a connection before it was an association."""
        del request
        self._uncount(str(client_address[0]))
        error = sys.exception()
        foreseen = isinstance(error, OSError)  # a handshake that failed is one, too
        logger.warning(
            "A connection from %s broke: %s.",
            client_address[0],
            getattr(error, "reason", None) or type(error).__name__,
            exc_info=not foreseen,
            extra={"action": "reject"},
        )

    def _uncount(self, address: str) -> None:
        with self._counting:
            self._connections[address] -= 1
            if self._connections[address] <= 0:
                del self._connections[address]


class _Connection(RequestHandler):
    """Starts the association of one connection."""

    server: Listener

    def setup(self) -> None:
        """Prepare the socket; a TLS handshake holds nobody else up."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request.settimeout(self.ae.acse_timeout)
        tls = self.server.tls  # another may be put there while this one is used
        if tls is not None:
            self.request = tls.wrap_socket(self.request, server_side=True)

    def _create_association(self) -> StreamedAssociation:
        server = self.server
        association = StreamedAssociation(
            self.ae,
            server.opener,
            partial(server.end, str(self.client_address[0])),
            server.limits.bytes_per_s,
        )
        association._server = server
        association.name = f"association-{self.client_address[0]}"
        association.set_socket(PeerSocket(association, self.request))
        acceptor = association.acceptor
        acceptor.maximum_length = self.ae.maximum_pdu_size
        acceptor.ae_title = server.ae_title
        acceptor.address_info = self.local
        acceptor.implementation_class_uid = self.ae.implementation_class_uid
        acceptor.implementation_version_name = self.ae.implementation_version_name
        acceptor.supported_contexts = server.contexts
        association.requestor.address_info = self.remote
        for event, handlers in server._handlers.items():
            for handler in handlers if isinstance(handlers, list) else [handlers]:
                association.bind(event, *handler)
        return association
