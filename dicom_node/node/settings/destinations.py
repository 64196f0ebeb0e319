"""``[[destinations]]`` and ``[delivery]``: who gets which results, and for how long."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from dicom_node.evidence.kinds import STAND_INS, USUAL
from dicom_node.node.settings.evidence import WantedKind
from dicom_node.node.settings.section import AETitle, Count, Port, Seconds, Section


class DeliverySection(Section):
    """Patience with destinations."""

    first_retry_s: Seconds = 30.0
    longest_retry_s: Seconds = 1800.0
    give_up_after_s: Seconds = 604_800.0
    probe_s: Seconds = 15.0
    batch_size: Count = 32
    lease_s: Seconds = 120.0

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

    @model_validator(mode="before")
    @classmethod
    def _without_commitment(cls, table: Any) -> Any:
        """Let a file say that it wants no Storage Commitment; more there is not."""
        if not isinstance(table, Mapping) or "storage_commitment" not in table:
            return table
        if table["storage_commitment"] is not False:
            msg = "storage_commitment: this release does not ask for it"
            raise ValueError(msg)
        return {k: v for k, v in table.items() if k != "storage_commitment"}

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if not self.evidence:
            msg = "evidence names at least one kind"
            raise ValueError(msg)
        if len(set(self.evidence)) != len(self.evidence):
            msg = "evidence names a kind twice"
            raise ValueError(msg)
        return self


class DimseDestinationSection(ReceiverSection):
    """A receiver of results by C-STORE."""

    kind: Literal["dimse"] = "dimse"
    ae_title: AETitle
    host: str = Field(min_length=1)
    port: Port
    tls: bool = False


_DEFAULT_KIND = "dimse"
_KINDS = ("dimse",)
WRONG_KIND = "destination_kind"
"""Type of the error about a kind that is none of ours."""


def _kind_of(table: Any) -> Any:
    """Tell the kind of a table of the file, or of one that was read before."""
    if isinstance(table, Mapping):
        return table.get("kind", _DEFAULT_KIND)
    return getattr(table, "kind", _DEFAULT_KIND)


DestinationSection = Annotated[
    Annotated[DimseDestinationSection, Tag("dimse")],
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
