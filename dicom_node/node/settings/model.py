"""``[model]``: which model runs, and how."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from dicom_node.node.settings.section import Section


class ModelSection(Section):
    """Which model runs, and how."""

    name: str = Field(default="default", min_length=1)
    folder: Path | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(default=0, ge=0, le=256)
    batch_size: int = Field(default=8, ge=1, le=256)
    batch_wait_ms: float = Field(default=20.0, ge=0, le=10_000)
