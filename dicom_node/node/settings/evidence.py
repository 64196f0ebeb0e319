"""``[evidence]``, ``[seg]``, ``[sr]``: how results are written."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from dicom_node.evidence.kinds import ON_REQUEST, EvidenceKind
from dicom_node.node.settings.section import Section


def _on_request(word: object) -> object:
    """Refuse a kind that no receiver may ask for."""
    if word not in ON_REQUEST:
        *others, last = (repr(str(kind)) for kind in ON_REQUEST)
        msg = f"Input should be {', '.join(others)} or {last}"
        raise ValueError(msg)
    return word


WantedKind = Annotated[EvidenceKind, BeforeValidator(_on_request)]


class EvidenceSection(Section):
    """How results are written."""

    series_number_base: int = Field(default=9101, ge=1, le=2_000_000_000)
    uid_root: str = Field(
        default="", max_length=24, pattern=r"^$|^[0-2](\.(0|[1-9][0-9]*))+$"
    )
    device_serial_number: str = Field(default="", max_length=64)


class SegSection(Section):
    """How segmentations are written."""

    viewer_geometry: Literal["compat", "itk", "strict"] = "compat"


class SrSection(Section):
    """How measurement reports are written."""

    regions: Literal["outline", "segmentation"] = "outline"
    image_level: Literal["roi", "tid1501"] = "roi"
