"""The listening Application Entity: admits associations and hands on their requests.

What it accepts and who answers is the services' affair; it knows none of them.
"""

import logging
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity as LibraryEntity
from pynetdicom.pdu_primitives import A_ASSOCIATE

from dicom_node.dataset.part10 import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
)
from dicom_node.dimse.acceptor.admission import (
    STOPPING,
    TOO_MANY,
    TOO_MANY_FROM_THERE,
    Peer,
    Rejection,
    rejection_of,
    subject_of,
)
from dicom_node.dimse.acceptor.association import StreamedAssociation
from dicom_node.dimse.acceptor.association_request import NOTHING
from dicom_node.dimse.acceptor.dispatch import (
    acceptable,
    add_contexts,
    handlers_of,
    opener_of,
)
from dicom_node.dimse.acceptor.listener import Limits, Listener
from dicom_node.dimse.service_class import ServiceClass

logger = logging.getLogger(__name__)
_UNASSOCIATED_CONNECTIONS = 16
_UNASSOCIATED_CONNECTIONS_PER_ADDRESS = 8
_LAST_WORDS_S = 2.0
_POLL_S = 0.1
_NAMED_CLASSES = 8


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
    max_associations_per_address
        How many of them from one address.
    minimum_bytes_per_s
        What a peer has to send while a message is under way.
    maximum_pdu_bytes
        Announced to peers; larger ones mean fewer, cheaper reads.
    association_timeout_s
        For association requests, release and abort (ACSE and ARTIM timers).
    message_timeout_s
        For DIMSE responses.
    network_timeout_s
        For the next byte, or the next request.
    tls
        Context of a server, when the peers talk TLS.
    further_titles
        Titles beside ours that callers may use.
    """

    ae_title: str
    host: str
    port: int
    require_called_ae_title: bool
    peers: tuple[Peer, ...]
    accept_unknown_peers: bool
    max_associations: int
    max_associations_per_address: int
    minimum_bytes_per_s: float
    maximum_pdu_bytes: int
    association_timeout_s: float
    message_timeout_s: float
    network_timeout_s: float
    tls: ssl.SSLContext | None
    further_titles: tuple[str, ...] = ()


def _nobody_is_told(calling: str, address: str, why: str) -> None:
    del calling, address, why


class ApplicationEntity:
    """The node as an acceptor of associations.

    Parameters
    ----------
    config
        How to listen.
    services
        What is accepted, and who answers.
    on_rejection
        Is told of who was rejected: calling AE title, address, why.
    """

    def __init__(
        self,
        config: DimseConfig,
        services: Sequence[ServiceClass],
        on_rejection: Callable[[str, str, str], None] = _nobody_is_told,
    ) -> None:
        self._on_rejection = on_rejection
        self._config = config
        self._services = tuple(services)
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
                (evt.EVT_ESTABLISHED, _tell_refused_classes),
                *handlers_of(self._services),
            ],
            opener=opener_of(self._services),
            ended=self._forget,
            limits=Limits(
                config.max_associations + _UNASSOCIATED_CONNECTIONS,
                config.max_associations_per_address
                + _UNASSOCIATED_CONNECTIONS_PER_ADDRESS,
                config.minimum_bytes_per_s,
            ),
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

    def change(self, config: DimseConfig) -> None:
        """Take over who may call, and the certificates; associations go on as begun."""
        self._config = replace(
            self._config,
            peers=config.peers,
            accept_unknown_peers=config.accept_unknown_peers,
            tls=config.tls,
        )
        if self._server is not None:
            self._server.tls = config.tls

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
        add_contexts(entity, self._services)
        return entity

    def _admit(self, event: evt.Event) -> None:
        """Reject an association request, or count it in."""
        association = cast("StreamedAssociation", event.assoc)
        request = cast("A_ASSOCIATE", association.requestor.primitive)
        rejection = self._refuses(association, request)
        if rejection is None:
            with self._changed:
                rejection = self._too_many(str(association.requestor.address))
                if rejection is None:
                    self._admitted.add(association)
                    _offer(association)
                    return
        logger.warning(
            "Rejected an association from '%s' at %s to '%s': %s.",
            request.calling_ae_title,
            association.requestor.address,
            request.called_ae_title,
            rejection.text,
            extra={"action": "reject"},
        )
        association.acse.send_reject(
            rejection.result, rejection.source, rejection.reason
        )
        association.kill()
        self._on_rejection(
            str(request.calling_ae_title),
            str(association.requestor.address),
            rejection.text,
        )

    def _refuses(
        self, association: StreamedAssociation, request: A_ASSOCIATE
    ) -> Rejection | None:
        if self._stopping:
            return STOPPING
        config = self._config
        return rejection_of(
            request,
            str(association.requestor.address),
            our_titles=(
                (config.ae_title, *config.further_titles)
                if config.require_called_ae_title
                else None
            ),
            peers=None if config.accept_unknown_peers else config.peers,
            subject=_subject(association),
        )

    def _too_many(self, address: str) -> Rejection | None:
        if len(self._admitted) >= self._config.max_associations:
            return TOO_MANY
        there = sum(one.requestor.address == address for one in self._admitted)
        if there >= self._config.max_associations_per_address:
            return TOO_MANY_FROM_THERE
        return None

    def _forget(self, association: StreamedAssociation) -> None:
        with self._changed:
            self._admitted.discard(association)
            self._changed.notify_all()


def _offer(association: StreamedAssociation) -> None:
    """Accept of a caller what it may be."""
    scp_of = {
        uid
        for uid, role in association.requestor.role_selection.items()
        if role.scp_role
    }
    offered = association.acceptor.supported_contexts
    association.acceptor.supported_contexts = acceptable(offered, scp_of)


def _subject(association: StreamedAssociation) -> str:
    """Tell whose certificate a caller showed; the handshake has trusted it."""
    connection = association.dul.socket.socket if association.dul.socket else None
    if not isinstance(connection, ssl.SSLSocket):
        return ""
    certificate = connection.getpeercert(binary_form=True)
    return subject_of(certificate) if certificate else ""


def _tell_refused_classes(event: evt.Event) -> None:
    """Log what a caller offered and this node does not take, in one line.

    A context that lacked a syntax has had its line when it was read.
    """
    association = event.assoc
    refused = sorted(
        {
            str(one.abstract_syntax)
            for one in association.rejected_contexts
            if NOTHING not in (one.abstract_syntax, *one.transfer_syntax)
        }
    )
    if not refused:
        return
    named = ", ".join(map(repr, refused[:_NAMED_CLASSES]))
    more = len(refused) - _NAMED_CLASSES
    logger.warning(
        "Refused SOP classes or their transfer syntaxes from %r at %s: %s%s.",
        str(association.requestor.ae_title).strip(),
        association.requestor.address,
        named,
        f" and {more} more" if more > 0 else "",
        extra={"action": "refuse"},
    )
