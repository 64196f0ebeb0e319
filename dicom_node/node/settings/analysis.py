"""``[worker]`` and ``[eligibility]``: what is analysed, and how the work goes."""

from typing import Literal

from pydantic import Field

from dicom_node.node.settings.section import Count, Seconds, Section


class WorkerSection(Section):
    """Leases and retries of the analysis, and the processes that read images."""

    lease_s: Seconds = 60.0
    poll_s: Seconds = 5.0
    lost_attempts: Count = 2
    readers: int = Field(default=2, ge=1, le=64)
    reader_memory_bytes: int = Field(default=2_147_483_648, ge=268_435_456, le=1 << 62)
    reader_time_s: Seconds = 60.0


class EligibilitySection(Section):
    """Which images are analysed (the reasons are in docs/operations.md)."""

    accept_for_processing: bool = False
    accept_secondary_capture: bool = True
    secondary_capture_modalities: tuple[str, ...] = ("CR", "DX", "DR")
    minimum_age_years: float = Field(default=18, ge=0, le=120)
    minimum_size_px: int = Field(default=384, ge=64, le=65_535)
    unknown_view: Literal["analyze", "refuse"] = "analyze"
    unknown_body_part: Literal["analyze", "refuse"] = "analyze"
    body_part_words: tuple[str, ...] = ()
    refused_views: tuple[Literal["lateral", "oblique", "other"], ...] = (
        "lateral",
        "oblique",
        "other",
    )
    derived_products: Literal["analyze", "refuse"] = "refuse"
    refused_image_types: tuple[str, ...] = ()
    accepted_modalities: tuple[str, ...] = ()
