"""``[http]`` and ``[dicomweb]``: the HTTP listener, who may use it, what it serves."""

import ipaddress
from typing import Literal, Self

from pydantic import Field, IPvAnyNetwork, SecretStr, model_validator

from dicom_node.node.settings.section import (
    Bytes,
    Count,
    ListenPort,
    Seconds,
    Section,
    TlsSection,
)
from dicom_node.web.auth.oidc import is_acceptable_issuer

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


RoleWord = Literal["viewer", "operator", "admin"]
Roles = dict[str, RoleWord]
"""Group -> role; ``*`` stands for everybody that is known."""


class OidcSection(Section):
    """An OpenID provider that says who somebody is."""

    issuer: str = ""
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    name: str = "single sign-on"
    scopes: tuple[str, ...] = ("openid", "profile", "groups")
    name_claim: str = "preferred_username"
    groups_claim: str = "groups"
    roles: Roles = Field(default_factory=dict)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.issuer:
            return self
        if not is_acceptable_issuer(self.issuer):
            msg = "issuer is an https URL"
            raise ValueError(msg)
        if not self.client_id or not self.roles:
            msg = "issuer needs client_id and roles: nobody would have one"
            raise ValueError(msg)
        if "openid" not in self.scopes:
            msg = "scopes: without openid nobody is told who it is"
            raise ValueError(msg)
        return self


class ProxySection(Section):
    """A reverse proxy that says who asks."""

    addresses: tuple[IPvAnyNetwork, ...] = ()
    user_header: str = "X-Forwarded-User"
    groups_header: str = "X-Forwarded-Groups"
    roles: Roles = Field(default_factory=dict)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.addresses and not self.roles:
            msg = "addresses need roles: nobody would have one"
            raise ValueError(msg)
        return self


class AuthSection(Section):
    """Who may use the HTTP interface."""

    api_keys: tuple[SecretStr, ...] = ()
    allow_unauthenticated: bool = False
    session_idle_s: Seconds = 28_800.0
    session_longest_s: Seconds = 604_800.0
    login_tries: Count = 5
    login_tries_per_address: Count = 30
    lock_out_s: Seconds = 900.0
    oidc: OidcSection = OidcSection()
    proxy: ProxySection = ProxySection()

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


class DicomwebSection(Section):
    """The DICOMweb origin server."""

    enabled: bool = True
    maximum_results: Count = 1000
    maximum_request_bytes: Bytes = 17_179_869_184
    maximum_parts: Count = 5000
