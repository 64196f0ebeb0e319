"""How a row becomes a record, and a record a row."""

from typing import Any

from sqlalchemy import RowMapping, Table

from storage.records import (
    Attempt,
    AttemptOutcome,
    Cause,
    CommitmentRequest,
    Delivery,
    DeliveryState,
    Event,
    EventKind,
    Evidence,
    Instance,
    ModelName,
    ProcedureStepState,
    Quarantined,
    Reason,
    RequestState,
    Stage,
    Workitem,
)
from storage.schema import (
    attempt,
    commitment_request,
    delivery,
    event,
    evidence,
    instance,
    quarantine,
    workitem,
)


def values_of_instance(record: Instance) -> dict[str, Any]:
    """Turn an Instance into the row that holds it."""
    row = {name: getattr(record, name) for name in _INSTANCE_FIELDS}
    reason = record.not_eligible
    row["not_eligible_code"] = reason.code if reason else None
    row["not_eligible_text"] = reason.text if reason else None
    return row


def instance_of(row: RowMapping) -> Instance:
    """Turn a row into an Instance; the row may hold other tables too."""
    code = row[instance.c.not_eligible_code]
    reason = (
        None
        if code is None
        else Reason(code, row[instance.c.not_eligible_text], Cause.IMAGE)
    )
    return Instance(**_pick(row, instance, _INSTANCE_FIELDS), not_eligible=reason)


def values_of_workitem(record: Workitem) -> dict[str, Any]:
    """Turn a Workitem into the row that holds it; further inputs have their own."""
    row = {name: getattr(record, name) for name in _WORKITEM_FIELDS}
    row["input_count"] = len(record.inputs)
    return row | values_of_reason(record.reason) | values_of_model(record.model)


def values_of_reason(reason: Reason | None) -> dict[str, Any]:
    """Spread a Reason over the columns of a Workitem."""
    return {
        "reason_code": reason.code if reason else None,
        "reason_text": reason.text if reason else None,
        "reason_cause": reason.cause if reason else None,
    }


def values_of_model(model: ModelName | None) -> dict[str, Any]:
    """Spread a model's name over the columns of a Workitem."""
    return {
        "model_name": model.name if model else None,
        "model_version": model.version if model else None,
        "model_sha256": model.sha256 if model else None,
    }


def workitem_of(row: RowMapping, further: tuple[str, ...] = ()) -> Workitem:
    """Turn a row into a Workitem; the row may hold other tables too.

    Parameters
    ----------
    further
        Its inputs beside the image it is about; see ``storage.inputs``.
    """
    values = _pick(row, workitem, _WORKITEM_FIELDS)
    values["state"] = ProcedureStepState(values["state"])
    values["stage"] = Stage(values["stage"])
    values["inputs"] = (values["sop_instance_uid"], *further)
    code = row[workitem.c.reason_code]
    if code is not None:
        cause = Cause(row[workitem.c.reason_cause])
        values["reason"] = Reason(code, row[workitem.c.reason_text], cause)
    name = row[workitem.c.model_name]
    if name is not None:
        rest = row[workitem.c.model_version], row[workitem.c.model_sha256]
        values["model"] = ModelName(name, *rest)
    return Workitem(**values)


def attempt_of(row: RowMapping) -> Attempt:
    """Turn a row into an Attempt."""
    values = _pick(row, attempt, _ATTEMPT_FIELDS)
    if values["outcome"] is not None:
        values["outcome"] = AttemptOutcome(values["outcome"])
    return Attempt(**values)


def values_of_evidence(record: Evidence) -> dict[str, Any]:
    """Turn an Evidence into the row that holds it."""
    return {name: getattr(record, name) for name in _EVIDENCE_FIELDS}


def evidence_of(row: RowMapping) -> Evidence:
    """Turn a row into an Evidence; the row may hold other tables too."""
    return Evidence(**_pick(row, evidence, _EVIDENCE_FIELDS))


def delivery_of(row: RowMapping) -> Delivery:
    """Turn a row into a Delivery; the row may hold other tables too."""
    values = _pick(row, delivery, _DELIVERY_FIELDS)
    values["state"] = DeliveryState(values["state"])
    return Delivery(**values)


def commitment_request_of(row: RowMapping) -> CommitmentRequest:
    """Turn a row into a CommitmentRequest."""
    values = _pick(row, commitment_request, tuple(commitment_request.c.keys()))
    values["state"] = RequestState(values["state"])
    values["objects"] = tuple((one[0], one[1]) for one in values["objects"])
    return CommitmentRequest(**values)


def quarantined_of(row: RowMapping) -> Quarantined:
    """Turn a row into a Quarantined."""
    return Quarantined(**_pick(row, quarantine, tuple(quarantine.c.keys())))


def event_of(row: RowMapping) -> Event:
    """Turn a row into an Event."""
    values = _pick(row, event, _EVENT_FIELDS)
    values["kind"] = EventKind(values["kind"])
    values["details"] = values["details"] or {}
    return Event(**values)


_SPREAD = ("reason_", "model_", "input_count")
"""Columns that a Workitem has as one value, or not at all."""
_INSTANCE_FIELDS = tuple(
    column.name for column in instance.c if not column.name.startswith("not_eligible")
)
_WORKITEM_FIELDS = tuple(
    column.name for column in workitem.c if not column.name.startswith(_SPREAD)
)
_ATTEMPT_FIELDS = tuple(attempt.c.keys())
_EVIDENCE_FIELDS = tuple(evidence.c.keys())
_DELIVERY_FIELDS = tuple(delivery.c.keys())
_EVENT_FIELDS = tuple(event.c.keys())


def _pick(row: RowMapping, table: Table, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: row[table.c[name]] for name in names}
