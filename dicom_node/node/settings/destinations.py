"""``[[destinations]]`` and ``[delivery]``: who gets which results, and for how long."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    SecretStr,
    Tag,
    model_validator,
)

from dicom_node.evidence.kinds import STAND_INS, USUAL
from dicom_node.node.settings.evidence import WantedKind
from dicom_node.node.settings.section import AETitle, Count, Port, Seconds, Section
from dicom_node.node.settings.web import is_loopback


class DeliverySection(Section):
    """Who delivers, and patience with destinations."""

    separate: bool = False
    first_retry_s: Seconds = 30.0
    longest_retry_s: Seconds = 1800.0
    give_up_after_s: Seconds = 604_800.0
    probe_s: Seconds = 15.0
    batch_size: Count = 32
    lease_s: Seconds = 120.0
    commitment_report_s: Seconds = 86_400.0
    commitment_tries: Count = 5
    commitment_listen_s: float = Field(default=2.0, ge=0, le=3600)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.first_retry_s > self.longest_retry_s:
            msg = "first_retry_s is longer than longest_retry_s"
            raise ValueError(msg)
        return self


class ReceiverSection(Section):
    """What every kind of destination is asked."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    evidence: tuple[WantedKind, ...] = USUAL
    fallback: Mapping[WantedKind, tuple[WantedKind, ...]] = STAND_INS
    required: bool = True
    not_analysable_report: bool = False
    storage_commitment: bool = False

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if not self.evidence:
            msg = "evidence names at least one kind"
            raise ValueError(msg)
        if len(set(self.evidence)) != len(self.evidence):
            msg = "evidence names a kind twice"
            raise ValueError(msg)
        return self


class RemoteSection(Section):
    """An application entity that this node calls."""

    ae_title: AETitle
    host: str = Field(min_length=1)
    port: Port
    tls: bool = False


class DimseDestinationSection(ReceiverSection, RemoteSection):
    """A receiver of results by C-STORE."""

    kind: Literal["dimse"] = "dimse"

    @property
    def keeper(self) -> RemoteSection:
        """Who is asked for Storage Commitment: the receiver itself."""
        return self

    @property
    def place(self) -> tuple[str, int]:
        """Host and port that are called."""
        return self.host, self.port


def _base(url: str) -> str:
    """Check the base of a DICOMweb server: a scheme, a host, a path, nothing else."""
    msg = "not a URL of http or https"
    try:
        parts = urlsplit(url)
        named = parts.hostname and parts.port != 0
    except ValueError:
        raise ValueError(msg) from None
    if parts.scheme not in ("http", "https") or not named:
        raise ValueError(msg)
    if parts.username or parts.password or parts.query or parts.fragment:
        msg = "a URL without user, query and fragment"
        raise ValueError(msg)
    return url.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_base)]


class StowDestinationSection(ReceiverSection):
    """A receiver of results by STOW-RS."""

    kind: Literal["stow"]
    url: BaseUrl
    token: SecretStr = SecretStr("")
    token_file: Path | None = None
    username: str = ""
    password: SecretStr = SecretStr("")
    password_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    proxy: BaseUrl | None = None
    keeper: RemoteSection | None = None

    @property
    def has_token(self) -> bool:
        """Whether a bearer token says who we are."""
        return bool(self.token.get_secret_value()) or self.token_file is not None

    @property
    def place(self) -> tuple[str, int]:
        """Host and port that are called."""
        parts = urlsplit(self.url)
        usual = 443 if parts.scheme == "https" else 80
        return parts.hostname or "", parts.port or usual

    @model_validator(mode="after")
    def _one_identity(self) -> Self:
        token, password = (
            self.token.get_secret_value(),
            self.password.get_secret_value(),
        )
        if (token and self.token_file) or (password and self.password_file):
            msg = "a secret stands here or in a file, not both"
            raise ValueError(msg)
        if self.has_token and self.username:
            msg = "token and username exclude each other"
            raise ValueError(msg)
        if bool(password or self.password_file) != bool(self.username):
            msg = "username and password belong together"
            raise ValueError(msg)
        if not (token + self.username + password).isascii() or ":" in self.username:
            msg = (
                "a token, a username and a password are plain ASCII, a name has no ':'"
            )
            raise ValueError(msg)
        if (self.certificate is None) != (self.key is None):
            msg = "certificate and key belong together"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _somebody_to_ask(self) -> Self:
        if self.storage_commitment and self.keeper is None:
            msg = "storage_commitment is asked by DIMSE: keeper says whom"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _no_secret_in_the_clear(self) -> Self:
        secret = self.has_token or self.username or self.certificate
        clear = self.url.startswith("http:") and not is_loopback(self.place[0])
        if secret and clear:
            msg = "url: token, password and certificate need https"
            raise ValueError(msg)
        return self


class AvailabilitySection(RemoteSection):
    """A peer that is told where results can be retrieved."""

    destination: str


_DEFAULT_KIND = "dimse"
_KINDS = ("dimse", "stow")
WRONG_KIND = "destination_kind"
"""Type of the error about a kind that is none of ours."""


def _kind_of(table: Any) -> Any:
    """Tell the kind of a table of the file, or of one that was read before."""
    if isinstance(table, Mapping):
        return table.get("kind", _DEFAULT_KIND)
    return getattr(table, "kind", _DEFAULT_KIND)


DestinationSection = Annotated[
    Annotated[DimseDestinationSection, Tag("dimse")]
    | Annotated[StowDestinationSection, Tag("stow")],
    Discriminator(
        _kind_of,
        custom_error_type=WRONG_KIND,
        custom_error_message="Input should be " + " or ".join(map(repr, _KINDS)),
    ),
]
"""A receiver of results; another kind is another class here, with its tag."""


def without_kind(place: Sequence[int | str]) -> tuple[int | str, ...]:
    """Leave the tag of a union out of an error's place: it is no key of the file."""
    head, rest = tuple(place[:2]), tuple(place[2:])
    tagged = head[:1] == ("destinations",) and rest[:1] and rest[0] in _KINDS
    return (*head, *rest[1:]) if tagged else (*head, *rest)
