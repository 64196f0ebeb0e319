"""How the node listens to its peers, and how it calls them."""

from dicom_node.dimse.acceptor.admission import Peer
from dicom_node.dimse.acceptor.application_entity import ApplicationEntity, DimseConfig
from dicom_node.dimse.scu.association import RemoteAE, Timeouts
from dicom_node.dimse.services.storage import StorageSCP
from dicom_node.dimse.services.unified_procedure_step import UnifiedProcedureStepSCP
from dicom_node.dimse.services.verification import VerificationSCP
from dicom_node.errors import SettingsInvalid
from dicom_node.node import tls
from dicom_node.node.parts import Parts
from dicom_node.node.settings.destinations import DimseDestinationSection
from dicom_node.node.settings.load import Settings
from dicom_node.node.settings.section import TlsSection


def dimse_config(settings: Settings) -> DimseConfig:
    """Say how the DIMSE listener listens."""
    section = settings.dimse
    files = _certificates(section.tls)
    require = section.tls.require_client_certificate
    return DimseConfig(
        ae_title=settings.node.ae_title,
        host=section.host,
        port=section.port,
        require_called_ae_title=section.require_called_ae_title,
        peers=tuple(Peer(peer.ae_title, peer.address) for peer in section.peers),
        accept_unknown_peers=section.accept_unknown_peers,
        max_associations=section.max_associations,
        max_associations_per_address=section.associations_per_address,
        minimum_bytes_per_s=section.minimum_bytes_per_s,
        maximum_pdu_bytes=section.maximum_pdu_bytes,
        association_timeout_s=section.association_timeout_s,
        message_timeout_s=section.message_timeout_s,
        network_timeout_s=section.network_timeout_s,
        tls=tls.server_context(files, require_client=require) if files else None,
    )


def make_acceptor(settings: Settings, parts: Parts) -> ApplicationEntity:
    """Make the listening Application Entity with its services."""
    services = (
        VerificationSCP(),
        StorageSCP(parts.reception, settings.dimse.maximum_object_bytes),
        UnifiedProcedureStepSCP(parts.worklist),
    )
    return ApplicationEntity(dimse_config(settings), services)


def timeouts(settings: Settings) -> Timeouts:
    """Say how long peers that we call may take."""
    section = settings.dimse
    return Timeouts(
        connection_s=section.connection_timeout_s,
        association_s=section.association_timeout_s,
        message_s=section.message_timeout_s,
        network_s=section.network_timeout_s,
    )


def remote_ae(settings: Settings, section: DimseDestinationSection) -> RemoteAE:
    """Say how to call a destination.

    Raises
    ------
    SettingsInvalid
        It wants TLS and there are no certificates.
    """
    context = None
    if section.tls:
        files = _certificates(settings.dimse.tls)
        if files is None:
            raise SettingsInvalid(
                f"destinations: {section.name}: tls needs dimse.tls.certificate and key"
            )
        context = tls.client_context(files)
    return RemoteAE(section.ae_title, section.host, section.port, context)


def _certificates(section: TlsSection) -> tls.Certificates | None:
    if section.certificate is None or section.key is None:
        return None
    return tls.Certificates(section.certificate, section.key, section.ca)
