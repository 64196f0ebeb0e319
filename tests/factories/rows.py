"""Records for tests: valid, small, and different from each other on demand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from dicom_node.worklist.procedure_step import ProcedureSteps, Settlement
from storage.catalog import instances
from storage.database import Database
from storage.records import (
    Evidence,
    Instance,
    NewDelivery,
    ProcedureStepState,
    Stage,
    Workitem,
)
from storage.worklist import attempts, workitems

NOW = datetime(2026, 3, 14, 15, 9, 26, 535897, tzinfo=UTC)
CR = "1.2.840.10008.5.1.4.1.1.1"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"
_NUMBERS = count(1)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def new_uid() -> str:
    return f"2.25.{next(_NUMBERS)}"


def an_instance(number: int = 1, **overrides: Any) -> Instance:
    instance = Instance(
        sop_instance_uid=f"1.2.3.{number}",
        sop_class_uid=CR,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        study_instance_uid="1.2.3",
        series_instance_uid="1.2.3.0",
        object_key=f"00/{number:064x}",
        size_bytes=1000 + number,
        sha256=f"{number:064x}",
        received_at=after(number),
        calling_ae="MODALITY1",
        patient_id=f"P{number}",
        accession_number=f"A{number}",
        modality="CR",
    )
    return replace(instance, **overrides)


def a_workitem(number: int = 1, **overrides: Any) -> Workitem:
    values = {
        "workitem_uid": f"1.9.{number}",
        "sop_instance_uid": f"1.2.3.{number}",
        "state": ProcedureStepState.SCHEDULED,
        "stage": Stage.QUEUED,
        "scheduled_at": after(number),
    }
    return Workitem(**(values | overrides))


def an_evidence(number: int = 1, **overrides: Any) -> Evidence:
    evidence = Evidence(
        sop_instance_uid=f"1.7.{number}",
        sop_class_uid=SEG,
        series_instance_uid="1.7",
        study_instance_uid="1.2.3",
        workitem_uid=f"1.9.{number}",
        kind="segmentation",
        object_key=f"ee/{number:064x}",
        size_bytes=10,
        sha256=f"{number:064x}",
        created_at=NOW,
    )
    return replace(evidence, **overrides)


def receive(database: Database, *numbers: int) -> None:
    """Let images arrive, each with its Workitem, as reception does."""
    with database.transaction() as tx:
        for number in numbers:
            instances.add_instance(tx, an_instance(number))
            workitems.schedule(tx, a_workitem(number))


def steps_at(database: Database, seconds: float) -> ProcedureSteps:
    """The worklist as it is at that time."""
    return ProcedureSteps(database, clock=lambda: after(seconds), new_uid=new_uid)


def claim(database: Database, limit: int = 1, **overrides: Any) -> list[Workitem]:
    wanted: dict[str, Any] = {
        "worker": "worker-1",
        "lease_s": 60.0,
        "now": after(1000),
        "new_uid": new_uid,
    }
    with database.transaction() as tx:
        return attempts.claim(tx, limit=limit, **(wanted | overrides))


def settle(
    database: Database,
    claimed: Workitem,
    evidence: tuple[Evidence, ...] = (),
    deliveries: tuple[NewDelivery, ...] = (),
    **overrides: Any,
) -> Workitem:
    now = overrides.pop("now", after(1010))
    wanted = {"result": {}, "model": None, "maker": None} | overrides
    steps = ProcedureSteps(database, clock=lambda: now, new_uid=new_uid)
    steps.settle(claimed, Settlement(evidence, deliveries, **wanted))
    return steps.job(claimed.workitem_uid).workitem
