"""The analysis of an image, and the worker around it."""

import os
import socket
import uuid

from dicom_node.analysis.worker import WorkerOptions
from dicom_node.delivery.route import kinds_of
from dicom_node.node.settings.evidence import USUAL_EVIDENCE
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.delivery import routes


def evidence_kinds(settings: Settings) -> tuple[str, ...]:
    """List what to encode; without a receiver the usual results are kept here."""
    return kinds_of(routes(settings)) or USUAL_EVIDENCE


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
