"""Which keys of the configuration may change while the node runs.

What a hospital changes in daily work: who may send, who receives, certificates, where
the log goes. Everything else keeps its value until a restart.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.delivery import make_destination
from dicom_node.node.wiring.dimse import dimse_config
from dicom_node.node.wiring.web import http_address

_TAKEN_OVER: Mapping[str, tuple[str, ...]] = {
    "node": ("log_level", "log_format", "log_file"),
    "dimse": ("peers", "accept_unknown_peers", "tls"),
}
"""Table -> its keys that are taken over; destinations are, as a whole."""


def merged(running: Settings, wanted: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Lay what may change of a configuration over the one that runs.

    Returns
    -------
        The configuration to run by, and the keys whose new values have to wait.
    """
    changes: dict[str, Any] = {"destinations": wanted.destinations}
    for table, keys in _TAKEN_OVER.items():
        new = getattr(wanted, table)
        kept = {key: getattr(new, key) for key in keys}
        changes[table] = getattr(running, table).model_copy(update=kept)
    # The listener is one with TLS or one without.
    if running.http.tls.on == wanted.http.tls.on:
        tls = {"tls": wanted.http.tls}
        changes["http"] = running.http.model_copy(update=tls)
    settings = running.model_copy(update=changes)
    return settings, tuple(_differences(settings, wanted))


def try_out(settings: Settings) -> None:
    """Make what new certificates and destinations need, once, to see that they can be.

    Raises
    ------
    SettingsInvalid
        A file cannot be read, or does not belong to another.
    """
    dimse_config(settings)
    http_address(settings)
    for section in settings.destinations:
        make_destination(settings, section)


def _differences(one: Settings, other: Settings) -> Iterator[str]:
    """Name the keys that differ; not their values, which may be secrets."""
    for table in type(one).model_fields:
        here, there = getattr(one, table), getattr(other, table)
        if here != there:
            for key in type(here).model_fields:
                if getattr(here, key) != getattr(there, key):
                    yield f"{table}.{key}"
