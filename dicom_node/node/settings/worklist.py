"""``[worklist]``: how others see the worklist, and where its images come from."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from dicom_node.node.settings.section import Days, Seconds, Section


def _base(url: str) -> str:
    """Check the base of a web service."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    bare = not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in ("http", "https") or not parts.hostname or not bare:
        msg = "a URL begins with http:// or https:// and has no query and no user"
        raise ValueError(msg)
    return url.rstrip("/")


class SourceSection(Section):
    """A WADO-RS server that images of pushed Workitems are fetched from."""

    url: str
    token: SecretStr = SecretStr("")

    _checked = field_validator("url")(_base)


class FetchSection(Section):
    """How old studies are fetched from a PACS."""

    deliver: bool = False
    most_waiting: int = Field(default=8, ge=1, le=1_000_000)
    tries: int = Field(default=8, ge=1, le=1_000)
    first_retry_s: Seconds = 60.0
    longest_retry_s: Seconds = 3600.0

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.first_retry_s > self.longest_retry_s:
            msg = "first_retry_s is longer than longest_retry_s"
            raise ValueError(msg)
        return self


class PriorsSection(Section):
    """Whether a film waits for the patient's earlier one, and where that comes from."""

    fetch: bool = False
    source: str = Field(default="", alias="from")
    months: int = Field(default=24, ge=1, le=1200)
    wait_s: float = Field(default=20.0, ge=0.1, le=3600)

    @model_validator(mode="after")
    def _from_somewhere(self) -> Self:
        if self.fetch and not self.source:
            msg = "fetch needs from: a destination or a peer"
            raise ValueError(msg)
        return self


class WorklistSection(Section):
    """The worklist as others see it."""

    label: str = Field(default="CXR", min_length=1, max_length=64)
    retrieve_url: str = ""
    keep_days: Days = 90.0
    fetch_timeout_s: Seconds = 120.0
    first_retry_s: Seconds = 5.0
    longest_retry_s: Seconds = 600.0
    give_up_after_s: Seconds = 604_800.0
    reports_per_subscriber: int = Field(default=10_000, ge=1, le=1_000_000)
    sources: tuple[SourceSection, ...] = ()

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.retrieve_url:
            _base(self.retrieve_url)
        if self.first_retry_s > self.longest_retry_s:
            msg = "first_retry_s is longer than longest_retry_s"
            raise ValueError(msg)
        return self
