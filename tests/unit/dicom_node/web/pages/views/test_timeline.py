from datetime import timedelta

from dicom_node.web.pages.texts import load_texts
from dicom_node.web.pages.views.timeline import timeline
from storage.records import (
    Attempt,
    AttemptOutcome,
    Delivery,
    DeliveryState,
    Job,
)
from tests.factories.rows import NOW, a_workitem, after, an_instance


def test_every_step_stands_in_its_order_with_how_long_it_took():
    attempts = (
        Attempt("1.9.1", 1, "w", after(10), after(12), AttemptOutcome.RETRY, "no"),
        Attempt("1.9.1", 2, "w", after(20), None),
    )
    sent = Delivery(
        delivery_id=1,
        workitem_uid="1.9.1",
        sop_instance_uid="1.7",
        destination="pacs",
        required=True,
        state=DeliveryState.COMMITTED,
        created_at=after(30),
        sent_at=after(31),
        committed_at=after(40),
    )
    job = Job(
        a_workitem(1, analyzed_at=after(30), ended_at=NOW + timedelta(seconds=41)),
        an_instance(1),
        attempts,
        (),
        (sent,),
    )
    steps = timeline(job, load_texts())
    assert [(one.name, one.took_s) for one in steps] == [
        ("Received", None),
        ("Put into the queue", None),
        ("Attempt 1", 2.0),
        ("Attempt 2", None),
        ("Analysed, results stored", None),
        ("Sent to pacs", 1.0),
        ("pacs committed itself", 9.0),
        ("Ended", 40.0),
    ]
    assert [one.detail for one in steps[2:4]] == ["retry: no", "running"]
