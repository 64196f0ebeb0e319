"""Settings -> the values that the parts take; the parts know no settings."""

import hashlib
import os
import socket
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from dicom_node import __version__
from dicom_node.analysis.worker import WorkerOptions
from dicom_node.delivery.deliverer import Patience
from dicom_node.delivery.destination import DimseDestination
from dicom_node.delivery.route import Route, kinds_of
from dicom_node.dimse.acceptor.application_entity import DimseConfig, Peer
from dicom_node.dimse.scu.association import RemoteAE, Timeouts
from dicom_node.errors import SettingsInvalid
from dicom_node.evidence.subject import EvidenceContext
from dicom_node.node import tls
from dicom_node.node.maintenance import Retention
from dicom_node.node.settings.load import Settings
from dicom_node.node.settings.sections import DestinationSection, TlsSection
from dicom_node.web.server import Listener
from dicom_node.worklist.eligibility import EligibilityRules
from dicom_node.worklist.retry import BackOff
from inference.manifest import BUILTIN_MODELS, ModelManifest, find_model
from inference.runners.onnx import OnnxModelRunner
from storage.database import Database

_NEVER = datetime.min.replace(tzinfo=UTC)
"""Stands where each image's own moment is put."""


def database(settings: Settings) -> Database:
    """Make the way to the database; nothing is opened yet."""
    return Database(settings.database_url)


def model_roots(settings: Settings) -> tuple[Path, ...]:
    """List where models are looked for, the site's own first."""
    own = (settings.model.folder,) if settings.model.folder else ()
    return (*own, BUILTIN_MODELS)


def runner(settings: Settings) -> OnnxModelRunner:
    """Make the runner of the configured model; not loaded yet."""
    section = settings.model
    folder = find_model(section.name, model_roots(settings))
    return OnnxModelRunner(folder, section.device, section.threads)


def rules(settings: Settings) -> EligibilityRules:
    """Say which images are analysed."""
    section = settings.eligibility
    return EligibilityRules(
        accept_for_processing=section.accept_for_processing,
        accept_secondary_capture=section.accept_secondary_capture,
        secondary_capture_modalities=frozenset(section.secondary_capture_modalities),
        minimum_age_years=section.minimum_age_years,
        minimum_size_px=section.minimum_size_px,
        unknown_view=section.unknown_view,
        unknown_body_part=section.unknown_body_part,
        body_part_words=frozenset(section.body_part_words),
        refused_views=frozenset(section.refused_views),
        derived_products=section.derived_products,
        refused_image_types=frozenset(section.refused_image_types),
        accepted_modalities=frozenset(section.accepted_modalities),
    )


def context(settings: Settings, manifest: ModelManifest) -> EvidenceContext:
    """Say who makes the results; each image and moment is filled in later."""
    section = settings.evidence
    choices = "".join(
        table.model_dump_json() for table in (section, settings.seg, settings.sr)
    ).encode()
    return EvidenceContext(
        manifest=manifest,
        ae_title=settings.node.ae_title,
        software_version=__version__,
        created_at=_NEVER,
        source_sha256="",
        config_digest=hashlib.sha256(choices).hexdigest(),
        device_serial_number=section.device_serial_number,
        uid_root=section.uid_root or None,
        series_number_base=section.series_number_base,
        viewer_geometry=settings.seg.viewer_geometry,
        report_regions=settings.sr.regions,
        image_level=settings.sr.image_level,
    )


def routes(settings: Settings) -> tuple[Route, ...]:
    """Say who gets which results."""
    return tuple(
        Route(
            destination=section.name,
            evidence=section.evidence,
            fallback={kind: kinds for kind, kinds in section.fallback.items()},  # noqa: C416  a wider key type
            required=section.required,
            not_analysable_report=section.not_analysable_report,
        )
        for section in settings.destinations
    )


def explains(settings: Settings) -> bool:
    """Say whether anybody wants to know why an image was not analysed."""
    return any(section.not_analysable_report for section in settings.destinations)


def recalled_context(settings: Settings, model: Mapping[str, str]) -> EvidenceContext:
    """Say who makes a rejection note: this node, about a model by its name.

    The model itself need not be here any more, and no picture goes through it.
    """
    manifest = ModelManifest(
        name=model["name"],
        version=model["version"],
        sha256=model["sha256"],
        input_size_px=32,
        max_instances=1,
        intended_use="",
        licence="",
        training_data_digest="",
    )
    return context(settings, manifest)


def kinds(settings: Settings) -> tuple[str, ...]:
    """List what to encode; without a receiver the usual results are kept here."""
    wanted = kinds_of(routes(settings))
    if wanted:
        return wanted
    usual: tuple[str, ...] = DestinationSection.model_fields["evidence"].default
    return usual


def worker_options(settings: Settings) -> WorkerOptions:
    """Say how a worker works; its name is unique among processes and restarts."""
    section = settings.worker
    return WorkerOptions(
        name=f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
        batch_size=settings.model.batch_size,
        batch_wait_s=settings.model.batch_wait_ms / 1000,
        lease_s=section.lease_s,
        lost_attempts=section.lost_attempts,
    )


def patience(settings: Settings) -> Patience:
    """Say how long deliveries are tried."""
    section = settings.delivery
    return Patience(
        back_off=BackOff(section.first_retry_s, section.longest_retry_s),
        give_up_after_s=section.give_up_after_s,
        probe_s=section.probe_s,
        lease_s=section.lease_s,
        batch_size=section.batch_size,
    )


def retention(settings: Settings) -> Retention:
    """Say how long objects stay."""
    return Retention(settings.retention.sources, settings.retention.results)


def dimse(settings: Settings) -> DimseConfig:
    """Say how the DIMSE listener listens."""
    section = settings.dimse
    files = _certificates(section.tls)
    require = section.tls.require_client_certificate
    return DimseConfig(
        ae_title=settings.node.ae_title,
        host=section.host,
        port=section.port,
        require_called_ae_title=section.require_called_ae_title,
        peers=tuple(
            Peer(peer.ae_title, peer.address, peer.port or 0) for peer in section.peers
        ),
        accept_unknown_peers=section.accept_unknown_peers,
        max_associations=section.max_associations,
        maximum_pdu_bytes=section.maximum_pdu_bytes,
        maximum_object_bytes=section.maximum_object_bytes,
        association_timeout_s=section.association_timeout_s,
        message_timeout_s=section.message_timeout_s,
        network_timeout_s=section.network_timeout_s,
        tls=tls.server_context(files, require_client=require) if files else None,
    )


def timeouts(settings: Settings) -> Timeouts:
    """Say how long peers that we call may take."""
    section = settings.dimse
    return Timeouts(
        connection_s=section.connection_timeout_s,
        association_s=section.association_timeout_s,
        message_s=section.message_timeout_s,
        network_s=section.network_timeout_s,
    )


def remote(settings: Settings, section: DestinationSection) -> RemoteAE:
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


def dimse_destination(
    settings: Settings, section: DestinationSection
) -> DimseDestination:
    """Make the way to a destination that takes C-STORE."""
    return DimseDestination(
        remote(settings, section), settings.node.ae_title, timeouts(settings)
    )


def http(settings: Settings) -> Listener:
    """Say how the HTTP listener listens."""
    section, files = settings.http, settings.http.tls
    return Listener(
        section.host,
        section.port,
        files.certificate,
        files.key,
        files.ca,
        require_client_certificate=files.require_client_certificate,
    )


def _certificates(section: TlsSection) -> tls.Certificates | None:
    if section.certificate is None or section.key is None:
        return None
    return tls.Certificates(section.certificate, section.key, section.ca)
