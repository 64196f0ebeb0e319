"""How the HTTP interface listens."""

from dicom_node.node.settings.load import Settings
from dicom_node.web.server import Listener


def http_address(settings: Settings) -> Listener:
    """Say how the HTTP listener listens."""
    section, files = settings.http, settings.http.tls
    return Listener(
        section.host,
        section.port,
        files.certificate,
        files.key,
        files.ca,
        require_client_certificate=files.require_client_certificate,
    )
