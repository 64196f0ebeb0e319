"""What a list may be narrowed by; a name that is none of these is refused."""

from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime, BaseModel

Limit = Annotated[int, Query(ge=1, le=1000)]


class Filter(BaseModel, extra="forbid"):
    """What every list may be narrowed by."""

    limit: Limit = 100
    cursor: str | None = None
    since: AwareDatetime | None = None
    patient_id: str | None = None
    accession_number: str | None = None
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    sop_instance_uid: str | None = None
