"""How the node listens to its peers."""

from dicom_node.dimse.acceptor.admission import Peer
from dicom_node.dimse.acceptor.application_entity import ApplicationEntity, DimseConfig
from dicom_node.dimse.retrieval.sending import Retrieval
from dicom_node.dimse.services.query_retrieve import QueryRetrieveSCP
from dicom_node.dimse.services.storage import StorageSCP
from dicom_node.dimse.services.storage_commitment import StorageCommitmentService
from dicom_node.dimse.services.unified_procedure_step import UnifiedProcedureStepSCP
from dicom_node.dimse.services.verification import VerificationSCP
from dicom_node.node import tls
from dicom_node.node.parts import Parts
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.monitoring.audit import tell_rejections
from dicom_node.node.wiring.outbox import (
    keepers,
    make_commitments,
    make_requests,
    move_destinations,
)
from dicom_node.node.wiring.remotes import certificates, timeouts


def dimse_config(settings: Settings) -> DimseConfig:
    """Say how the DIMSE listener listens."""
    section = settings.dimse
    files = certificates(section.tls)
    require = section.tls.require_client_certificate
    return DimseConfig(
        ae_title=settings.node.ae_title,
        host=section.host,
        port=section.port,
        further_titles=further_titles(settings),
        require_called_ae_title=section.require_called_ae_title,
        peers=(
            *(
                Peer(peer.ae_title, peer.address, peer.certificate_subject)
                for peer in section.peers
            ),
            # Who commits itself to keep results has to be able to report.
            *(Peer(keeper.ae_title, keeper.host) for _, keeper in keepers(settings)),
        ),
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


def further_titles(settings: Settings) -> tuple[str, ...]:
    """List the titles that have a word of their own."""
    return tuple(title.ae_title for title in settings.dimse.titles)


def make_retrieval(settings: Settings) -> Retrieval:
    """Say how what is held is given out."""
    return Retrieval(
        settings.node.ae_title, move_destinations(settings), timeouts(settings)
    )


def make_acceptor(settings: Settings, parts: Parts) -> ApplicationEntity:
    """Make the listening Application Entity with its services."""
    services = (
        VerificationSCP(),
        StorageSCP(
            parts.reception,
            settings.dimse.maximum_object_bytes,
            further_titles(settings),
        ),
        StorageCommitmentService(
            make_requests(settings, parts), make_commitments(settings, parts)
        ),
        UnifiedProcedureStepSCP(parts.worklist),
        QueryRetrieveSCP(parts.database, parts.store, make_retrieval(settings)),
    )
    told = tell_rejections(settings, parts)
    return ApplicationEntity(dimse_config(settings), services, told)
