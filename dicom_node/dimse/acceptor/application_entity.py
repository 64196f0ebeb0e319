"""The listening Application Entity: who may associate, and the services behind it.

Admission follows DICOM PS3.8 9.3.4 (A-ASSOCIATE-RJ, source and reason); the
services are those of ``dimse.presentation.SERVICE_CLASSES``.
"""

import ipaddress
import logging
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import cast

from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity as LibraryEntity
from pynetdicom.pdu_primitives import A_ASSOCIATE

from dicom_node.dataset.part10 import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
)
from dicom_node.dimse.acceptor.association import StreamedAssociation
from dicom_node.dimse.acceptor.listener import Listener
from dicom_node.dimse.presentation import acceptor_contexts
from dicom_node.dimse.services.storage import StorageSCP
from dicom_node.dimse.services.verification import echo
from dicom_node.worklist.reception import Reception

logger = logging.getLogger(__name__)
_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"  # PS3.7 A.2.1
_UNASSOCIATED_CONNECTIONS = 16
_LAST_WORDS_S = 2.0
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Peer:
    """Someone who may associate with this node.

    Parameters
    ----------
    ae_title
        Calling AE title.
    address
        An address or CIDR block the caller must come from; empty for anywhere. A
        host name is resolved when somebody calls.
    port
        Where to call back.
    """

    ae_title: str
    address: str = ""
    port: int = 0

    def comes_from(self, address: str) -> bool:
        """Tell whether a caller's address is this peer's."""
        if not self.address:
            return True
        caller = _plain(address)
        try:
            return caller in ipaddress.ip_network(self.address, strict=False)
        except ValueError:
            return caller in _resolve(self.address)


