"""The queue's rules, on both databases."""

from datetime import timedelta

import pytest

from storage.catalog import arrivals, instances, retention
from storage.errors import (
    LeaseLost,
    ObjectMissing,
    TransitionRefused,
    UnknownRecord,
)
from storage.outbox import deliveries
from storage.records import (
    ModelName,
    NewDelivery,
    ProcedureStepState,
    Reason,
    Stage,
)
from storage.signals import Topic
from storage.worklist import attempts, jobs, repeats, transitions, workitems
from tests.factories.rows import (
    NOW,
    a_workitem,
    after,
    an_evidence,
    an_instance,
    claim,
    new_uid,
    receive,
    settle,
    steps_at,
)

TO_PACS = (NewDelivery("pacs", "1.7.1"),)
BUG = Reason("BUG", "It broke.")


def get(database, number=1):
    with database.transaction(read_only=True) as tx:
        return workitems.get(tx, f"1.9.{number}")


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


def test_a_workitem_comes_back_as_it_went_in(database):
    workitem = a_workitem(priority=7, not_before=after(5))
    with database.transaction() as tx:
        instances.add_instance(tx, an_instance())
        workitems.schedule(tx, workitem)
    with database.transaction(read_only=True) as tx:
        assert workitems.get(tx, "1.9.1") == workitem
        assert workitems.find(tx, "1.2.3.1") == workitem
        assert workitems.find(tx, "1.2.3.2") is None
        with pytest.raises(UnknownRecord):
            workitems.get(tx, "1.9.404")


def test_instance_and_workitem_stand_or_fall_together(database):
    def receive_halfway():
        with database.transaction() as tx:
            instances.add_instance(tx, an_instance())
            workitems.schedule(tx, a_workitem())
            raise InterruptedError

    with pytest.raises(InterruptedError):
        receive_halfway()
    with database.transaction(read_only=True) as tx:
        assert arrivals.list_instances(tx).items == ()
        assert jobs.list_jobs(tx).items == ()


def test_a_claim_takes_the_workitem_and_begins_an_attempt(database):
    receive(database, 1)
    (item,) = claim(database, now=after(1000), lease_s=60)
    assert item.state is ProcedureStepState.IN_PROGRESS
    assert item.stage is Stage.ANALYZING
    assert item.transaction_uid
    assert (item.attempts, item.worker) == (1, "worker-1")
    assert (item.started_at, item.lease_until) == (after(1000), after(1060))
    (attempt,) = job(database).attempts
    assert (attempt.number, attempt.ended_at) == (1, None)


def test_a_second_claim_is_refused(database):
    receive(database, 1)
    assert len(claim(database)) == 1
    assert claim(database) == []


def test_a_claim_takes_the_urgent_first_and_then_the_oldest(database):
    with database.transaction() as tx:
        for number, priority in ((1, 0), (2, 5), (3, 0), (4, 5)):
            instances.add_instance(tx, an_instance(number))
            workitems.schedule(tx, a_workitem(number, priority=priority))
    order = [item.sop_instance_uid for item in claim(database, limit=3)]
    assert order == ["1.2.3.2", "1.2.3.4", "1.2.3.1"]


def test_every_claimed_workitem_gets_a_transaction_uid_of_its_own(database):
    receive(database, 1, 2, 3)
    items = claim(database, limit=8)
    assert len({item.transaction_uid for item in items}) == 3


def test_one_instance_has_one_current_workitem(database):
    receive(database, 1)
    with pytest.raises(Exception, match=r"(?i)unique"), database.transaction() as tx:
        workitems.schedule(tx, a_workitem(2, sop_instance_uid="1.2.3.1"))


def test_a_heartbeat_keeps_the_lease(database):
    receive(database, 1)
    (item,) = claim(database, lease_s=60)
    with database.transaction() as tx:
        assert not attempts.heartbeat(
            tx, item.workitem_uid, item.transaction_uid, after(2000)
        )
    assert reap(database, 1500) == 0
    assert get(database).lease_until == after(2000)


def test_an_expired_lease_makes_room_for_a_new_attempt(database):
    receive(database, 1, 2)
    (first,) = claim(database, lease_s=60)
    assert reap(database, 1060) == 0
    assert reap(database, 1061) == 1
    (second,) = claim(database, now=after(1062), worker="worker-2")
    assert second.workitem_uid == first.workitem_uid
    assert second.transaction_uid != first.transaction_uid
    assert second.state is ProcedureStepState.IN_PROGRESS
    assert second.started_at == first.started_at
    outcomes = [(one.number, one.outcome) for one in job(database).attempts]
    assert outcomes == [(1, "lease expired"), (2, None)]


