"""How the node calls its peers, by DIMSE and by HTTP, and as whom."""

import base64
from collections.abc import Mapping
from pathlib import Path

from dicom_node.delivery.stow import WebServer
from dicom_node.dimse.scu.association import RemoteAE, Timeouts
from dicom_node.errors import SettingsInvalid
from dicom_node.node import tls
from dicom_node.node.settings.destinations import RemoteSection, StowDestinationSection
from dicom_node.node.settings.load import Settings
from dicom_node.node.settings.section import TlsSection


def timeouts(settings: Settings) -> Timeouts:
    """Say how long peers that we call may take."""
    section = settings.dimse
    return Timeouts(
        connection_s=section.connection_timeout_s,
        association_s=section.association_timeout_s,
        message_s=section.message_timeout_s,
        network_s=section.network_timeout_s,
    )


def remote_ae(settings: Settings, section: RemoteSection) -> RemoteAE:
    """Say how to call a destination, or who is asked in its place.

    Raises
    ------
    SettingsInvalid
        It wants TLS and there are no certificates.
    """
    return remote(
        settings, section.ae_title, section.host, section.port, tls_on=section.tls
    )


def remote(
    settings: Settings, ae_title: str, host: str, port: int, *, tls_on: bool
) -> RemoteAE:
    """Say how to call an application entity.

    Raises
    ------
    SettingsInvalid
        It wants TLS and there are no certificates.
    """
    if not tls_on:
        return RemoteAE(ae_title, host, port)
    files = certificates(settings.dimse.tls)
    if files is None:
        raise SettingsInvalid(
            f"{ae_title} at {host}: tls needs dimse.tls.certificate and key"
        )
    return RemoteAE(ae_title, host, port, tls.client_context(files))


def certificates(section: TlsSection) -> tls.Certificates | None:
    """Name the PEM files of a listener, if it has any."""
    if section.certificate is None or section.key is None:
        return None
    return tls.Certificates(section.certificate, section.key, section.ca)


def web_server(settings: Settings, section: StowDestinationSection) -> WebServer:
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
        connection_s=settings.dimse.connection_timeout_s,
        answer_s=settings.dimse.message_timeout_s,
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
