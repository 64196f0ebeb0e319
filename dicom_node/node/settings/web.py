"""``[http]`` and ``[dicomweb]``: the HTTP listener, who may use it, what it serves."""

import ipaddress
from typing import Self

from pydantic import SecretStr, model_validator

from dicom_node.node.settings.section import (
    Bytes,
    Count,
    ListenPort,
    Seconds,
    Section,
    TlsSection,
)

_KEY_LENGTH = 16


def is_loopback(host: str) -> bool:
    """Whether a listener there can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class HttpTlsSection(TlsSection):
    """Browsers rarely hold a certificate: asking for one is opt-in here."""

    require_client_certificate: bool = False

    @model_validator(mode="after")
    def _mutual(self) -> Self:
        if self.require_client_certificate and self.ca is None:
            msg = "require_client_certificate needs ca"
            raise ValueError(msg)
        return self


class AuthSection(Section):
    """Who may use the HTTP interface."""

    api_keys: tuple[SecretStr, ...] = ()
    allow_unauthenticated: bool = False

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        if any(len(key.get_secret_value()) < _KEY_LENGTH for key in self.api_keys):
            msg = f"api_keys: a key has at least {_KEY_LENGTH} characters"
            raise ValueError(msg)
        if not all(key.get_secret_value().isascii() for key in self.api_keys):
            msg = "api_keys: a key is plain ASCII, which a header can carry"
            raise ValueError(msg)
        return self


class HttpSection(Section):
    """The HTTP listener."""

    host: str = "127.0.0.1"
    port: ListenPort = 8042
    allowed_hosts: tuple[str, ...] = ()
    max_connections: Count = 200
    max_connections_per_address: Count = 100
    request_timeout_s: Seconds = 30.0
    tls: HttpTlsSection = HttpTlsSection()
    auth: AuthSection = AuthSection()

    @model_validator(mode="after")
    def _closed_to_strangers(self) -> Self:
        open_door = self.auth.allow_unauthenticated or self.auth.api_keys
        if not open_door and not is_loopback(self.host):
            msg = (
                "host is not a loopback address: set http.auth.api_keys, "
                "or http.auth.allow_unauthenticated = true if that is meant"
            )
            raise ValueError(msg)
        return self


class DicomwebSection(Section):
    """The DICOMweb origin server."""

    enabled: bool = True
    maximum_results: Count = 1000
    maximum_request_bytes: Bytes = 17_179_869_184
    maximum_parts: Count = 5000
