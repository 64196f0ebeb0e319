"""``[metrics]``, ``[audit]``, ``[[notifications]]``: who is told what of this node."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from dicom_node.node.settings.section import Port, Seconds, Section


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
