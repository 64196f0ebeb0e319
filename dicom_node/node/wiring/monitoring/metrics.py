"""What metrics are made of, and who may scrape them without a key."""

import ipaddress
from collections.abc import Callable, Mapping
from functools import partial

from dicom_node.monitoring.exposition import Observed, expose, fold
from dicom_node.node.parts import Parts
from dicom_node.node.settings.load import Settings
from dicom_node.web.metrics import Network


def make_exposition(
    settings: Settings,
    parts: Parts,
    conditions: Callable[[], Mapping[str, str | None]],
) -> Callable[[], bytes]:
    """Make what writes all metrics."""
    observed = Observed(
        parts.database,
        parts.store,
        conditions,
        parts.clock,
        settings.metrics.reference_films,
    )
    return partial(expose, observed)


def make_fold(settings: Settings, parts: Parts) -> Callable[[], None]:
    """Make what counts, so that a scrape has little left to do."""
    return partial(fold, parts.database, settings.metrics.reference_films)


def scrapers(settings: Settings) -> tuple[Network, ...]:
    """Say where scrapers call from."""
    return tuple(map(ipaddress.ip_network, settings.metrics.allow))
