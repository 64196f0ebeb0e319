"""What happened, as those read it who care, on both databases."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dicom_node.worklist import recall_record
from storage import events
from storage.catalog import instances, quarantine
from storage.objects.protocol import StoredObject
from storage.outbox import deliveries
from storage.records import Cause, EventKind, ModelName, NewDelivery, Reason
from storage.worklist import attempts, jobs, repeats, workitems
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

LATERAL = Reason("VIEW_LATERAL", "A lateral view.", Cause.IMAGE)
TO_PACS = (NewDelivery("pacs", "1.7.1"),)


def seen(database, after_id=0, limit=99):
    with database.transaction(read_only=True) as tx:
        return events.since(tx, after_id, limit)


def kinds(database, after_id=0):
    return [one.kind for one in seen(database, after_id)]


def last_id(database):
    return seen(database)[-1].event_id


def due(database, at=2000):
    with database.transaction() as tx:
        (row,) = deliveries.due(
            tx, destination="pacs", limit=1, now=after(at), lease_s=9
        )
    return row.delivery.delivery_id


def test_an_image_leaves_its_whole_way_behind(database):
    receive(database, 1)
    settle(database, *claim(database), (an_evidence(),), TO_PACS)
    delivery_id = due(database)
    with database.transaction() as tx:
        deliveries.sent(tx, delivery_id, status=0, now=after(2001))
        workitems.complete_if_delivered(tx, "1.9.1", after(2001))
    told = seen(database)
    assert [(one.kind, one.at) for one in told] == [
        (EventKind.RECEIVED, after(1)),
        (EventKind.SCHEDULED, after(1)),
        (EventKind.CLAIMED, after(1000)),
        (EventKind.SETTLED, after(1010)),
        (EventKind.DELIVERY_SENT, after(2001)),
        (EventKind.COMPLETED, after(2001)),
    ]
    assert {one.workitem_uid for one in told[1:]} == {"1.9.1"}
    images = [one.sop_instance_uid for one in told]
    assert images == ["1.2.3.1"] * 4 + ["1.7.1", "1.2.3.1"]
    assert told[4].destination == "pacs"
    assert dict(told[2].details) == {"worker": "worker-1", "attempt": 1}


def test_what_is_not_analysed_says_why(database):
    with database.transaction() as tx:
        instances.add_instance(tx, an_instance(not_eligible=LATERAL))
        instances.add_instance(tx, an_instance(not_eligible=LATERAL))
    received, refused = seen(database)
    assert received.kind is EventKind.RECEIVED
    assert refused.kind is EventKind.NOT_ELIGIBLE
    assert dict(refused.details) == {"code": "VIEW_LATERAL"}


def test_what_is_kept_apart_is_told_once(database):
    other = StoredObject("ff/ff", 7, "f" * 64)
    with database.transaction() as tx:
        for _ in range(2):
            quarantine.keep_apart(tx, "1.2.3.1", other, "MODALITY2", NOW)
    (event,) = seen(database)
    assert (event.kind, event.sop_instance_uid) == (EventKind.QUARANTINED, "1.2.3.1")


def test_attempts_that_come_to_nothing_are_told(database):
    receive(database, 1)
    (item,) = claim(database)
    before = last_id(database)
    steps_at(database, 1001).retry_later(item, 5.0, "busy")
    claim(database, now=after(1100))
    with database.transaction() as tx:
        attempts.reap(tx, after(9000))
    steps_at(database, 9001).request_cancel("1.9.1")
    assert kinds(database, before) == [
        EventKind.RETRIED_LATER,
        EventKind.CLAIMED,
        EventKind.LEASE_EXPIRED,
        EventKind.CANCELED,
    ]
    assert dict(seen(database)[-1].details) == {
        "code": "CANCEL_REQUESTED",
        "cause": "request",
    }


def test_a_job_done_again_names_the_new_one(database):
    receive(database, 1)
    settle(database, *claim(database))
    before = last_id(database)
    with database.transaction() as tx:
        second = repeats.reprocess(tx, "1.9.1", after(2000), new_uid)
    replaced, scheduled = seen(database, before)
    assert (replaced.kind, replaced.workitem_uid) == (EventKind.REPLACED, "1.9.1")
    assert dict(replaced.details) == {"by": second}
    assert (scheduled.kind, scheduled.workitem_uid) == (EventKind.SCHEDULED, second)


def test_deliveries_that_fail_or_are_superseded_are_told_once(database):
    receive(database, 1)
    settle(database, *claim(database), (an_evidence(),), TO_PACS)
    before = last_id(database)
    other = an_evidence(2, workitem_uid="1.9.1")
    first = due(database)
    with database.transaction() as tx:
        for _ in range(2):
            deliveries.superseded(tx, first, by=other, now=after(2001))
    second = due(database, 2002)
    with database.transaction() as tx:
        for _ in range(2):
            deliveries.failed(tx, second, error="no", status=0xA900, now=after(2003))
    superseded, failed = seen(database, before)
    assert superseded.kind is EventKind.DELIVERY_SUPERSEDED
    assert (superseded.sop_instance_uid, dict(superseded.details)) == (
        "1.7.1",
        {"by": "1.7.2"},
    )
    assert failed.kind is EventKind.DELIVERY_FAILED
    assert (failed.sop_instance_uid, dict(failed.details)) == (
        "1.7.2",
        {"status": 0xA900},
    )


def test_a_recall_is_told(database):
    receive(database, 1)
    bad = ModelName("default", "1", "ab" * 32)
    settle(database, *claim(database), (an_evidence(),), TO_PACS, model=bad)
    before = last_id(database)
    with database.transaction() as tx:
        job = jobs.get_job(tx, "1.9.1")
        recall_record.record(tx, [job], None, [], "safety", after(3000))
    assert kinds(database, before) == [EventKind.CANCELED, EventKind.RECALLED]
    assert dict(seen(database)[-1].details) == {"reason": "safety"}


def test_a_change_that_is_rolled_back_never_happened(database):
    def receive_halfway():
        with database.transaction() as tx:
            instances.add_instance(tx, an_instance())
            workitems.schedule(tx, a_workitem())
            raise InterruptedError

    with pytest.raises(InterruptedError):
        receive_halfway()
    assert seen(database) == []


def test_a_reader_goes_on_where_it_stopped(database):
    receive(database, 1, 2, 3)
    first = seen(database, limit=4)
    rest = seen(database, first[-1].event_id)
    assert [one.sop_instance_uid for one in first + rest] == [
        f"1.2.3.{number}" for number in (1, 1, 2, 2, 3, 3)
    ]
    assert seen(database, rest[-1].event_id) == []


def test_nothing_appears_later_under_a_smaller_number(database):
    """A reader that keeps up sees every event, whoever commits first."""
    writers, each = 6, 10
    together = threading.Barrier(writers + 1, timeout=180)
    finished = threading.Event()

    def write(number):
        together.wait()
        for turn in range(each):
            receive(database, 1 + number * each + turn)

    def follow():
        together.wait()
        found, done = [], False
        while not done:
            done = finished.is_set()
            news = seen(database, found[-1] if found else 0, limit=7)
            found += [one.event_id for one in news]
            done = done and not news
        return found

    with ThreadPoolExecutor(writers + 1) as pool:
        reader = pool.submit(follow)
        list(pool.map(write, range(writers)))
        finished.set()
        followed = reader.result(timeout=180)
    everything = [one.event_id for one in seen(database, limit=9999)]
    assert followed == everything
    assert len(everything) == 2 * writers * each
