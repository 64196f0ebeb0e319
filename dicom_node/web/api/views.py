"""Jobs and instances as JSON: the names are a contract (docs: /api/docs)."""

from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

from storage import records

T = TypeVar("T")


class Reason(BaseModel):
    """Why: a stable code and a sentence."""

    code: str
    text: str


class Timings(BaseModel):
    """When the job reached each step, and how long they took."""

    received_at: datetime
    scheduled_at: datetime
    started_at: datetime | None
    analyzed_at: datetime | None
    ended_at: datetime | None
    analysis_s: float | None = Field(description="from the claim to stored results")
    total_s: float | None = Field(description="from arrival to the end")


class Attempt(BaseModel):
    """One try at the analysis."""

    number: int
    worker: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    error: str | None


class Evidence(BaseModel):
    """One result object."""

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    size_bytes: int


class Delivery(BaseModel):
    """One result object on its way to one destination."""

    destination: str
    sop_instance_uid: str
    state: records.DeliveryState
    required: bool
    attempts: int
    last_status: int | None
    last_error: str | None
    next_try_at: datetime | None
    sent_at: datetime | None
    superseded_by: str | None = Field(description="UID of the object sent instead")


class Recall(BaseModel):
    """That results were called back."""

    at: datetime
    reason: str | None = Field(description="quality or safety")
    rejection_note_uid: str | None = Field(
        description="the note to those who had received results"
    )


class Job(BaseModel):
    """A Unified Procedure Step with everything known about it."""

    workitem_uid: str
    state: records.ProcedureStepState
    stage: records.Stage
    reason: Reason | None
    priority: int
    cancel_requested: bool
    replaced_by: str | None = Field(
        description="the Workitem of a retry or of reprocessing"
    )
    recalled: Recall | None = Field(description="whether its results were called back")
    patient_id: str
    accession_number: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str = Field(description="the source image")
    modality: str
    calling_ae: str
    timings: Timings
    attempts: list[Attempt]
    severity: dict[str, Any] | None = Field(
        description="percent of lung area: total, right, left, zones"
    )
    findings: list[dict[str, Any]] | None
    opacity_score: float | None
    remarks: list[str]
    model: dict[str, Any] | None
    prior: dict[str, Any] | None = Field(
        description="the patient's film before: acquired_at, image, report, model,"
        " severity, and change in percentage points (null after another model)"
    )
    predecessor: str | None = Field(description="UID of the report that is replaced")
    evidence: list[Evidence]
    deliveries: list[Delivery]


class Instance(BaseModel):
    """A received image and its one visible state."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    study_instance_uid: str
    series_instance_uid: str
    patient_id: str
    accession_number: str
    modality: str
    calling_ae: str
    received_at: datetime
    size_bytes: int
    state: records.InstanceState
    reason: Reason | None
    workitem_uid: str | None


class Items(BaseModel, Generic[T]):
    """A slice of a listing; ``next`` is the cursor of the next one."""

    items: list[T]
    next: str | None


def job(value: records.Job) -> Job:
    """Show a job."""
    workitem, instance = value.workitem, value.instance
    result = workitem.result or {}
    return Job(
        workitem_uid=workitem.workitem_uid,
        state=workitem.state,
        stage=workitem.stage,
        reason=_reason(workitem.reason),
        priority=workitem.priority,
        cancel_requested=workitem.cancel_requested,
        replaced_by=workitem.replaced_by,
        recalled=_recall(workitem),
        patient_id=instance.patient_id,
        accession_number=instance.accession_number,
        study_instance_uid=instance.study_instance_uid,
        series_instance_uid=instance.series_instance_uid,
        sop_instance_uid=instance.sop_instance_uid,
        modality=instance.modality,
        calling_ae=instance.calling_ae,
        timings=_timings(workitem, instance),
        attempts=[_copy(Attempt, item) for item in value.attempts],
        severity=result.get("severity"),
        findings=result.get("findings"),
        opacity_score=result.get("opacity_score"),
        remarks=result.get("remarks", []),
        model=result.get("model"),
        prior=result.get("prior"),
        predecessor=result.get("predecessor"),
        evidence=[_copy(Evidence, item) for item in value.evidence],
        deliveries=[_copy(Delivery, item) for item in value.deliveries],
    )


def instance(value: records.InstanceStatus) -> Instance:
    """Show a received image."""
    received, state, workitem = value
    reason = received.not_eligible or (workitem.reason if workitem else None)
    known = {
        name: getattr(received, name)
        for name in Instance.model_fields
        if hasattr(received, name)
    }
    return Instance(
        **known,
        state=state,
        reason=_reason(reason),
        workitem_uid=workitem.workitem_uid if workitem else None,
    )


def _recall(workitem: records.Workitem) -> Recall | None:
    if workitem.recalled_at is None:
        return None
    return Recall(
        at=workitem.recalled_at,
        reason=workitem.recall_reason,
        rejection_note_uid=workitem.rejection_note_uid,
    )


def _timings(workitem: records.Workitem, instance: records.Instance) -> Timings:
    return Timings(
        received_at=instance.received_at,
        scheduled_at=workitem.scheduled_at,
        started_at=workitem.started_at,
        analyzed_at=workitem.analyzed_at,
        ended_at=workitem.ended_at,
        analysis_s=_between(workitem.started_at, workitem.analyzed_at),
        total_s=_between(instance.received_at, workitem.ended_at),
    )


def _between(start: datetime | None, end: datetime | None) -> float | None:
    if start is None or end is None:
        return None
    return round((end - start).total_seconds(), 3)


def _reason(value: records.Reason | None) -> Reason | None:
    return Reason(code=value.code, text=value.text) if value else None


M = TypeVar("M", bound=BaseModel)


def _copy(view: type[M], value: object) -> M:
    """Show the fields that a view has, and no other."""
    return view(**{name: getattr(value, name) for name in view.model_fields})
