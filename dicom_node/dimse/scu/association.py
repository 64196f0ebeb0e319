"""Opens associations to peers and closes them whatever happens (PS3.8 section 7.1)."""

import logging
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.events import EventHandlerType
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext

from dicom_node.dataset.part10 import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
)
from dicom_node.dimse.library import RequestingEntity, configure
from dicom_node.errors import ClassNotAccepted, NodeError, PeerBusy, PeerUnreachable

logger = logging.getLogger(__name__)
_MAXIMUM_PDU_BYTES = 131_072
_LEAST_PDU_BYTES = 128  # less is no way to send an object
_REJECTED_TRANSIENT = 2
_REASONS: Mapping[object, str] = {
    (1, 2): "application context name not supported",
    (1, 3): "calling AE title not recognised",
    (1, 7): "called AE title not recognised",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}
"""(source, reason) of an A-ASSOCIATE-RJ in words; PS3.8 Table 9-21."""


@dataclass(frozen=True, slots=True)
class RemoteAE:
    """A peer that this node calls.

    Parameters
    ----------
    ae_title
        Its AE title.
    host, port
        Where it listens.
    tls
        Context of a client, when it talks TLS.
    """

    ae_title: str
    host: str
    port: int
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{self.ae_title} at {self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a peer may take.

    Parameters
    ----------
    connection_s
        To accept a TCP connection.
    association_s
        To answer an association, release or abort request.
    message_s
        To answer a DIMSE request.
    network_s
        Between bytes.
    """

    connection_s: float
    association_s: float
    message_s: float
    network_s: float


@contextmanager
def associate(
    remote: RemoteAE,
    contexts: Sequence[PresentationContext],
    *,
    calling_ae: str,
    timeouts: Timeouts,
    handlers: Sequence[EventHandlerType] = (),
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
) -> Iterator[Association]:
    """Hold an association for the length of a block.

    Parameters
    ----------
    remote
        Whom to call.
    contexts
        What to propose.
    calling_ae
        Our AE title.
    timeouts
        How long it may take.
    handlers
        Who answers what the peer asks meanwhile.
    roles
        Which roles to propose, where others than SCU (PS3.7 D.3.3.4).

    Raises
    ------
    PeerUnreachable
        There is no connection, or the peer rejected the association for good.
    PeerBusy
        The peer rejected the association for now.
    ClassNotAccepted
        The peer accepted none of the contexts.
    """
    configure()
    entity = _entity(calling_ae, timeouts)
    with ExitStack() as stack:
        try:
            association = entity.associate(
                remote.host,
                remote.port,
                list(contexts),
                ae_title=remote.ae_title,
                max_pdu=_MAXIMUM_PDU_BYTES,
                tls_args=_tls(remote, stack),
                ext_neg=list(roles),
                evt_handlers=[
                    *handlers,
                    (evt.EVT_ACSE_SENT, _close_in_the_end, [stack]),
                    (evt.EVT_CONN_OPEN, _prepare, [timeouts.network_s]),
                ],
            )
        except (OSError, UnicodeError) as error:
            raise PeerUnreachable(
                f"no association with {remote}: {_why(error, remote)}"
            ) from error
        if not association.is_established:
            raise _failure(association, remote)
        if nonsense := _nonsense(association):
            association.abort()
            raise PeerUnreachable(f"no association with {remote}: {nonsense}")
        try:
            yield association
        except (Exception, KeyboardInterrupt):
            association.abort()
            raise
        finally:
            if association.is_established:
                association.release()


def _entity(calling_ae: str, timeouts: Timeouts) -> RequestingEntity:
    entity = RequestingEntity(ae_title=calling_ae)
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    entity.connection_timeout = timeouts.connection_s
    entity.acse_timeout = timeouts.association_s
    entity.dimse_timeout = timeouts.message_s
    entity.network_timeout = timeouts.network_s
    return entity


def _why(error: OSError | UnicodeError, remote: RemoteAE) -> str:
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return f"the host name {remote.host} does not resolve"
    return str(error.strerror or type(error).__name__)


class _ClosingContext:
    """Closes in the end what the library wraps and does not close on failure."""

    def __init__(self, context: ssl.SSLContext, stack: ExitStack) -> None:
        self._context = context
        self._stack = stack

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """Wrap a socket as the context does."""
        wrapped = self._context.wrap_socket(*args, **options)
        self._stack.callback(wrapped.close)
        return wrapped


def _tls(remote: RemoteAE, stack: ExitStack) -> tuple[ssl.SSLContext, str] | None:
    if remote.tls is None:
        return None
    return cast("ssl.SSLContext", _ClosingContext(remote.tls, stack)), remote.host


def _close_in_the_end(event: evt.Event, stack: ExitStack) -> None:
    """Close a connection that the library leaves open when it fails."""
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        stack.callback(connection.socket.close)


def _prepare(event: evt.Event, network_s: float) -> None:
    """Bound how long the library waits for the rest of a PDU, or to send one.

    And let it send at once: waiting for acknowledgements costs 40 ms an object.
    """
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.settimeout(network_s)
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _nonsense(association: Association) -> str | None:
    """Say what a peer accepted that nothing can be sent by."""
    length: int | None = association.acceptor.maximum_length
    if length is None:
        return "it does not say how much it takes at a time"
    if 0 < length < _LEAST_PDU_BYTES:
        return f"it takes {length} bytes at a time"
    if not all(one.transfer_syntax for one in association.accepted_contexts):
        return "it accepts a context without a transfer syntax"
    return None


def _failure(association: Association, remote: RemoteAE) -> NodeError:
    if association.is_rejected:
        answer = association.acceptor.primitive
        reason = (answer.result_source, answer.diagnostic) if answer else None
        text = f"{remote} rejected the association: {_REASONS.get(reason, 'no reason')}"
        if answer is not None and answer.result == _REJECTED_TRANSIENT:
            return PeerBusy(text)
        return PeerUnreachable(text)
    if association.rejected_contexts and not association.accepted_contexts:
        return ClassNotAccepted(0x0122, f"{remote} accepted no presentation context")
    return PeerUnreachable(f"no association with {remote}")
