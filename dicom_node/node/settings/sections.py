"""The tables of the configuration file, one frozen class each.

Each holds its keys' types, limits and defaults, and refuses combinations that
cannot work. ``conf/node.toml`` says why each default is what it is.
"""

import ipaddress
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    model_validator,
)

# Letters somewhere: what is all digits and dots was meant as an address.
_HOST_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")

EvidenceKind = Literal[
    "segmentation",
    "lung-segmentation",
    "measurement-report",
    "measurement-report-comprehensive",
    "measurement-report-enhanced",
    "presentation-state",
    "secondary-capture",
    "pdf",
]


def is_loopback(host: str) -> bool:
    """Whether a listener there can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _application_entity(title: str) -> str:
    """PS3.5 6.2: at most 16 characters, no backslash, no control characters."""
    if not title or title != title.strip() or len(title) > 16:  # noqa: PLR2004
        msg = "an AE title has 1 to 16 characters and no surrounding spaces"
        raise ValueError(msg)
    if "\\" in title or not title.isascii() or not title.isprintable():
        msg = "an AE title is printable ASCII without a backslash"
        raise ValueError(msg)
    return title


def _caller(address: str) -> str:
    """Check an address, a CIDR block or a host name; empty means anywhere."""
    try:
        ipaddress.ip_network(address or "::", strict=False)
    except ValueError:
        if not _HOST_NAME.fullmatch(address):
            msg = "neither an address, nor a CIDR block, nor a host name"
            raise ValueError(msg) from None
    return address


AETitle = Annotated[str, AfterValidator(_application_entity)]
Caller = Annotated[str, AfterValidator(_caller)]
Port = Annotated[int, Field(ge=1, le=65535)]
ListenPort = Annotated[int, Field(ge=0, le=65535)]


class Section(BaseModel):
    """A table of the file: frozen, and no key that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class NodeSection(Section):
    """Who we are and where our things lie."""

    ae_title: AETitle = "CXR_NODE"
    data_dir: Path = Path("var")
    minimum_free_bytes: int = Field(default=1_000_000_000, ge=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    stop_s: PositiveFloat = 30.0


class TlsSection(Section):
    """Certificates of a listener; all paths to PEM files."""

    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    require_client_certificate: bool = True

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            msg = "certificate and key belong together"
            raise ValueError(msg)
        if self.ca is not None and self.certificate is None:
            msg = "ca needs a certificate and a key"
            raise ValueError(msg)
        return self

    @property
    def on(self) -> bool:
        """Whether this listener speaks TLS."""
        return self.certificate is not None


class HttpTlsSection(TlsSection):
    """Browsers rarely hold a certificate: asking for one is opt-in here."""

    require_client_certificate: bool = False


class PeerSection(Section):
    """An application entity that may talk to us."""

    ae_title: AETitle
    address: Caller = ""
    port: Port | None = None


class DimseSection(Section):
    """The DIMSE listener and the time-outs of both roles."""

    host: str = "127.0.0.1"
    port: ListenPort = 11112
    require_called_ae_title: bool = True
    accept_unknown_peers: bool = False
    max_associations: PositiveInt = 50
    maximum_pdu_bytes: int = Field(default=131_072, ge=4096, le=1_048_576)
    maximum_object_bytes: PositiveInt = 536_870_912
    association_timeout_s: PositiveFloat = 30.0
    message_timeout_s: PositiveFloat = 60.0
    network_timeout_s: PositiveFloat = 60.0
    connection_timeout_s: PositiveFloat = 10.0
    tls: TlsSection = TlsSection()
    peers: tuple[PeerSection, ...] = ()

    @model_validator(mode="after")
    def _mutual_tls(self) -> Self:
        tls = self.tls
        if tls.on and tls.require_client_certificate and tls.ca is None:
            msg = "tls.require_client_certificate needs tls.ca"
            raise ValueError(msg)
        return self


class DatabaseSection(Section):
    """Where the worklist and the catalogue live."""

    url: SecretStr = SecretStr("")


class AuthSection(Section):
    """Who may use the HTTP interface."""

    api_keys: tuple[SecretStr, ...] = ()
    allow_unauthenticated: bool = False

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        if any(len(key.get_secret_value()) < 16 for key in self.api_keys):  # noqa: PLR2004
            msg = "api_keys: a key has at least 16 characters"
            raise ValueError(msg)
        return self


class HttpSection(Section):
    """The HTTP listener."""

    host: str = "127.0.0.1"
    port: ListenPort = 8042
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


class ModelSection(Section):
    """Which model runs, and how."""

    name: str = Field(default="default", min_length=1)
    folder: Path | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(default=0, ge=0)
    batch_size: int = Field(default=8, ge=1, le=256)
    batch_wait_ms: float = Field(default=20.0, ge=0, le=10_000)


class WorkerSection(Section):
    """Leases and retries of the analysis."""

    lease_s: PositiveFloat = 60.0
    poll_s: PositiveFloat = 5.0
    lost_attempts: PositiveInt = 3


class DeliverySection(Section):
    """Patience with destinations."""

    first_retry_s: PositiveFloat = 30.0
    longest_retry_s: PositiveFloat = 1800.0
    give_up_after_s: PositiveFloat = 604_800.0
    probe_s: PositiveFloat = 15.0
    batch_size: PositiveInt = 32
    lease_s: PositiveFloat = 120.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.first_retry_s > self.longest_retry_s:
            msg = "first_retry_s is longer than longest_retry_s"
            raise ValueError(msg)
        return self


class DestinationSection(Section):
    """A receiver of results."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    kind: Literal["dimse"] = "dimse"
    ae_title: AETitle
    host: str = Field(min_length=1)
    port: Port
    evidence: tuple[EvidenceKind, ...] = (
        "segmentation",
        "lung-segmentation",
        "measurement-report",
        "presentation-state",
    )
    fallback: Mapping[EvidenceKind, tuple[EvidenceKind, ...]] = {
        "segmentation": ("presentation-state",),
        "lung-segmentation": ("presentation-state",),
        "measurement-report": (
            "measurement-report-comprehensive",
            "measurement-report-enhanced",
        ),
    }
    storage_commitment: Literal[False] = False
    required: bool = True
    not_analysable_report: bool = False
    tls: bool = False

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if not self.evidence:
            msg = "evidence names at least one kind"
            raise ValueError(msg)
        if len(set(self.evidence)) != len(self.evidence):
            msg = "evidence names a kind twice"
            raise ValueError(msg)
        return self


class EvidenceSection(Section):
    """How results are written."""

    series_number_base: int = Field(default=9101, ge=1, le=2_000_000_000)
    uid_root: str = Field(
        default="", max_length=24, pattern=r"^$|^[0-2](\.(0|[1-9][0-9]*))+$"
    )
    device_serial_number: str = Field(default="", max_length=64)


class SegSection(Section):
    """How segmentations are written."""

    viewer_geometry: Literal["compat", "strict"] = "compat"


class SrSection(Section):
    """How measurement reports are written."""

    regions: Literal["outline", "segmentation"] = "outline"
    image_level: Literal["roi", "tid1501"] = "roi"


class EligibilitySection(Section):
    """Which images are analysed (the reasons are in docs/operations.md)."""

    accept_for_processing: bool = False
    accept_secondary_capture: bool = True
    secondary_capture_modalities: tuple[str, ...] = ("CR", "DX", "DR")
    minimum_age_years: float = Field(default=18, ge=0, le=120)
    minimum_size_px: int = Field(default=384, ge=64)
    unknown_view: Literal["analyze", "refuse"] = "analyze"
    unknown_body_part: Literal["analyze", "refuse"] = "analyze"
    body_part_words: tuple[str, ...] = ()
    refused_views: tuple[Literal["lateral", "oblique", "other"], ...] = (
        "lateral",
        "oblique",
        "other",
    )
    derived_products: Literal["analyze", "refuse"] = "refuse"
    refused_image_types: tuple[str, ...] = ()
    accepted_modalities: tuple[str, ...] = ()


class RetentionSection(Section):
    """How long objects stay after delivery; what is not delivered always stays."""

    sources_days: float = Field(default=30.0, ge=0)
    results_days: float = Field(default=90.0, ge=0)

    @property
    def sources(self) -> timedelta:
        """Time after which a delivered source image may go; zero keeps it."""
        return timedelta(days=self.sources_days)

    @property
    def results(self) -> timedelta:
        """Time after which a delivered result may go; zero keeps it."""
        return timedelta(days=self.results_days)
