"""Workitems and outbox change together, on both databases."""

import pytest

from storage.catalog import retention
from storage.errors import LeaseLost, ObjectMissing, TransitionRefused, UnknownRecord
from storage.outbox import deliveries
from storage.records import (
    AttemptOutcome,
    DeliveryState,
    InstanceState,
    ModelName,
    NewDelivery,
    ProcedureStepState,
    Reason,
    Stage,
)
from storage.worklist import attempts, jobs, workitems
from tests.factories.rows import (
    after,
    an_evidence,
    claim,
    receive,
    settle,
    steps_at,
)

TO_PACS = (NewDelivery("pacs", "1.7.1"),)
BUG = Reason("BUG", "It broke.")


def job(database, workitem_uid="1.9.1"):
    with database.transaction(read_only=True) as tx:
        return jobs.get_job(tx, workitem_uid)


def reap(database, seconds):
    with database.transaction() as tx:
        return attempts.reap(tx, after(seconds))


def send_everything(database, destination="pacs"):
    with database.transaction() as tx:
        rows = deliveries.due(
            tx, destination=destination, limit=99, now=after(3000), lease_s=60
        )
        for row in rows:
            delivery_id = row.delivery.delivery_id
            deliveries.sent(tx, delivery_id, status=0, now=after(3000))
    return [row.delivery.sop_instance_uid for row in rows]


def ended(database, workitem_uid):
    """Look how a job stands after everything was completed that could be."""
    with database.transaction() as tx:
        workitems.complete_delivered(tx, after(3000))
    return job(database, workitem_uid).visible_state


def give_up(database, destination="pacs"):
    with database.transaction() as tx:
        (row,) = deliveries.due(
            tx, destination=destination, limit=9, now=after(1100), lease_s=9
        )
        deliveries.failed(tx, row.delivery.delivery_id, error="no", now=after(1101))
        workitems.end_given_up(tx, after(1101))


def test_settling_records_results_and_fills_the_outbox(database):
    receive(database, 1)
    (item,) = claim(database)
    wanted = (*TO_PACS, NewDelivery("archive", "1.7.1", required=False))
    settled = settle(
        database, item, (an_evidence(),), wanted, result={"severity": {"total": 7.5}}
    )
    assert (settled.state, settled.stage) == (
        ProcedureStepState.IN_PROGRESS,
        Stage.DELIVERING,
    )
    assert (settled.analyzed_at, settled.lease_until) == (after(1010), None)
    assert settled.result == {"severity": {"total": 7.5}}
    found = job(database)
    assert found.evidence == (an_evidence(),)
    assert found.attempts[0].outcome == "settled"
    assert [(d.destination, d.required, d.state) for d in found.deliveries] == [
        ("pacs", True, DeliveryState.PENDING),
        ("archive", False, DeliveryState.PENDING),
    ]
    assert reap(database, 99999) == 0


def test_settling_twice_changes_nothing(database):
    receive(database, 1)
    (item,) = claim(database)
    settle(database, item, (an_evidence(),), TO_PACS)
    send_everything(database)
    again = settle(
        database, item, (an_evidence(2),), (NewDelivery("pacs", "1.7.2"),), result={}
    )
    assert again.stage is Stage.DELIVERING
    found = job(database)
    assert [one.sop_instance_uid for one in found.evidence] == ["1.7.1"]
    assert [one.state for one in found.deliveries] == [DeliveryState.SENT]


def test_without_required_deliveries_settling_completes(database):
    receive(database, 1)
    (item,) = claim(database)
    optional = (NewDelivery("archive", "1.7.1", required=False),)
    settled = settle(database, item, (an_evidence(),), optional)
    assert settled.state is ProcedureStepState.COMPLETED
    assert (settled.stage, settled.ended_at) == (Stage.DONE, after(1010))
    assert send_everything(database, "archive") == ["1.7.1"]


def test_canceling_takes_unsent_results_out_of_the_outbox(database):
    receive(database, 1)
    (item,) = claim(database)
    settle(database, item, (an_evidence(),), TO_PACS)
    steps_at(database, 1020).request_cancel("1.9.1")
    assert send_everything(database) == []
    assert job(database).deliveries[0].state is DeliveryState.CANCELED


def test_the_results_of_a_rerun_keep_the_bytes_stored_first(database):
    receive(database, 1)
    (item,) = claim(database)
    settle(database, item, (an_evidence(),), TO_PACS)
    steps_at(database, 1020).request_cancel("1.9.1")
    renewed = steps_at(database, 1021).retry("1.9.1")
    (item,) = claim(database, now=after(1022))
    rerun = an_evidence(object_key="other", sha256="other", workitem_uid=renewed)
    settle(database, item, (rerun,), TO_PACS)
    (kept,) = job(database, renewed).evidence
    assert (kept.object_key, kept.sha256) == (
        an_evidence().object_key,
        an_evidence().sha256,
    )


