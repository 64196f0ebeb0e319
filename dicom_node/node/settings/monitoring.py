"""``[metrics]``, ``[audit]``, ``[[notifications]]``: who is told what of this node."""

import base64
import binascii
import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from dicom_node.node.settings.section import Port, Seconds, Section
from dicom_node.node.settings.web import is_loopback


def _network(text: str) -> str:
    """Check an address or a network."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        msg = "an address or a network, such as 192.0.2.7 or 192.0.2.0/24"
        raise ValueError(msg) from None
    return text


class MetricsSection(Section):
    """Prometheus metrics."""

    enabled: bool = True
    allow: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    reference_films: int = Field(default=500, ge=20, le=1_000_000)


class SyslogSection(Section):
    """An audit record repository."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    host: str = Field(min_length=1)
    port: Port = 6514
    transport: Literal["tls", "udp"] = "tls"
    message_id: str = Field(default="DICOM+RFC3881", pattern=r"^[!-~]{1,32}$")
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            msg = "certificate and key belong together"
            raise ValueError(msg)
        return self


class AuditSection(Section):
    """The audit trail."""

    enabled: bool = True
    patient_ids: bool = True
    first_retry_s: Seconds = 5.0
    longest_retry_s: Seconds = 600.0
    receivers: tuple[SyslogSection, ...] = ()

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        names = [one.name for one in self.receivers]
        if len(set(names)) != len(names):
            msg = "receivers: a name is used twice"
            raise ValueError(msg)
        if self.first_retry_s > self.longest_retry_s:
            msg = "first_retry_s is longer than longest_retry_s"
            raise ValueError(msg)
        return self


_PREFIX = "whsec_"
_NEEDED = {
    "webhook": ("url", "secret"),
    "mail": ("host", "port", "sender", "recipients"),
    "hl7": ("host", "port"),
    "fhir": ("url",),
}
"""Kind -> keys that it cannot do without."""


class NotificationSection(Section):
    """Somebody who is told, and of what."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    kind: Literal["webhook", "mail", "hl7", "fhir"]
    severity_percent: float | None = Field(default=None, ge=0, le=100)
    growth_points: float | None = Field(default=None, ge=0, le=100)
    failed: bool = False
    late_s: Seconds | None = None
    destination_down_s: Seconds | None = None
    patient_ids: bool = False
    url: str = ""
    secret: SecretStr = SecretStr("")
    token: SecretStr = SecretStr("")
    host: str = ""
    port: Port | None = None
    security: Literal["tls", "starttls", "none"] = "tls"
    ca: Path | None = None
    sender: str = ""
    recipients: tuple[str, ...] = ()
    username: str = ""
    password: SecretStr = SecretStr("")
    application: str = ""
    facility: str = ""

    @property
    def key(self) -> bytes:
        """The secret that messages are signed with."""
        return base64.b64decode(self.secret.get_secret_value().removeprefix(_PREFIX))

    @model_validator(mode="after")
    def _complete(self) -> Self:
        missing = [key for key in _NEEDED[self.kind] if not _given(self, key)]
        if missing:
            msg = f"kind {self.kind} needs {' and '.join(missing)}"
            raise ValueError(msg)
        told = (self.severity_percent, self.growth_points)
        other = (self.late_s, self.destination_down_s, self.failed or None)
        if all(one is None for one in (*told, *other)):
            msg = "there is no rule: severity_percent, growth_points, failed, late_s, destination_down_s"  # noqa: E501  one sentence
            raise ValueError(msg)
        if self.kind in ("hl7", "fhir") and any(one is not None for one in other):
            msg = f"kind {self.kind} tells of results alone: severity_percent, growth_points"  # noqa: E501  one sentence
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _signed(self) -> Self:
        if self.kind != "webhook":
            return self
        try:
            binascii.a2b_base64(
                self.secret.get_secret_value().removeprefix(_PREFIX).encode(),
                strict_mode=True,
            )
        except (ValueError, UnicodeError):
            msg = "secret is base64, with or without whsec_ before it"
            raise ValueError(msg) from None
        return self

    @model_validator(mode="after")
    def _no_secret_in_the_clear(self) -> Self:
        if self.kind in ("webhook", "fhir"):
            host, clear = _host(self.url)
        else:
            host, clear = self.host, self.security == "none"
        if clear and not is_loopback(host):
            msg = "what is said of patients leaves this machine over TLS only"
            # Interface engines that speak plain MLLP are many: the site decides.
            if self.kind != "hl7":
                raise ValueError(msg)
        return self


def _given(section: NotificationSection, key: str) -> bool:
    value = getattr(section, key)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return bool(value)


def _host(url: str) -> tuple[str, bool]:
    """Read a URL: its host, and whether it is called without TLS."""
    msg = "url: not a URL of http or https"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(msg) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(msg)
    return parts.hostname, parts.scheme == "http"
