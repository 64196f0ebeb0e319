import json
from dataclasses import fields
from pathlib import Path

import pytest

from dicom_node.evidence.past import ObjectReference
from dicom_node.web.api import views
from dicom_node.worklist.result import (
    EarlierFilm,
    LungPercentages,
    ReportedFinding,
    Result,
)
from inference.findings import Severity, Zone
from storage.records import (
    Attempt,
    Delivery,
    DeliveryState,
    InstanceState,
    Job,
    ModelName,
    ProcedureStepState,
    Reason,
    Stage,
)
from tests.factories.results import a_row
from tests.factories.rows import a_workitem, after, an_evidence, an_instance

GOLDEN = Path(__file__).with_name("job.json")


def a_job(**changes):
    """A job with everything that can be known of one."""
    values = {
        "state": ProcedureStepState.COMPLETED,
        "stage": Stage.DONE,
        "started_at": after(2),
        "analyzed_at": after(3.25),
        "ended_at": after(5),
        "reason": Reason("RECALLED", "The results were called back."),
        "result": a_row(),
        "replaced_by": "1.9.2",
        "recalled_at": after(60),
        "recall_reason": "quality",
        "rejection_note_uid": "1.7.9",
    }
    return Job(
        workitem=a_workitem(**(values | changes)),
        instance=an_instance(),
        attempts=(Attempt("1.9.1", 1, "worker-1", after(2), after(3.25), "settled"),),
        evidence=(an_evidence(),),
        deliveries=(
            Delivery(
                delivery_id=7,
                workitem_uid="1.9.1",
                sop_instance_uid="1.7.1",
                destination="pacs",
                required=True,
                state=DeliveryState.SENT,
                attempts=2,
                sent_at=after(5),
                last_status=0,
            ),
        ),
        visible_state=InstanceState.DELIVERED,
    )


def text_of(job):
    shown = views.job(job).model_dump(mode="json")
    return json.dumps(shown, indent=2, ensure_ascii=False) + "\n"


def test_the_json_of_a_job_is_what_scripts_read_to_the_byte():
    assert text_of(a_job()) == GOLDEN.read_text()


def test_a_job_that_is_not_analysed_says_so_by_nulls():
    shown = views.job(a_job(result=None))
    assert shown.remarks == []
    for name in (
        "severity",
        "findings",
        "opacity_score",
        "model",
        "prior",
        "predecessor",
    ):
        assert getattr(shown, name) is None


def test_a_row_from_before_there_were_follow_ups_has_no_prior():
    row = a_row()
    del row["prior"], row["predecessor"], row["maker"]
    shown = views.job(a_job(result=row))
    assert (shown.prior, shown.predecessor) == (None, None)
    assert shown.severity.total == row["severity"]["total"]


def described():
    """The schemas of a job and all that it is made of, as they are published."""
    schema = views.JobView.model_json_schema(mode="serialization")
    return {"JobView": schema} | schema["$defs"]


def test_the_severity_is_described_as_numbers_in_percent():
    severity = described()["SeverityView"]
    named = {f.name for f in fields(Severity)} | {"interval"}
    assert set(severity["required"]) == named
    for name in ("total", "right", "left"):
        assert severity["properties"][name]["type"] == "number"
        assert severity["properties"][name]["description"].startswith("percent")
    zones = severity["properties"]["zones"]
    assert zones["additionalProperties"] == {"type": "number"}
    assert described()["Zone"]["enum"] == [zone.value for zone in Zone]


@pytest.mark.parametrize(
    ("view", "value"),
    [
        ("FindingView", ReportedFinding),
        ("ModelView", ModelName),
        ("PriorView", EarlierFilm),
        ("PercentagesView", LungPercentages),
        ("ReferenceView", ObjectReference),
    ],
)
def test_what_is_said_is_described_with_all_its_fields(view, value):
    schema = described()[view]
    assert set(schema["properties"]) == {one.name for one in fields(value)}
    assert schema["required"] == list(schema["properties"])
    assert schema.get("additionalProperties") is None


def test_every_field_of_a_result_is_one_of_a_job():
    properties = described()["JobView"]["properties"]
    # An interval stands beside the percentages that it is of.
    assert {one.name for one in fields(Result)} - {"intervals"} <= set(properties)
    assert {
        one["$ref"] for one in properties["severity"]["anyOf"] if "$ref" in one
    } == {"#/$defs/SeverityView"}


def test_units_stand_beside_the_numbers():
    finding = described()["FindingView"]["properties"]
    assert "pixels" in finding["box"]["description"]
    assert "square millimetres" in finding["area_mm2"]["description"]
    change = described()["PriorView"]["properties"]["change"]
    assert "percentage points" in change["description"]
