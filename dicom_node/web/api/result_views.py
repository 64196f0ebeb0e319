"""What was said of a film as JSON, with its units: the numbers that the product gives.

Made from the attributes of :mod:`dicom_node.worklist.result`; the names are a contract.
"""

from datetime import datetime
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from inference.findings import Side, Zone

Moment = Annotated[
    datetime,
    PlainSerializer(datetime.isoformat, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""As it stands in the row: scripts compare these texts."""


class View(BaseModel):
    """What is shown of a value; made from its attributes."""

    model_config = ConfigDict(from_attributes=True)


class IntervalsView(BaseModel):
    """Low and high end of each percentage's interval."""

    coverage: float = Field(description="share of films whose truth lies in it")
    total: tuple[float, float]
    right: tuple[float, float]
    left: tuple[float, float]


class SeverityView(View):
    """Share of lung area covered by opacity, in percent."""

    total: float = Field(description="percent of the area of both lungs")
    right: float = Field(description="percent of the patient's right lung")
    left: float = Field(description="percent of the patient's left lung")
    zones: dict[Zone, float] = Field(
        description="percent of each third of each lung, by its name"
    )
    extent_score: int = Field(
        description="0 to 8: for each lung 0 (none), 1 (below 25 %), 2 (below 50 %),"
        " 3 (below 75 %) or 4, added up"
    )
    interval: IntervalsView | None = Field(
        description="where the true percentages lie; null where that is not stated"
    )


class FindingView(View):
    """One opacity, as it stands in the SEG."""

    label: str
    score: float = Field(
        description="certainty in [0, 1], never above the film's probability"
    )
    side: Side = Field(description="the patient's side")
    zone: Zone = Field(description="where most of it lies")
    zones: list[Zone] = Field(
        description="every zone in which it has a real share; three: the whole lung"
    )
    box: tuple[int, int, int, int] = Field(
        description="x, y, width, height in pixels of the source image"
    )
    area_px: int = Field(description="pixels of the source image")
    area_mm2: float | None = Field(
        description="square millimetres; null without calibrated Pixel Spacing"
    )
    percent_of_lung: float = Field(description="percent of the area of its lung")


class ModelView(View):
    """A model."""

    name: str
    version: str
    sha256: str = Field(description="digest of the model file")


class ReferenceView(View):
    """An object in the archive."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str


class FailedEvidenceView(View):
    """A kind of result object that could not be made."""

    kind: str
    reason: str


class PercentagesView(View):
    """Numbers for both lungs together and for each."""

    total: float
    right: float
    left: float


class PriorView(View):
    """What is said about the patient's film before."""

    acquired_at: Moment = Field(
        description="when it was taken or, where it does not say, received"
    )
    image: ReferenceView | None
    report: ReferenceView | None
    model: str = Field(description="name, version and digest of the model that read it")
    severity: PercentagesView = Field(
        description="percent of lung area covered by opacity, on that film"
    )
    change: PercentagesView | None = Field(
        description="percentage points since then; null when another model read it"
    )
    interval: tuple[float, float] | None = Field(
        description="of both lungs' percentage on that film; null where not stated"
    )
    view: str = Field(description='how it was taken, such as "AP supine"')
    exceeds_interval: bool | None = Field(
        description="whether the change of both lungs is more than error"
    )
