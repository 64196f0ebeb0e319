"""Results called back, on both kinds of database."""

import pytest

from storage.outbox import deliveries, recalls
from storage.records import (
    Delivery,
    DeliveryState,
    NewDelivery,
    ProcedureStepState,
    Stage,
)
from storage.worklist import workitems
from tests.factories.rows import after, an_evidence, claim, receive, settle

BAD = {"model": {"name": "default", "version": "1"}}
NOTE = an_evidence(9, sop_instance_uid="1.8.1", kind="rejection-note")


@pytest.fixture
def sent(database):
    """One result: at ``pacs`` already, waiting for ``archive``."""
    receive(database, 1)
    (step,) = claim(database)
    wanted = [NewDelivery(name, "1.7.1") for name in ("pacs", "archive")]
    settle(database, step, (an_evidence(),), tuple(wanted), result=BAD)
    with database.transaction() as tx:
        (due,) = deliveries.due(
            tx, destination="pacs", limit=1, now=after(1020), lease_s=60
        )
        deliveries.sent(tx, due.delivery.delivery_id, status=0, now=after(1021))
    return step.workitem_uid


def recall(database, uid, note=NOTE, destinations=("pacs",)):
    with database.transaction() as tx:
        job = workitems.get_job(tx, uid)
        recalls.record(tx, [job], note, destinations, "safety", after(1030))
    return job_of(database, uid)


def job_of(database, uid):
    with database.transaction(read_only=True) as tx:
        return workitems.get_job(tx, uid)


def states(job):
    return {
        (row.sop_instance_uid, row.destination): row.state for row in job.deliveries
    }


def test_results_of_a_model_are_found_by_study(database, sent):
    with database.transaction(read_only=True) as tx:
        assert recalls.studies(tx, "default", "1") == ["1.2.3"]
        assert recalls.studies(tx, "default", "2") == []
        (job,) = recalls.jobs(tx, "default", "1", "1.2.3")
        assert recalls.jobs(tx, "default", "1", "1.2.4") == ()
    assert job.workitem.workitem_uid == sent


def test_what_was_not_sent_is_not_sent_any_more_and_the_note_goes_out(database, sent):
    job = recall(database, sent)
    assert states(job) == {
        ("1.7.1", "pacs"): DeliveryState.SENT,
        ("1.7.1", "archive"): DeliveryState.CANCELED,
        ("1.8.1", "pacs"): DeliveryState.PENDING,
    }
    step = job.workitem
    assert (step.state, step.stage) == (ProcedureStepState.CANCELED, Stage.CANCELED)
    assert step.reason == recalls.RECALLED
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
    settle(database, step, (an_evidence(),), result=BAD)
    job = recall(database, step.workitem_uid, None, ())
    assert job.workitem.state is ProcedureStepState.COMPLETED
    assert job.workitem.recalled_at == after(1030)
    assert (job.workitem.rejection_note_uid, job.deliveries) == (None, ())


def test_a_note_that_failed_is_sent_again(database, sent):
    job = recall(database, sent)
    note = job.deliveries[-1].delivery_id
    with database.transaction() as tx:
        assert recalls.send_again(tx, "1.8.1", after(1050)) == 0
        deliveries.failed(tx, note, error="refused")
        assert recalls.send_again(tx, "1.8.1", after(1050)) == 1
    assert job_of(database, sent).deliveries[-1].state is DeliveryState.PENDING


@pytest.mark.parametrize(
    ("state", "attempts", "status", "held"),
    [
        (DeliveryState.SENT, 1, 0, True),
        (DeliveryState.COMMITTED, 1, 0, True),
        (DeliveryState.PENDING, 0, None, False),
        (DeliveryState.PENDING, 1, None, True),
        (DeliveryState.PENDING, 1, 0xA700, False),
        (DeliveryState.FAILED, 3, 0xC000, False),
        (DeliveryState.CANCELED, 1, None, True),
        (DeliveryState.SUPERSEDED, 1, None, False),
    ],
)
def test_an_object_may_be_held_where_a_try_had_no_answer(state, attempts, status, held):
    row = Delivery(1, "1.9.1", "1.7.1", "pacs", required=True, state=state)
    changed = {"attempts": attempts, "last_status": status}
    values = {name: getattr(row, name) for name in row.__slots__} | changed
    assert recalls.may_be_held(Delivery(**values)) is held
