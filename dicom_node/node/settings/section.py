"""What every table of the file shares: frozen, strict, and the kinds of value.

Each table's class holds its keys' types, limits and defaults, and refuses combinations
that cannot work; a default stands there and nowhere else. ``conf/node.toml`` says why
each is what it is.
"""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

_TITLE_LENGTH = 16  # PS3.5 6.2, VR AE


def _application_entity(title: str) -> str:
    """PS3.5 6.2: at most 16 characters, no backslash, no control characters."""
    if not title or title != title.strip() or len(title) > _TITLE_LENGTH:
        msg = "an AE title has 1 to 16 characters and no surrounding spaces"
        raise ValueError(msg)
    if "\\" in title or not title.isascii() or not title.isprintable():
        msg = "an AE title is printable ASCII without a backslash"
        raise ValueError(msg)
    return title


AETitle = Annotated[str, AfterValidator(_application_entity)]
Port = Annotated[int, Field(ge=1, le=65535)]
ListenPort = Annotated[int, Field(ge=0, le=65535)]
# Bounds that no site comes near: beyond them a typing error ends the process, or the
# machine, in place of a sentence.
Seconds = Annotated[float, Field(ge=0.001, le=31_536_000)]
Days = Annotated[float, Field(ge=0, le=36_500)]
Threads = Annotated[int, Field(ge=1, le=1_000)]
Count = Annotated[int, Field(ge=1, le=10_000)]
Bytes = Annotated[int, Field(ge=1, le=1 << 62)]


class Section(BaseModel):
    """A table of the file: frozen, and no key that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


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
