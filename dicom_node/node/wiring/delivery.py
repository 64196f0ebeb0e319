"""Who gets which results, and the way there."""

from collections.abc import Callable, Mapping
from functools import partial

from dicom_node.delivery.deliverer import Deliverer, Patience
from dicom_node.delivery.destination import Destination
from dicom_node.delivery.dimse import DimseDestination
from dicom_node.delivery.route import Route
from dicom_node.delivery.stow import StowDestination
from dicom_node.node.parts import Parts
from dicom_node.node.settings.destinations import (
    DestinationSection,
    StowDestinationSection,
)
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.remotes import remote_ae, timeouts, web_server
from dicom_node.worklist.retry import BackOff


def routes(settings: Settings) -> tuple[Route, ...]:
    """Say who gets which results."""
    return tuple(
        Route(
            destination=section.name,
            evidence=section.evidence,
            fallback=section.fallback,
            required=section.required,
            not_analysable_report=section.not_analysable_report,
            commitment=section.storage_commitment,
        )
        for section in settings.destinations
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


def make_destination(settings: Settings, section: DestinationSection) -> Destination:
    """Make the way to a receiver; one line for each kind."""
    if isinstance(section, StowDestinationSection):
        return StowDestination(web_server(settings, section))
    return DimseDestination(
        remote_ae(settings, section), settings.node.ae_title, timeouts(settings)
    )


def destinations(settings: Settings) -> Mapping[str, Callable[[], Destination]]:
    """Tell how the way to each receiver is made, by its name."""
    return {
        section.name: partial(make_destination, settings, section)
        for section in settings.destinations
    }


def make_deliverer(settings: Settings, parts: Parts, route: Route) -> Deliverer:
    """Make what empties one destination's part of the outbox."""
    return Deliverer(
        route,
        parts.destinations[route.destination](),
        parts.database,
        parts.store,
        patience=patience(settings),
        clock=parts.clock,
    )