@pytest.mark.parametrize("claimed_again", [False, True])
def test_who_lost_the_lease_can_record_nothing(database, claimed_again):
    receive(database, 1)
    (old,) = claim(database)
    reap(database, 5000)
    if claimed_again:
        claim(database, now=after(5001))
    with pytest.raises(LeaseLost):
        settle(database, old, (an_evidence(),), TO_PACS)
    with database.transaction() as tx:
        key = (tx, old.workitem_uid, old.transaction_uid)
        with pytest.raises(LeaseLost):
            attempts.heartbeat(*key, after(6000))
        with pytest.raises(LeaseLost):
            attempts.retry_later(*key, not_before=NOW, error="x", now=NOW)
        with pytest.raises(LeaseLost):
            workitems.cancel(tx, key[1], BUG, NOW, old.transaction_uid)
    assert job(database).evidence == ()


def test_a_retry_waits_its_time_and_stays_in_progress(database):
    receive(database, 1)
    (first,) = claim(database)
    with database.transaction() as tx:
        attempts.retry_later(
            tx,
            first.workitem_uid,
            first.transaction_uid,
            not_before=after(1100),
            error="out of memory",
            now=after(1010),
        )
        assert attempts.next_claim_at(tx) == after(1100)
    waiting = get(database)
    assert waiting.state is ProcedureStepState.IN_PROGRESS
    assert (waiting.stage, waiting.lease_until) == (Stage.QUEUED, None)
    assert claim(database, now=after(1099)) == []
    (second,) = claim(database, now=after(1100))
    assert second.attempts == 2
    first_attempt = job(database).attempts[0]
    assert (first_attempt.outcome, first_attempt.error) == ("retry", "out of memory")


def test_a_retry_that_need_not_wait_is_announced(database):
    receive(database, 1)
    (item,) = claim(database)
    watch = database.watch(Topic.WORK)
    with database.transaction() as tx:
        attempts.retry_later(
            tx,
            item.workitem_uid,
            item.transaction_uid,
            not_before=after(1010),
            error="smaller batch",
            now=after(1010),
        )
    assert watch.wait(0)
    assert len(claim(database, now=after(1010))) == 1


def test_nothing_queued_means_no_next_claim(database):
    with database.transaction(read_only=True) as tx:
        assert attempts.next_claim_at(tx) is None


def test_it_completes_when_the_last_required_delivery_arrived(database):
    receive(database, 1)
    (item,) = claim(database)
    wanted = (
        NewDelivery("pacs", "1.7.1"),
        NewDelivery("pacs", "1.7.2"),
        NewDelivery("archive", "1.7.1", required=False),
    )
    settle(database, item, (an_evidence(1), an_evidence(2)), wanted)
    with database.transaction() as tx:
        first, second = deliveries.due(
            tx, destination="pacs", limit=9, now=after(1100), lease_s=9
        )
        deliveries.sent(tx, first.delivery.delivery_id, status=0, now=after(1100))
        assert not workitems.complete_if_delivered(tx, "1.9.1", after(1100))
        deliveries.sent(tx, second.delivery.delivery_id, status=0, now=after(1101))
        assert workitems.complete_if_delivered(tx, "1.9.1", after(1101))
        assert not workitems.complete_if_delivered(tx, "1.9.1", after(1102))
    assert get(database).ended_at == after(1101)


def test_the_timer_completes_what_a_crash_left_behind(database):
    receive(database, 1, 2)
    for number, item in enumerate(claim(database, limit=2), 1):
        wanted = (NewDelivery(f"pacs{number}", f"1.7.{number}"),)
        settle(database, item, (an_evidence(number),), wanted)
    send_everything(database, "pacs1")
    with database.transaction() as tx:
        assert workitems.complete_delivered(tx, after(4000)) == 1
    assert get(database, 1).state is ProcedureStepState.COMPLETED
    assert get(database, 2).state is ProcedureStepState.IN_PROGRESS


def test_an_unknown_workitem_cannot_be_completed(database):
    with database.transaction() as tx, pytest.raises(UnknownRecord):
        workitems.complete_if_delivered(tx, "1.9.404", NOW)


def test_a_worker_cancels_with_a_reason_and_may_say_so_twice(database):
    receive(database, 1)
    (item,) = claim(database)
    for _ in range(2):
        with database.transaction() as tx:
            workitems.cancel(
                tx, item.workitem_uid, BUG, after(1020), item.transaction_uid
            )
    canceled = get(database)
    assert (canceled.state, canceled.stage) == (
        ProcedureStepState.CANCELED,
        Stage.CANCELED,
    )
    assert (canceled.reason, canceled.ended_at) == (BUG, after(1020))
    assert job(database).attempts[0].outcome == "canceled"


def test_a_request_to_cancel_is_met_at_once_while_nobody_works_on_it(database):
    receive(database, 1)
    with database.transaction() as tx:
        canceled = workitems.request_cancel(tx, "1.9.1", after(1))
    assert canceled.state is ProcedureStepState.CANCELED
    assert canceled.reason == transitions.CANCEL_REQUESTED
    assert claim(database) == []


