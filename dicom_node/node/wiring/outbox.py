"""Who commits himself to keep what, and who is told, and how patiently."""

import ipaddress
from collections.abc import Callable, Iterator

from dicom_node.dimse.retrieval.sending import Destinations
from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.node.parts import Parts
from dicom_node.node.settings.destinations import RemoteSection
from dicom_node.node.settings.dimse import PeerSection
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.remotes import remote, remote_ae, timeouts
from dicom_node.worklist.availability import Availability, NotifiedPeer
from dicom_node.worklist.commitment import (
    CommitmentPatience,
    Commitments,
    Keeper,
)
from dicom_node.worklist.commitment_requests import (
    CalledBack,
    CommitmentRequests,
    ReportingPatience,
)
from dicom_node.worklist.retry import BackOff


def keepers(settings: Settings) -> Iterator[tuple[str, RemoteSection]]:
    """Name the destinations that commit themselves, and whom to ask."""
    asked = {one.name for one in settings.destinations if one.storage_commitment}
    return (pair for pair in _archives(settings) if pair[0] in asked)


def make_keepers(settings: Settings) -> list[Keeper]:
    """Say how to ask each of them."""
    return [
        Keeper(
            name,
            remote_ae(settings, section),
            settings.node.ae_title,
            timeouts(settings),
        )
        for name, section in keepers(settings)
    ]


def make_commitments(settings: Settings, parts: Parts) -> Commitments:
    """Make what asks for commitment and takes reports."""
    section = settings.delivery
    return Commitments(
        parts.database,
        {name: keeper.ae_title for name, keeper in keepers(settings)},
        CommitmentPatience(
            back_off=_back_off(settings),
            report_s=section.commitment_report_s,
            tries=section.commitment_tries,
            listen_s=section.commitment_listen_s,
        ),
        parts.clock,
        parts.new_uid,
    )


def make_requests(settings: Settings, parts: Parts) -> CommitmentRequests:
    """Make what takes peers' requests and reports to them."""
    peers = {
        peer.ae_title: _calling_back(settings, peer)
        for peer in settings.dimse.peers
        if peer.port is not None
    }
    patience = ReportingPatience(
        same_association_s=settings.dimse.message_timeout_s,
        back_off=_back_off(settings),
        give_up_after_s=settings.delivery.give_up_after_s,
    )
    called = CalledBack(peers, timeouts(settings))
    return CommitmentRequests(
        parts.database, parts.store, called, patience, parts.clock
    )


def make_availability(settings: Settings, parts: Parts) -> Availability | None:
    """Make what tells peers where results can be retrieved, if any is to be told."""
    if not settings.availability:
        return None
    titles = {name: keeper.ae_title for name, keeper in _archives(settings)}
    listeners = {
        section.ae_title: NotifiedPeer(
            remote_ae(settings, section),
            section.destination,
            titles[section.destination],
        )
        for section in settings.availability
    }
    return Availability(
        parts.database,
        listeners,
        calling_ae=settings.node.ae_title,
        timeouts=timeouts(settings),
        back_off=_back_off(settings),
        give_up_after_s=settings.delivery.give_up_after_s,
        clock=parts.clock,
        new_uid=parts.new_uid,
    )


def _archives(settings: Settings) -> Iterator[tuple[str, RemoteSection]]:
    for section in settings.destinations:
        if section.keeper is not None:
            yield section.name, section.keeper


def _back_off(settings: Settings) -> BackOff:
    return BackOff(settings.delivery.first_retry_s, settings.delivery.longest_retry_s)


def _calling_back(settings: Settings, peer: PeerSection) -> Callable[[str], RemoteAE]:
    def make(address: str) -> RemoteAE:
        host = address if _is_block(peer.address) else peer.address
        port = peer.port or 0
        return remote(settings, peer.ae_title, host, port, tls_on=peer.tls)

    return make


def move_destinations(settings: Settings) -> Destinations:
    """Say where C-MOVE may send: to peers with a port.

    A peer that may have any of many addresses is known where it is itself the caller.
    """
    return {
        peer.ae_title: _moving_to(settings, peer)
        for peer in settings.dimse.peers
        if peer.port is not None
    }


def _moving_to(
    settings: Settings, peer: PeerSection
) -> Callable[[str, str], RemoteAE | None]:
    call = _calling_back(settings, peer)

    def make(caller: str, address: str) -> RemoteAE | None:
        if _is_block(peer.address) and caller != peer.ae_title:
            return None
        return call(address)

    return make


def _is_block(address: str) -> bool:
    """Tell whether an address names many machines, or none."""
    if not address:
        return True
    try:
        return ipaddress.ip_network(address, strict=False).num_addresses > 1
    except ValueError:
        return False
