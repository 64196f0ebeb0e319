"""Who makes the results, and how they are written."""

import hashlib
from functools import partial

from dicom_node import __version__
from dicom_node.evidence.maker import Maker, ModelIdentity, Style
from dicom_node.injected import clock
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.storage import make_store
from dicom_node.worklist.recall import Recall
from storage.database import Database


def make_maker(settings: Settings, model: ModelIdentity) -> Maker:
    """Say who makes the results of a model."""
    section = settings.evidence
    choices = "".join(
        table.model_dump_json() for table in (section, settings.seg, settings.sr)
    ).encode()
    return Maker(
        model=model,
        ae_title=settings.node.ae_title,
        software_version=__version__,
        serial_number=section.device_serial_number or settings.node.ae_title,
        settings_digest=hashlib.sha256(choices).hexdigest(),
        uid_root=section.uid_root or None,
    )


def style(settings: Settings) -> Style:
    """Say how results are written."""
    return Style(
        viewer_geometry=settings.seg.viewer_geometry,
        report_regions=settings.sr.regions,
        image_level=settings.sr.image_level,
        series_number_base=settings.evidence.series_number_base,
    )


def make_recall(settings: Settings, database: Database) -> Recall:
    """Make what calls results back, beside a node that runs."""
    maker_of = partial(make_maker, settings)
    store = make_store(settings)
    return Recall(database, store, maker_of, style(settings), clock)
