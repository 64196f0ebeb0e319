import json
from pathlib import Path

from dicom_node.web.api import views
from storage.records import (
    Attempt,
    Delivery,
    DeliveryState,
    Job,
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
    )


def text_of(job):
    shown = views.job(job).model_dump(mode="json")
    return json.dumps(shown, indent=2, ensure_ascii=False) + "\n"


def test_the_json_of_a_job_is_what_scripts_read_to_the_byte():
    assert text_of(a_job()) == GOLDEN.read_text()
