"""How the node calls DICOMweb servers, and as whom."""

import base64
from collections.abc import Mapping
from pathlib import Path

from dicom_node.delivery.stow import WebServer
from dicom_node.dimse.scu.association import Timeouts
from dicom_node.node import tls
from dicom_node.node.settings.destinations import StowDestinationSection


def web_server(section: StowDestinationSection, timeouts: Timeouts) -> WebServer:
    """Say how to call a server.

    Raises
    ------
    SettingsInvalid
        A TLS file cannot be used.
    """

    def credentials() -> Mapping[str, str]:
        return _credentials(section)

    return WebServer(
        url=section.url,
        tls=tls.web_client_context(section.certificate, section.key, section.ca),
        credentials=credentials,
        proxy=section.proxy,
        connection_s=timeouts.connection_s,
        answer_s=timeouts.message_s,
    )


def _credentials(section: StowDestinationSection) -> Mapping[str, str]:
    """Say who we are; files are read each time, since tokens are exchanged."""
    if section.has_token:
        token = _secret(section.token.get_secret_value(), section.token_file)
        return {"Authorization": f"Bearer {token}"}
    if section.username:
        password = _secret(section.password.get_secret_value(), section.password_file)
        pair = f"{section.username}:{password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}
    return {}


def _secret(value: str, file: Path | None) -> str:
    return value if file is None else file.read_text(encoding="ascii").strip()
