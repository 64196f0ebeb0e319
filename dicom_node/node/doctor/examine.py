"""The checks of ``cxr-node doctor``, in order; none of them changes anything.

What a service of a node knows is asked of the node, by the health that it tells; only
what nobody knows before a node runs is looked at here.
"""

from collections.abc import Callable, Iterator

from dicom_node.node.doctor import contents, machine, network
from dicom_node.node.doctor.running import RunningNode, find_running
from dicom_node.node.doctor.verdicts import Checked, Verdict, run
from dicom_node.node.settings.load import Settings

__all__ = ["Checked", "Verdict", "examine"]


def examine(settings: Settings) -> Iterator[Checked]:
    """Run every check; what each found, as it ends."""
    node = find_running(settings)
    for name, check in _checks(settings, node):
        yield run(name, check)
    if node is not None:
        yield from node.told()


def _checks(
    settings: Settings, node: RunningNode | None
) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "disk", lambda: machine.disk(settings)
    yield "permissions", lambda: machine.permissions(settings)
    yield "clock", lambda: machine.clock(settings)
    yield "database", lambda: contents.database(settings)
    yield "store", lambda: contents.store(settings)
    yield "peers", lambda: network.peers(settings)
    yield "TLS files", lambda: network.tls_files(settings)
    yield "DIMSE port", lambda: network.dimse_port(settings)
    yield "HTTP port", lambda: network.http_port(settings, node)
    yield "HTTP access", lambda: network.access(settings)
    if not settings.destinations:
        yield "destinations", network.no_destination
    for section in settings.destinations:
        yield f"destination {section.name}", network.echo(settings, section)
    yield "model", lambda: contents.model(settings)
    yield "golden image", lambda: contents.golden_image(settings)
