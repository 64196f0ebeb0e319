"""The HTTP interface: where it listens, and its faces."""

from collections.abc import Callable, Mapping

from dicom_node.node.parts import Parts
from dicom_node.node.settings.load import Settings
from dicom_node.web.api.parts import ApiParts
from dicom_node.web.api.router import api
from dicom_node.web.application import create_app
from dicom_node.web.connections import HttpLimits
from dicom_node.web.dicomweb.workitems.channel import channel
from dicom_node.web.dicomweb.workitems.router import workitems
from dicom_node.web.server import HttpAddress, HttpServer


def make_server(
    settings: Settings,
    parts: Parts,
    conditions: Callable[[], Mapping[str, str | None]],
) -> HttpServer:
    """Make the HTTP listener with every face."""
    keys = [key.get_secret_value() for key in settings.http.auth.api_keys]
    asked = ApiParts(parts.database, parts.steps, conditions, parts.clock)
    hosts = (settings.http.host, *settings.http.allowed_hosts)
    faces = [api(asked), workitems(parts.worklist), channel(parts.database)]
    app = create_app(faces, keys, hosts)
    return HttpServer(app, http_address(settings), http_limits(settings))


def http_address(settings: Settings) -> HttpAddress:
    """Say how the HTTP listener listens."""
    section, files = settings.http, settings.http.tls
    return HttpAddress(
        section.host,
        section.port,
        files.certificate,
        files.key,
        files.ca,
        require_client_certificate=files.require_client_certificate,
    )


def http_limits(settings: Settings) -> HttpLimits:
    """Say what clients may cost."""
    section = settings.http
    return HttpLimits(
        section.max_connections,
        section.max_connections_per_address,
        section.request_timeout_s,
    )