@dataclass(frozen=True, slots=True)
class DimseConfig:
    """How the node listens.

    Parameters
    ----------
    ae_title
        Our AE title.
    host, port
        Where to listen; port 0 takes any free one.
    require_called_ae_title
        Whether callers must use our AE title.
    peers
        Who may call.
    accept_unknown_peers
        Whether anybody else may, too.
    max_associations
        How many at the same time.
    maximum_pdu_bytes
        Announced to peers; larger ones mean fewer, cheaper reads.
    maximum_object_bytes
        Longer data sets are refused.
    association_timeout_s
        For association requests, release and abort (ACSE and ARTIM timers).
    message_timeout_s
        For DIMSE responses.
    network_timeout_s
        For the next byte, or the next request.
    tls
        Context of a server, when the peers talk TLS.
    """

    ae_title: str
    host: str = "127.0.0.1"
    port: int = 11112
    require_called_ae_title: bool = True
    peers: tuple[Peer, ...] = ()
    accept_unknown_peers: bool = False
    max_associations: int = 50
    maximum_pdu_bytes: int = 131_072
    maximum_object_bytes: int = 536_870_912
    association_timeout_s: float = 30.0
    message_timeout_s: float = 60.0
    network_timeout_s: float = 60.0
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an association is refused: the fields of A-ASSOCIATE-RJ, and in words."""

    result: int
    source: int
    reason: int
    text: str


WRONG_CONTEXT = Rejection(1, 1, 2, "application context name not supported")
UNKNOWN_CALLER = Rejection(1, 1, 3, "calling AE title not recognised")
WRONG_ADDRESS = Rejection(1, 1, 3, "calling AE title comes from another address")
NOT_OUR_TITLE = Rejection(1, 1, 7, "called AE title not recognised")
STOPPING = Rejection(2, 3, 1, "the node is stopping")
TOO_MANY = Rejection(2, 3, 2, "too many associations")


class ApplicationEntity:
    """The node as an acceptor of associations.

    Parameters
    ----------
    config
        How to listen.
    reception
        Where images go.
    """

    def __init__(self, config: DimseConfig, reception: Reception) -> None:
        self._config = config
        self._storage = StorageSCP(reception, config.maximum_object_bytes)
        self._server: Listener | None = None
        self._admitted: set[StreamedAssociation] = set()
        self._changed = threading.Condition()
        self._stopping = False
        self._listener: threading.Thread | None = None

    def start(self) -> int:
        """Listen, and tell on which port."""
        self._stopping = False
        config = self._config
        self._server = Listener(
            self._entity(),
            (config.host, config.port),
            handlers=[
                (evt.EVT_REQUESTED, self._admit),
                (evt.EVT_C_ECHO, echo),
                (evt.EVT_C_STORE, self._storage.store),
            ],
            opener=self._storage.open,
            ended=self._forget,
            maximum_connections=config.max_associations + _UNASSOCIATED_CONNECTIONS,
            tls=config.tls,
        )
        self._listener = threading.Thread(
            target=self._server.serve_forever,
            args=(_POLL_S,),
            name="dimse-listener",
            daemon=True,
        )
        self._listener.start()
        return self.port

    @property
    def port(self) -> int:
        """The port that is listened on."""
        if self._server is None:
            raise RuntimeError("the application entity was not started")
        return int(self._server.server_address[1])

    @property
    def listening(self) -> bool:
        """Whether associations are accepted."""
        alive = self._listener is not None and self._listener.is_alive()
        return alive and not self._stopping

    @property
    def associations(self) -> int:
        """How many associations there are now."""
        return len(self._admitted)

    def stop(self, drain_s: float = 10.0) -> None:
        """Refuse new associations, let the others end, then abort what is left.

        Parameters
        ----------
        drain_s
            How long the others have.
        """
        if self._server is None:
            return
        self._stopping = True
        with self._changed:
            self._changed.wait_for(lambda: not self._admitted, drain_s)
            left = list(self._admitted)
        for association in left:
            association.abort(block=False)
        self._server.shutdown()
        with self._changed:
            self._changed.wait_for(lambda: not self._admitted, _LAST_WORDS_S)
            left = list(self._admitted)
        for association in left:
            association.disconnect()
        with self._changed:
            self._changed.wait_for(lambda: not self._admitted, _LAST_WORDS_S)
        self._server = None

    def _entity(self) -> LibraryEntity:
        entity = LibraryEntity(ae_title=self._config.ae_title)
        entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        entity.maximum_pdu_size = self._config.maximum_pdu_bytes
        entity.acse_timeout = self._config.association_timeout_s
        entity.dimse_timeout = self._config.message_timeout_s
        entity.network_timeout = self._config.network_timeout_s
        # This class counts them itself; the library would count rejected ones too.
        entity.maximum_associations = 1_000_000
        entity.supported_contexts = acceptor_contexts()
        return entity

    def _admit(self, event: evt.Event) -> None:
        """Reject an association request, or count it in."""
        association = cast("StreamedAssociation", event.assoc)
        request = cast("A_ASSOCIATE", association.requestor.primitive)
        rejection = self._refuses(request, str(association.requestor.address))
        if rejection is None:
            with self._changed:
                if len(self._admitted) < self._config.max_associations:
                    self._admitted.add(association)
                    return
            rejection = TOO_MANY
        logger.warning(
            "Rejected an association from %s at %s: %s.",
            repr(str(request.calling_ae_title)),
            association.requestor.address,
            rejection.text,
            extra={"action": "reject"},
        )
        association.acse.send_reject(
            rejection.result, rejection.source, rejection.reason
        )
        association.kill()

    def _refuses(self, request: A_ASSOCIATE, address: str) -> Rejection | None:
        called = str(request.called_ae_title).strip()
        if self._stopping:
            return STOPPING
        if request.application_context_name != _APPLICATION_CONTEXT:
            return WRONG_CONTEXT
        if self._config.require_called_ae_title and called != self._config.ae_title:
            return NOT_OUR_TITLE
        if self._config.accept_unknown_peers:
            return None
        return self._does_not_know(str(request.calling_ae_title).strip(), address)

    def _does_not_know(self, calling: str, address: str) -> Rejection | None:
        known = [peer for peer in self._config.peers if peer.ae_title == calling]
        if not known:
            return UNKNOWN_CALLER
        if not any(peer.comes_from(address) for peer in known):
            return WRONG_ADDRESS
        return None

    def _forget(self, association: StreamedAssociation) -> None:
        with self._changed:
            self._admitted.discard(association)
            self._changed.notify_all()


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Read an address; an IPv4 caller of an IPv6 socket is an IPv4 caller."""
    caller = ipaddress.ip_address(address.split("%", 1)[0])
    mapped = getattr(caller, "ipv4_mapped", None)
    return mapped or caller


def _resolve(host: str) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {_plain(str(entry[4][0])) for entry in found}