@pytest.mark.parametrize("report", ["settle", "retry", "silence"])
def test_a_request_to_cancel_is_met_when_the_worker_reports(database, report):
    receive(database, 1)
    (item,) = claim(database)
    with database.transaction() as tx:
        asked = workitems.request_cancel(tx, "1.9.1", after(1001))
        assert asked.state is ProcedureStepState.IN_PROGRESS
        assert attempts.heartbeat(
            tx, item.workitem_uid, item.transaction_uid, after(1100)
        )
    if report == "settle":
        settle(database, item, (an_evidence(),), TO_PACS)
    elif report == "silence":
        reap(database, 5000)
    else:
        with database.transaction() as tx:
            attempts.retry_later(
                tx,
                item.workitem_uid,
                item.transaction_uid,
                not_before=NOW,
                error="x",
                now=after(1002),
            )
    assert get(database).reason == transitions.CANCEL_REQUESTED
    assert job(database).evidence == ()


def test_what_has_ended_cannot_be_canceled(database):
    receive(database, 1)
    settle(database, *claim(database))
    with database.transaction() as tx:
        with pytest.raises(TransitionRefused):
            workitems.cancel(tx, "1.9.1", BUG, NOW)
        with pytest.raises(TransitionRefused):
            workitems.request_cancel(tx, "1.9.1", NOW)


def test_a_retry_of_a_canceled_workitem_makes_a_new_one(database):
    receive(database, 1)
    with database.transaction() as tx:
        workitems.cancel(tx, "1.9.1", BUG, after(1))
        renewed = repeats.renew(tx, "1.9.1", after(2), new_uid)
    assert get(database).replaced_by == renewed
    (item,) = claim(database)
    assert (item.workitem_uid, item.sop_instance_uid) == (renewed, "1.2.3.1")
    with pytest.raises(TransitionRefused):
        steps_at(database, 3).retry("1.9.1")


def test_a_deleted_image_cannot_be_analysed_again(database):
    receive(database, 1)
    with database.transaction() as tx:
        workitems.cancel(tx, "1.9.1", BUG, after(1))
        retention.forget_object(tx, "1.2.3.1", after(2))
    with database.transaction() as tx, pytest.raises(ObjectMissing):
        repeats.renew(tx, "1.9.1", after(3), new_uid)
    assert get(database).replaced_by is None


def test_jobs_are_listed_newest_first_with_all_they_own(database):
    receive(database, 1, 2, 3)
    (item,) = claim(database)
    settle(database, item, (an_evidence(),), TO_PACS)
    with database.transaction(read_only=True) as tx:
        first = jobs.list_jobs(tx, limit=2)
        second = jobs.list_jobs(tx, limit=2, cursor=first.next_cursor)
    uids = [found.workitem.workitem_uid for found in first.items + second.items]
    assert uids == ["1.9.3", "1.9.2", "1.9.1"]
    assert second.next_cursor is None
    (oldest,) = second.items
    assert oldest.instance == an_instance(1)
    assert len(oldest.attempts) == len(oldest.deliveries) == 1


def test_jobs_are_filtered(database):
    receive(database, 1, 2)
    claim(database)
    filters = {
        "state": ProcedureStepState.SCHEDULED,
        "stage": Stage.QUEUED,
        "since": after(2),
        "patient_id": "P2",
        "accession_number": "A2",
        "sop_instance_uid": "1.2.3.2",
    }
    with database.transaction(read_only=True) as tx:
        for name, value in filters.items():
            (found,) = jobs.list_jobs(tx, **{name: value}).items
            assert found.workitem.workitem_uid == "1.9.2", name
        for name in ("study_instance_uid", "series_instance_uid"):
            assert jobs.list_jobs(tx, **{name: "0.0"}).items == ()
        with pytest.raises(UnknownRecord):
            jobs.get_job(tx, "1.9.404")


def test_workitems_are_counted_by_state(database):
    receive(database, 1, 2, 3)
    claim(database)
    with database.transaction() as tx:
        workitems.cancel(tx, "1.9.3", BUG, NOW)
        repeats.renew(tx, "1.9.3", NOW + timedelta(seconds=1), new_uid)
        counts = jobs.counts(tx)
    assert counts == {
        ProcedureStepState.SCHEDULED: 2,
        ProcedureStepState.IN_PROGRESS: 1,
        ProcedureStepState.COMPLETED: 0,
        ProcedureStepState.CANCELED: 0,
    }


def test_results_of_a_model_are_found_by_study(database):
    receive(database, 1)
    settle(database, *claim(database), model=ModelName("default", "1", "ab" * 32))
    with database.transaction(read_only=True) as tx:
        assert jobs.studies_by_model(tx, "default", "1") == ["1.2.3"]
        assert jobs.studies_by_model(tx, "default", "2") == []
        (job,) = jobs.jobs_by_model(tx, "default", "1", "1.2.3")
        assert jobs.jobs_by_model(tx, "default", "1", "1.2.4") == ()
    assert job.workitem.workitem_uid == "1.9.1"
