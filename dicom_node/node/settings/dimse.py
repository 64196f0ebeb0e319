"""``[dimse]``: the listener, its peers, and the time-outs of both roles."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from cryptography import x509
from pydantic import AfterValidator, Field, ValidationError, model_validator

from dicom_node.node.settings.analysis import EligibilitySection
from dicom_node.node.settings.section import (
    AETitle,
    Bytes,
    ListenPort,
    Port,
    Seconds,
    Section,
    Threads,
    TlsSection,
)

_HOST_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")

_ASSOCIATIONS_PER_ADDRESS = 8


def _caller(address: str) -> str:
    """Check an address, a CIDR block or a host name; empty means anywhere."""
    try:
        ipaddress.ip_network(address or "::", strict=False)
    except ValueError:
        if not _HOST_NAME.fullmatch(address):
            msg = "neither an address, nor a CIDR block, nor a host name"
            raise ValueError(msg) from None
    return address


Caller = Annotated[str, AfterValidator(_caller)]


def _subject(words: str) -> str:
    """Read a subject as OpenSSL prints it, and write it in one way."""
    try:
        return x509.Name.from_rfc4514_string(words).rfc4514_string() if words else ""
    except ValueError:
        msg = 'no subject of a certificate, such as "CN=modality1,O=Hospital"'
        raise ValueError(msg) from None


Subject = Annotated[str, AfterValidator(_subject)]


class PeerSection(Section):
    """An application entity that may talk to us."""

    ae_title: AETitle
    address: Caller = ""
    certificate_subject: Subject = ""
    port: Port | None = None
    tls: bool = False


class TitleSection(Section):
    """One of our AE titles, and how what is sent to it is treated."""

    ae_title: AETitle
    priority: Literal["high", "medium", "low"] | None = None
    destinations: tuple[str, ...] | None = None
    eligibility: Mapping[str, Any] = {}

    @model_validator(mode="after")
    def _known_rules(self) -> Self:
        try:
            EligibilitySection(**self.eligibility)
        except ValidationError as error:
            (first, *_) = error.errors(include_url=False, include_input=False)
            key = ".".join(str(part) for part in first["loc"])
            unknown = first["type"] == "extra_forbidden"
            msg = f"eligibility.{key}: {'unknown key' if unknown else first['msg']}"
            raise ValueError(msg) from None
        return self


class DimseSection(Section):
    """The DIMSE listener and the time-outs of both roles."""

    host: str = "127.0.0.1"
    port: ListenPort = 11112
    require_called_ae_title: bool = True
    accept_unknown_peers: bool = False
    max_associations: Threads = 50
    max_associations_per_address: int = Field(default=0, ge=0, le=1_000)
    minimum_bytes_per_s: float = Field(default=1024.0, gt=0, le=1e9)
    maximum_pdu_bytes: int = Field(default=131_072, ge=4096, le=1_048_576)
    maximum_object_bytes: Bytes = 536_870_912
    association_timeout_s: Seconds = 30.0
    message_timeout_s: Seconds = 60.0
    network_timeout_s: Seconds = 60.0
    connection_timeout_s: Seconds = 10.0
    tls: TlsSection = TlsSection()
    peers: tuple[PeerSection, ...] = ()
    titles: tuple[TitleSection, ...] = ()

    @property
    def associations_per_address(self) -> int:
        """How many associations one address may hold.

        By default a third, so that it takes three machines to shut out the others;
        eight in any case, because at a small site all images come from one.
        """
        chosen = self.max_associations_per_address
        return chosen or max(self.max_associations // 3, _ASSOCIATIONS_PER_ADDRESS)

    @model_validator(mode="after")
    def _distinct_titles(self) -> Self:
        names = [title.ae_title for title in self.titles]
        if len(set(names)) != len(names):
            msg = "titles: an ae_title is used twice"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _mutual_tls(self) -> Self:
        tls = self.tls
        if tls.on and tls.require_client_certificate and tls.ca is None:
            msg = "tls.require_client_certificate needs tls.ca"
            raise ValueError(msg)
        asked = tls.on and tls.require_client_certificate
        if not asked and any(peer.certificate_subject for peer in self.peers):
            msg = "peers: certificate_subject needs tls with require_client_certificate"
            raise ValueError(msg)
        if self.accept_unknown_peers and any(
            peer.certificate_subject for peer in self.peers
        ):
            msg = (
                "peers: certificate_subject and accept_unknown_peers exclude each other"
            )
            raise ValueError(msg)
        return self
