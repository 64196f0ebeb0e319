"""What a site may choose, as the parts take it: the settings' defaults, and changes."""

from dataclasses import replace
from typing import Any

from dicom_node.analysis.worker import WorkerOptions
from dicom_node.delivery.deliverer import Patience
from dicom_node.delivery.route import Route
from dicom_node.dimse.acceptor.application_entity import DimseConfig
from dicom_node.dimse.scu.association import Timeouts
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring import analysis, delivery, dimse, reception, remotes
from dicom_node.worklist.eligibility import EligibilityRules

_NOTHING_CHOSEN = Settings()


def rules(**changes: Any) -> EligibilityRules:
    """Which images are analysed."""
    return replace(reception.eligibility_rules(_NOTHING_CHOSEN), **changes)


def worker_options(**changes: Any) -> WorkerOptions:
    """How a worker works."""
    return replace(analysis.worker_options(_NOTHING_CHOSEN), **changes)


def patience(**changes: Any) -> Patience:
    """How long deliveries are tried."""
    return replace(delivery.patience(_NOTHING_CHOSEN), **changes)


def timeouts(**changes: Any) -> Timeouts:
    """How long peers may take."""
    return replace(remotes.timeouts(_NOTHING_CHOSEN), **changes)


def dimse_config(ae_title: str, **changes: Any) -> DimseConfig:
    """How a node listens, on any free loopback port."""
    values = {"ae_title": ae_title, "port": 0} | changes
    return replace(dimse.dimse_config(_NOTHING_CHOSEN), **values)


def route(destination: str, evidence: tuple[str, ...], **changes: Any) -> Route:
    """What a receiver gets, nothing in place of it unless said."""
    values: dict[str, Any] = {
        "fallback": {},
        "required": True,
        "not_analysable_report": False,
    }
    return Route(destination, evidence, **(values | changes))
