"""What a list may be narrowed by; a name that is none of these is refused."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BaseModel


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        msg = "an instant outside of the years 1 to 9999 in UTC"
        raise ValueError(msg) from error


Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Limit = Annotated[int, Query(ge=1, le=1000)]


class Filter(BaseModel, extra="forbid"):
    """What every list may be narrowed by."""

    limit: Limit = 100
    cursor: str | None = None
    since: Instant | None = None
    patient_id: str | None = None
    accession_number: str | None = None
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    sop_instance_uid: str | None = None