def test_a_failed_delivery_is_retried_without_inference(database):
    receive(database, 1)
    (item,) = claim(database)
    settle(database, item, (an_evidence(),), TO_PACS)
    with database.transaction() as tx:
        (row,) = deliveries.due(
            tx, destination="pacs", limit=9, now=after(1100), lease_s=9
        )
        deliveries.failed(tx, row.delivery.delivery_id, error="no", now=after(1101))
        (failed,) = workitems.end_given_up(tx, after(1101))
    assert (failed.state, failed.stage) == (ProcedureStepState.CANCELED, Stage.CANCELED)
    assert failed.reason is not None
    assert failed.reason.code == "DELIVERY_GIVEN_UP"
    assert "pacs" in failed.reason.text
    again = steps_at(database, 1102).retry("1.9.1")
    assert job(database).workitem.replaced_by == again != "1.9.1"
    assert job(database, again).workitem.result == failed.result
    assert job(database, again).visible_state is InstanceState.DELIVERING
    assert claim(database, now=after(2000)) == []
    assert send_everything(database) == ["1.7.1"]
    assert ended(database, again) is InstanceState.DELIVERED


def test_what_was_given_up_is_not_sent_again_once_it_was_deleted(database):
    receive(database, 1)
    settle(database, *claim(database), (an_evidence(),), TO_PACS)
    give_up(database)
    with database.transaction() as tx:
        retention.forget_object(tx, "1.7.1", after(2000))
    with pytest.raises(ObjectMissing, match="reprocess"):
        steps_at(database, 2001).retry("1.9.1")
    assert job(database).workitem.replaced_by is None


def test_what_arrived_before_the_others_were_given_up_is_not_sent_twice(database):
    receive(database, 1)
    wanted = (*TO_PACS, NewDelivery("archive", "1.7.1"), NewDelivery("slow", "1.7.1"))
    settle(database, *claim(database), (an_evidence(),), wanted)
    assert send_everything(database, "archive") == ["1.7.1"]
    give_up(database)
    again = steps_at(database, 1102).retry("1.9.1")
    assert send_everything(database, "archive") == []
    assert send_everything(database) == ["1.7.1"]
    assert ended(database, again) is InstanceState.DELIVERING
    assert send_everything(database, "slow") == ["1.7.1"]
    assert ended(database, again) is InstanceState.DELIVERED


def test_what_was_given_up_and_called_back_is_analysed_again_not_sent(database):
    receive(database, 1)
    settle(database, *claim(database), (an_evidence(),), TO_PACS)
    give_up(database)
    with database.transaction() as tx:
        workitems.recall(tx, "1.9.1", note_uid=None, reason="quality", now=after(1110))
    again = steps_at(database, 1120).retry("1.9.1")
    assert job(database, again).visible_state is InstanceState.QUEUED
    assert send_everything(database) == []


def test_a_failed_delivery_whose_object_was_deleted_is_not_retried(database):
    receive(database, 1)
    optional = (NewDelivery("archive", "1.7.1", required=False),)
    settle(database, *claim(database), (an_evidence(),), optional)
    with database.transaction() as tx:
        (row,) = deliveries.due(
            tx, destination="archive", limit=9, now=after(1100), lease_s=9
        )
        deliveries.failed(tx, row.delivery.delivery_id, error="no", now=after(1101))
        retention.forget_object(tx, "1.7.1", after(2000))
    with pytest.raises(TransitionRefused):
        steps_at(database, 2001).retry("1.9.1")


def test_there_is_nothing_to_retry_where_nothing_failed(database):
    receive(database, 1)
    with pytest.raises(TransitionRefused):
        steps_at(database, 0).retry("1.9.1")
    with pytest.raises(UnknownRecord):
        steps_at(database, 0).retry("1.9.404")


def test_a_settlement_says_whose_results_they_are(database):
    receive(database, 1)
    model = ModelName("default", "1", "ab" * 32)
    settled = settle(database, *claim(database), model=model, maker="fingerprint")
    assert (settled.model, settled.maker) == (model, "fingerprint")
    assert job(database).workitem == settled


def test_results_and_outbox_stand_or_fall_together(database):
    receive(database, 1)
    (item,) = claim(database)
    unknown = (NewDelivery("pacs", "1.7.404"),)
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        settle(database, item, (an_evidence(),), unknown)
    found = job(database)
    assert found.workitem.stage is Stage.ANALYZING
    assert (found.evidence, found.deliveries) == ((), ())


def test_who_lost_the_lease_leaves_nothing_in_the_outbox(database):
    receive(database, 1)
    (item,) = claim(database)
    reap(database, 5000)
    with pytest.raises(LeaseLost):
        settle(database, item, (an_evidence(),), TO_PACS)
    with pytest.raises(LeaseLost):
        steps_at(database, 5001).cancel(item, BUG, (an_evidence(),), TO_PACS)
    assert (job(database).evidence, job(database).deliveries) == ((), ())


def test_objects_that_say_why_there_is_no_result_go_out_once(database):
    receive(database, 1)
    (item,) = claim(database)
    for _ in range(2):
        steps_at(database, 1020).cancel(item, BUG, (an_evidence(),), TO_PACS)
    found = job(database)
    assert found.workitem.reason == BUG
    assert [row.state for row in found.deliveries] == [DeliveryState.PENDING]
    assert send_everything(database) == ["1.7.1"]


def test_attempts_that_ended_with_their_worker_are_counted(database):
    receive(database, 1)
    claim(database)
    reap(database, 5000)
    (item,) = claim(database, now=after(5001))
    counted = steps_at(database, 5002).attempts_ended
    assert counted(item, AttemptOutcome.LEASE_EXPIRED) == 1
    assert counted(item, AttemptOutcome.PROCESS_LOST) == 0
