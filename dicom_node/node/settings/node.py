"""``[node]``, ``[database]``, ``[retention]``: who we are, and what is kept where."""

from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from dicom_node.node.settings.section import AETitle, Days, Seconds, Section

_SCHEMES = ("sqlite:///", "postgresql+psycopg://")


class NodeSection(Section):
    """Who we are and where our things lie."""

    ae_title: AETitle = "CXR_NODE"
    data_dir: Path = Path("var")
    minimum_free_bytes: int = Field(default=1_000_000_000, ge=0, le=1 << 62)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    log_file: Path | None = None
    stop_s: Seconds = 30.0


class DatabaseSection(Section):
    """Where the worklist and the catalogue live."""

    url: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _known_scheme(self) -> Self:
        url = self.url.get_secret_value()
        if url and not url.startswith(_SCHEMES):
            msg = f"url begins with {' or '.join(_SCHEMES)}"
            raise ValueError(msg)
        return self


class RetentionSection(Section):
    """How long objects stay after delivery; what is not delivered always stays."""

    sources_days: Days = 30.0
    results_days: Days = 90.0
    aside_days: Days = 180.0

    @property
    def sources(self) -> timedelta:
        """Time after which a delivered source image may go; zero keeps it."""
        return timedelta(days=self.sources_days)

    @property
    def results(self) -> timedelta:
        """Time after which a delivered result may go; zero keeps it."""
        return timedelta(days=self.results_days)

    @property
    def aside(self) -> timedelta:
        """Time after which an object that was set aside may go; zero keeps it."""
        return timedelta(days=self.aside_days)
