"""``[model]``: which model runs, and how."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from dicom_node.node.settings.section import Seconds, Section


class EngineSection(Section):
    """Inference engines that run the model, by the Open Inference Protocol."""

    urls: tuple[Annotated[str, Field(pattern=r"^https?://[^\s/]+(/\S*)?$")], ...] = ()
    token: SecretStr = SecretStr("")
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    timeout_s: Seconds = 30.0

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            msg = "certificate and key belong together"
            raise ValueError(msg)
        return self


class ModelSection(Section):
    """Which model runs, and how."""

    name: str = Field(default="default", min_length=1)
    folder: Path | None = None
    runner: Literal["local", "remote"] = "local"
    remote: EngineSection = EngineSection()
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(default=0, ge=0, le=256)
    batch_size: int = Field(default=8, ge=1, le=256)
    batch_wait_ms: float = Field(default=20.0, ge=0, le=10_000)

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.runner == "remote" and not self.remote.urls:
            msg = "runner remote needs remote.urls"
            raise ValueError(msg)
        return self
