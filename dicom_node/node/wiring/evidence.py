"""Who makes the results, and how they are written."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

from dicom_node import __version__
from dicom_node.evidence.subject import EvidenceContext
from dicom_node.injected import clock
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.storage import make_store
from dicom_node.worklist.recall import Recall
from inference.manifest import ModelManifest
from storage.database import Database

_NEVER = datetime.min.replace(tzinfo=UTC)
"""Stands where each image's own moment is put."""


def evidence_context(settings: Settings, manifest: ModelManifest) -> EvidenceContext:
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
    return evidence_context(settings, manifest)


def make_recall(settings: Settings, database: Database) -> Recall:
    """Make what calls results back, beside a node that runs."""
    context_of = partial(recalled_context, settings)
    return Recall(database, make_store(settings), context_of, clock)
