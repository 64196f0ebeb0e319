"""``[evidence]``, ``[seg]``, ``[sr]``: how results are written."""

from typing import Literal

from pydantic import Field

from dicom_node.node.settings.section import Section

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
USUAL_EVIDENCE: tuple[EvidenceKind, ...] = (
    "segmentation",
    "lung-segmentation",
    "measurement-report",
    "presentation-state",
)
"""What a destination gets that does not choose."""


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
