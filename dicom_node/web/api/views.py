"""Jobs and instances as JSON: the names are a contract (docs: /api/docs)."""

from dataclasses import fields
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

from dicom_node.web.api.result_views import (
    FailedEvidenceView,
    FindingView,
    ModelView,
    PriorView,
    SeverityView,
    View,
)
from dicom_node.worklist.result import Result, recorded
from inference.findings import Call
from storage import records

T = TypeVar("T")


class ReasonView(View):
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


class AttemptView(View):
    """One try at the analysis."""

    number: int
    worker: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    error: str | None


class EvidenceView(View):
    """One result object."""

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    size_bytes: int


class DeliveryView(View):
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
    commitment: bool = Field(
        description="whether the destination is asked to commit itself to keep it"
    )
    committed_at: datetime | None


class RecallView(View):
    """That results were called back."""

    at: datetime
    reason: str | None = Field(description="quality or safety")
    rejection_note_uid: str | None = Field(
        description="the note to those who had received results"
    )


class JobView(View):
    """A Unified Procedure Step with everything known about it."""

    workitem_uid: str
    state: records.ProcedureStepState
    stage: records.InstanceState = Field(
        description="where it stands, in the words of /api/v1/instances"
    )
    reason: ReasonView | None
    priority: int
    cancel_requested: bool
    replaced_by: str | None = Field(
        description="the Workitem of a retry or of reprocessing"
    )
    recalled: RecallView | None = Field(
        description="whether its results were called back"
    )
    patient_id: str
    accession_number: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str = Field(description="the source image")
    modality: str
    calling_ae: str
    timings: Timings
    attempts: list[AttemptView]
    call: Call | None = Field(
        description="opacity (probability at or above the operating point), possible or"
        " none; null before the analysis and for results of version 0.1"
    )
    operating_point: float | None = Field(
        description="probability from which on a film is called opacity"
    )
    severity: SeverityView | None = Field(
        description="percent of lung area covered by opacity; null before the analysis"
    )
    findings: list[FindingView] | None = Field(
        description="highest score first; null before the analysis"
    )
    opacity_score: float | None = Field(
        description="calibrated probability in [0, 1] that the film shows any opacity"
    )
    remarks: list[str] = Field(description="sentences about the quality of the image")
    view: str = Field(description='how the film was taken, such as "AP supine"')
    other_films: int = Field(
        description="frontal films of the same study beside this one"
    )
    model: ModelView | None = Field(description="the model that says all this")
    prior: PriorView | None = Field(
        description="the patient's film before; null where none is known"
    )
    predecessor: str | None = Field(description="UID of the report that is replaced")
    evidence: list[EvidenceView]
    evidence_failed: list[FailedEvidenceView] = Field(
        description="kinds of result that could not be made, and why; the others were"
    )
    deliveries: list[DeliveryView]


class InstanceView(View):
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
    reason: ReasonView | None
    workitem_uid: str | None
    duplicates: int = Field(description="how often the very same image came again")
    duplicate_at: datetime | None = Field(description="when last")


class Items(BaseModel, Generic[T]):
    """A slice of a listing; ``next`` is the cursor of the next one."""

    items: list[T]
    next: str | None


def job(value: records.Job) -> JobView:
    """Show a job."""
    workitem, instance = value.workitem, value.instance
    return JobView(
        workitem_uid=workitem.workitem_uid,
        state=workitem.state,
        stage=value.visible_state,
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
        attempts=[AttemptView.model_validate(item) for item in value.attempts],
        evidence=[EvidenceView.model_validate(item) for item in value.evidence],
        deliveries=[DeliveryView.model_validate(item) for item in value.deliveries],
        **_said(workitem),
    )


def instance(value: records.InstanceStatus) -> InstanceView:
    """Show a received image."""
    received, state, workitem = value
    reason = received.not_eligible or (workitem.reason if workitem else None)
    known = {
        name: getattr(received, name)
        for name in InstanceView.model_fields
        if hasattr(received, name)
    }
    return InstanceView(
        **known,
        state=state,
        reason=_reason(reason),
        workitem_uid=workitem.workitem_uid if workitem else None,
    )


def _said(workitem: records.Workitem) -> dict[str, Any]:
    """Fill in what was said of the film: nothing before it is analysed."""
    names = {one.name for one in fields(Result)} - {"intervals"}
    said = recorded(workitem)
    if said is None:
        nothing: dict[str, Any] = {"remarks": [], "evidence_failed": [], "view": ""}
        return dict.fromkeys(names) | nothing | {"other_films": 0}
    row = said.to_json()
    shown = {name: getattr(said, name) for name in names} | {
        "severity": row["severity"]
    }
    if said.prior is not None:
        shown["prior"] = row["prior"] | {"acquired_at": said.prior.acquired_at}
    return shown


def _recall(workitem: records.Workitem) -> RecallView | None:
    if workitem.recalled_at is None:
        return None
    return RecallView(
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


def _reason(value: records.Reason | None) -> ReasonView | None:
    return ReasonView.model_validate(value) if value else None
