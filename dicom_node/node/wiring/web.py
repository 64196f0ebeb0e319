"""The HTTP interface: where it listens, and its faces."""

from collections.abc import Callable, Mapping

from dicom_node.node import tls
from dicom_node.node.parts import Parts
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.dimse import certificates
from dicom_node.web.api.parts import ApiParts
from dicom_node.web.api.router import api
from dicom_node.web.application import create_app
from dicom_node.web.connections import HttpLimits
from dicom_node.web.server import HttpAddress, HttpServer


def make_server(
    settings: Settings,
    parts: Parts,
    conditions: Callable[[], Mapping[str, str | None]],
    doubts: Callable[[], Mapping[str, str]] = dict,
) -> HttpServer:
    """Make the HTTP listener with every face."""
    keys = [key.get_secret_value() for key in settings.http.auth.api_keys]
    asked = ApiParts(parts.database, parts.steps, conditions, parts.clock, doubts)
    hosts = (settings.http.host, *settings.http.allowed_hosts)
    app = create_app([api(asked)], keys, hosts)
    return HttpServer(app, http_address(settings), http_limits(settings))


def http_address(settings: Settings) -> HttpAddress:
    """Say how the HTTP listener listens."""
    section = settings.http
    files = certificates(section.tls)
    require = section.tls.require_client_certificate
    context = tls.server_context(files, require_client=require) if files else None
    return HttpAddress(section.host, section.port, context)


def http_limits(settings: Settings) -> HttpLimits:
    """Say what clients may cost."""
    section = settings.http
    return HttpLimits(
        section.max_connections,
        section.max_connections_per_address,
        section.request_timeout_s,
    )
