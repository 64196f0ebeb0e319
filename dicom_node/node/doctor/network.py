"""Names, ports, certificates, and whether destinations answer."""

import errno
import ipaddress
import socket
from collections.abc import Callable

from dicom_node.dimse.scu import diagnosis, verification
from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.errors import NodeError, PeerBusy, PeerRefused, PeerUnreachable
from dicom_node.injected import clock
from dicom_node.node import tls
from dicom_node.node.doctor.running import RunningNode, near
from dicom_node.node.doctor.verdicts import Doubt, Wrong
from dicom_node.node.services.listeners import unbound
from dicom_node.node.settings.destinations import (
    DestinationSection,
    DimseDestinationSection,
)
from dicom_node.node.settings.load import Settings
from dicom_node.node.settings.web import is_loopback
from dicom_node.node.wiring.access import make_access, refuse_unprotected
from dicom_node.node.wiring.delivery import make_destination
from dicom_node.node.wiring.dimse import dimse_config
from dicom_node.node.wiring.remotes import certificates, remote_ae, timeouts
from dicom_node.node.wiring.storage import embedded_file, opened_database
from dicom_node.node.wiring.web import http_address
from dicom_node.web.auth.access import is_protected


def peers(settings: Settings) -> str:
    """Say who may send, and whether their host names resolve."""
    section = settings.dimse
    lost = [peer.address for peer in section.peers if not _resolves(peer.address)]
    if lost:
        raise Wrong(
            f"dimse.peers: {', '.join(lost)} does not resolve, so nobody may send from"
            " there: check the name, and DNS"
        )
    if section.accept_unknown_peers:
        return "any calling AE title may send"
    if not section.peers:
        raise Doubt("nobody may send: dimse.peers is empty")
    return ", ".join(peer.ae_title for peer in section.peers) + " may send"


def tls_files(settings: Settings) -> str:
    """Load every certificate as the listeners do, and look when they end."""
    dimse_config(settings)
    http_address(settings)
    sections = {"dimse": settings.dimse.tls, "http": settings.http.tls}
    for section in sections.values():
        if doubt := tls.doubt(tls.ends_at(certificates(section)), clock()):
            raise Doubt(doubt)
    on = [name for name, section in sections.items() if section.on]
    return f"TLS on {' and '.join(on)}" if on else "TLS is off"


def dimse_port(settings: Settings) -> str:
    """Look whether it is free, or the node answers there."""
    section = settings.dimse
    if _is_free("dimse.port", section.host, section.port):
        return f"{section.host}:{section.port} is free"
    here = RemoteAE(settings.node.ae_title, near(section.host), section.port)
    try:
        verification.echo(
            here,
            calling_ae=settings.node.ae_title,
            timeouts=timeouts(settings),
        )
    except NodeError as error:
        raise Doubt(
            f"{section.host}:{section.port} is in use: by this node, if it runs"
        ) from error
    return f"{section.host}:{section.port}: the node runs and answers"


def access(settings: Settings) -> str:
    """Look whether somebody can be known, where others can ask."""
    section = settings.http
    file = embedded_file(settings)
    if file is not None and not file.is_file():
        refuse_unprotected(settings, make_access(settings, None, clock))
        return "no user yet: the node has not run"
    with opened_database(settings) as database:
        known = make_access(settings, database, clock)
        refuse_unprotected(settings, known)
        if not is_protected(known):
            return "nobody is asked who it is: only this machine reaches HTTP"
    if not is_loopback(section.host) and not section.tls.on:
        raise Doubt(
            "keys are sent in the clear, and nobody can sign in, unless a proxy speaks"
            " TLS for this node: set http.tls"
        )
    return "whoever asks has to be known"


def http_port(settings: Settings, node: RunningNode | None) -> str:
    """Look whether it is free, or the node answered there."""
    section = settings.http
    if node is not None:
        return f"{section.host}:{section.port}: the node runs and answers"
    if _is_free("http.port", section.host, section.port):
        return f"{section.host}:{section.port} is free"
    raise Doubt(f"{section.host}:{section.port} is in use, and it is no node that says")


def no_destination() -> str:
    """Say that nobody receives results."""
    raise Doubt("none: results stay on this node")


def echo(settings: Settings, section: DestinationSection) -> Callable[[], str]:
    """Make the check whether a destination answers."""

    def check() -> str:
        destination = make_destination(settings, section)
        if not isinstance(section, DimseDestinationSection):
            destination.probe()
            return f"{section.url} answers"
        remote = remote_ae(settings, section)
        try:
            destination.probe()
        except (PeerUnreachable, PeerBusy, PeerRefused) as error:
            calling, waits = settings.node.ae_title, timeouts(settings)
            text = diagnosis.explain(error, remote, calling, waits)
            raise NodeError(text) from error
        return f"{remote} answers C-ECHO"

    return check


def _resolves(address: str) -> bool:
    """Tell whether a peer's address is one, or a name that has one."""
    try:
        ipaddress.ip_network(address or "::", strict=False)
    except ValueError:
        try:
            socket.getaddrinfo(address, None)
        except (OSError, UnicodeError):
            return False
    return True


def _is_free(key: str, host: str, port: int) -> bool:
    """Tell whether the node could listen there; somebody else may do so already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise unbound(key, host, port, error) from error
    return True
