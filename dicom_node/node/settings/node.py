"""``[node]``, ``[database]``, ``[retention]``: who we are, and what is kept where."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveFloat, SecretStr

from dicom_node.node.settings.section import AETitle, Section


class NodeSection(Section):
    """Who we are and where our things lie."""

    ae_title: AETitle = "CXR_NODE"
    data_dir: Path = Path("var")
    minimum_free_bytes: int = Field(default=1_000_000_000, ge=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    stop_s: PositiveFloat = 30.0


class DatabaseSection(Section):
    """Where the worklist and the catalogue live."""

    url: SecretStr = SecretStr("")


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
