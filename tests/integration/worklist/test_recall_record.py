"""Results called back: Workitems and outbox together, on both databases."""

import pytest

from dicom_node.worklist import recall_record
from storage.outbox import deliveries, recalls
from storage.records import (
    DeliveryState,
    ModelName,
    NewDelivery,
    ProcedureStepState,
    Stage,
)
from storage.worklist import jobs, workitems
from tests.factories.rows import after, an_evidence, claim, receive, settle

BAD = ModelName("default", "1", "ab" * 32)
NOTE = an_evidence(9, sop_instance_uid="1.8.1", kind="rejection-note")


@pytest.fixture
def sent(database):
    """One result: at ``pacs`` already, waiting for ``archive``."""
    receive(database, 1)
    (step,) = claim(database)
    wanted = [NewDelivery(name, "1.7.1") for name in ("pacs", "archive")]
    settle(database, step, (an_evidence(),), tuple(wanted), model=BAD)
    with database.transaction() as tx:
        (due,) = deliveries.due(
            tx, destination="pacs", limit=1, now=after(1020), lease_s=60
        )
        deliveries.sent(tx, due.delivery.delivery_id, status=0, now=after(1021))
    return step.workitem_uid


def recall(database, uid, note=NOTE, destinations=("pacs",)):
    with database.transaction() as tx:
        job = jobs.get_job(tx, uid)
        recall_record.record(tx, [job], note, destinations, "safety", after(1030))
    return job_of(database, uid)


def job_of(database, uid):
    with database.transaction(read_only=True) as tx:
        return jobs.get_job(tx, uid)


def states(job):
    return {
        (row.sop_instance_uid, row.destination): row.state for row in job.deliveries
    }


def test_what_was_not_sent_is_not_sent_any_more_and_the_note_goes_out(database, sent):
    job = recall(database, sent)
    assert states(job) == {
        ("1.7.1", "pacs"): DeliveryState.SENT,
        ("1.7.1", "archive"): DeliveryState.CANCELED,
        ("1.8.1", "pacs"): DeliveryState.PENDING,
    }
    step = job.workitem
    assert (step.state, step.stage) == (ProcedureStepState.CANCELED, Stage.CANCELED)
    assert step.reason == workitems.RECALLED
    assert (step.recalled_at, step.recall_reason) == (after(1030), "safety")
    assert step.rejection_note_uid == "1.8.1"
    with database.transaction() as tx:
        (due,) = deliveries.due(
            tx, destination="pacs", limit=9, now=after(1040), lease_s=60
        )
    assert due.evidence.kind == "rejection-note"


def test_a_completed_job_stays_completed(database):
    receive(database, 1)
    (step,) = claim(database)
    settle(database, step, (an_evidence(),), model=BAD)
    job = recall(database, step.workitem_uid, None, ())
    assert job.workitem.state is ProcedureStepState.COMPLETED
    assert job.workitem.recalled_at == after(1030)
    assert (job.workitem.rejection_note_uid, job.deliveries) == (None, ())


def test_a_note_that_failed_is_sent_again(database, sent):
    job = recall(database, sent)
    note = job.deliveries[-1].delivery_id
    with database.transaction() as tx:
        assert recalls.send_again(tx, "1.8.1", after(1050)) == 0
        deliveries.failed(tx, note, error="refused", now=after(1049))
        assert recalls.send_again(tx, "1.8.1", after(1050)) == 1
    assert job_of(database, sent).deliveries[-1].state is DeliveryState.PENDING
