"""The listening socket, and one association for each connection (PS3.8 section 9.1)."""

# ruff: noqa: SLF001  pynetdicom offers no public way into its server.

import logging
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

from pynetdicom.ae import ApplicationEntity
from pynetdicom.events import EventHandlerType
from pynetdicom.transport import (
    AssociationSocket,
    RequestHandler,
    ThreadedAssociationServer,
)

from dicom_node.dimse.acceptor.association import StreamedAssociation
from dicom_node.dimse.acceptor.messages import Opener
from dicom_node.dimse.library import configure

logger = logging.getLogger(__name__)


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
    maximum_connections
        Further ones are closed at once: they cost threads before they say who
        they are.
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
        maximum_connections: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        configure()
        self.opener = opener
        self.tls = tls
        self._ended = ended
        self._connections = 0
        self._counting = threading.Lock()
        self._maximum_connections = maximum_connections
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
            if self._connections < self._maximum_connections:
                self._connections += 1
                return True
        logger.warning(
            "Closed a connection from %s: too many.",
            client_address[0],
            extra={"action": "reject"},
        )
        return False

    def end(self, association: StreamedAssociation) -> None:
        """Forget an association that ended."""
        self._uncount()
        self._ended(association)

    def service_actions(self) -> None:
        """Leave collecting garbage to Python."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say in one line what broke a connection before it was an association."""
        del request
        self._uncount()
        logger.warning(
            "A connection from %s broke.",
            client_address[0],
            exc_info=True,  # noqa: LOG014  called while the error is handled
            extra={"action": "reject"},
        )

    def _uncount(self) -> None:
        with self._counting:
            self._connections -= 1


class _Connection(RequestHandler):
    """Starts the association of one connection."""

    server: Listener

    def setup(self) -> None:
        """Prepare the socket; a TLS handshake holds nobody else up."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request.settimeout(self.ae.acse_timeout)
        if self.server.tls is not None:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)

    def _create_association(self) -> StreamedAssociation:
        server = self.server
        association = StreamedAssociation(self.ae, server.opener, server.end)
        association._server = server
        association.name = f"association-{self.client_address[0]}"
        association.set_socket(AssociationSocket(association, self.request))
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
