"""A wall clock that is set, by days, back and forward: nothing stalls or is lost."""

import logging
from datetime import timedelta

import pytest
from sqlalchemy import select

from dicom_node.node.clocks import ClockWatch, Pauses, Reaper
from storage.outbox import deliveries
from storage.records import NewDelivery, Stage
from storage.schema import (
    commitment,
    commitment_request,
    event_report,
    notification,
)
from storage.worklist import attempts, workitems
from tests.factories.rows import NOW, an_evidence, claim, receive, settle

DAY = timedelta(days=1)
PAUSES = Pauses(
    claim=timedelta(seconds=375),
    claim_lease=timedelta(seconds=60),
    delivery=timedelta(seconds=2250),
    delivery_lease=timedelta(seconds=120),
    commitment=timedelta(hours=24),
)


class Clock:
    """A wall clock and a monotonic clock that only a test moves."""

    def __init__(self, database):
        self.now = NOW + timedelta(hours=1)
        self.ran_s = 0.0
        self.reaper = Reaper(database, PAUSES, lambda: self.now, lambda: self.ran_s)

    def pass_(self, seconds):
        self.now += timedelta(seconds=seconds)
        self.ran_s += seconds

    def set(self, days):
        self.now += days * DAY


@pytest.fixture
def clock(database):
    return Clock(database)


def put_off(database, clock):
    """A job that failed for now, and is tried again in a minute."""
    receive(database, 1)
    (step,) = claim(database, now=clock.now)
    with database.transaction() as tx:
        attempts.retry_later(
            tx,
            step.workitem_uid,
            step.transaction_uid,
            not_before=clock.now + timedelta(seconds=60),
            error="no room",
            now=clock.now,
        )


def a_result(database, clock):
    """A job whose one result waits for its destination."""
    receive(database, 1)
    (step,) = claim(database, now=clock.now)
    evidence = an_evidence(1, workitem_uid=step.workitem_uid)
    wanted = NewDelivery("pacs", evidence.sop_instance_uid)
    settle(database, step, (evidence,), (wanted,), now=clock.now)


def due(database, clock):
    with database.transaction() as tx:
        return deliveries.due(
            tx, destination="pacs", limit=9, now=clock.now, lease_s=120
        )


@pytest.mark.parametrize("days", [1, 4, 400])
def test_a_job_put_off_by_a_clock_that_was_ahead_is_claimed(database, clock, days):
    clock.set(days)
    put_off(database, clock)
    clock.set(-days)
    assert claim(database, now=clock.now) == []
    clock.reaper.run()
    assert len(claim(database, now=clock.now)) == 1


@pytest.mark.parametrize("days", [1, 4, 400])
def test_a_claim_of_a_clock_that_was_ahead_is_taken_over(database, clock, days):
    receive(database, 1)
    clock.set(days)
    claim(database, now=clock.now)
    clock.set(-days)
    for _ in range(4):
        clock.reaper.run()
        clock.pass_(61)
    clock.reaper.run()
    assert len(claim(database, now=clock.now)) == 1


@pytest.mark.parametrize("days", [1, 4, 400])
def test_a_delivery_of_a_clock_that_was_ahead_goes_out(database, clock, days):
    clock.set(days)
    a_result(database, clock)
    clock.set(-days)
    assert due(database, clock) == []
    clock.reaper.run()
    (item,) = due(database, clock)
    assert item.delivery.created_at == clock.now


def test_a_delivery_leased_by_a_clock_that_was_ahead_goes_out(database, clock):
    clock.set(3)
    a_result(database, clock)
    assert len(due(database, clock)) == 1
    clock.set(-3)
    clock.reaper.run()
    assert due(database, clock) == []
    clock.pass_(121)
    assert len(due(database, clock)) == 1


WAITING = {
    "a report to a subscriber": (
        event_report,
        "next_try_at",
        {
            "ae_title": "WATCHER",
            "channel": "dimse",
            "workitem_uid": "1.2",
            "event_type": 1,
            "information": {},
            "created_at": NOW,
            "attempts": 1,
        },
    ),
    "an answer to a modality": (
        commitment_request,
        "next_try_at",
        {
            "transaction_uid": "1.3",
            "peer": "MODALITY",
            "called_ae": "NODE",
            "address": "",
            "objects": [],
            "state": "PENDING",
            "received_at": NOW,
            "attempts": 1,
        },
    ),
    "a notification": (
        notification,
        "next_try_at",
        {
            "receiver": "ward",
            "rule": "failed",
            "subject": "1.5",
            "content": {},
            "state": "PENDING",
            "created_at": NOW,
            "attempts": 1,
        },
    ),
    "what a PACS has to answer": (
        commitment,
        "deadline",
        {
            "transaction_uid": "1.4",
            "destination": "pacs",
            "state": "ASKED",
            "asked_at": NOW,
        },
    ),
}


@pytest.mark.parametrize("what", WAITING)
@pytest.mark.parametrize("days", [3, 400])
def test_what_else_waits_by_a_clock_that_was_ahead_does_not(
    database, clock, what, days
):
    table, column, row = WAITING[what]
    waits_until = table.c[column]
    soon = clock.now + timedelta(seconds=60)
    with database.transaction() as tx:
        tx.execute(table.insert(), {**row, column: soon})
    clock.reaper.run()
    with database.transaction() as tx:
        assert tx.execute(select(waits_until)).scalar_one() == soon
        tx.execute(table.update().values({column: soon + days * DAY}))
    clock.reaper.run()
    with database.transaction() as tx:
        found = tx.execute(select(waits_until)).scalar_one()
    assert clock.now <= found <= clock.now + DAY


def test_a_lease_prolonged_while_the_reaper_waited_its_turn_is_no_wrong_clock(
    database, clock, caplog
):
    receive(database, 1)
    later = clock.now + timedelta(seconds=2)
    claim(database, now=later)
    clock.reaper.run()
    assert "the clock was ahead" not in caplog.text


def test_what_waits_as_long_as_it_should_is_left_alone(database, clock):
    put_off(database, clock)
    clock.reaper.run()
    assert claim(database, now=clock.now) == []
    clock.pass_(61)
    assert len(claim(database, now=clock.now)) == 1


def test_a_clock_set_forward_takes_no_image_from_its_worker(database, clock):
    receive(database, 1)
    (step,) = claim(database, now=clock.now)
    clock.reaper.run()
    clock.set(3)
    clock.reaper.run()
    with database.transaction() as tx:
        assert workitems.get(tx, step.workitem_uid).stage is Stage.ANALYZING
    clock.pass_(61)
    clock.reaper.run()
    with database.transaction() as tx:
        assert workitems.get(tx, step.workitem_uid).stage is Stage.QUEUED


def test_days_that_did_not_pass_are_not_counted_against_a_delivery(database, clock):
    a_result(database, clock)
    clock.pass_(600)
    clock.reaper.run()
    clock.set(30)
    clock.reaper.run()
    (item,) = due(database, clock)
    waited = clock.now - item.delivery.created_at
    assert waited == timedelta(seconds=600)
    clock.set(-30)
    clock.reaper.run()
    with database.transaction() as tx:
        row = deliveries.get(tx, item.delivery.delivery_id)
    assert row.created_at == clock.now


def test_each_jump_is_logged_once_and_a_running_clock_never(caplog):
    clock = Clock(None)
    watch = ClockWatch(lambda: clock.now, lambda: clock.ran_s)
    with caplog.at_level(logging.WARNING):
        clock.pass_(100_000)
        assert watch.jump_s() == 0
        clock.set(-2)
        assert watch.jump_s() == -2 * 86400
        clock.pass_(5)
        assert watch.jump_s() == 0
        clock.set(2)
        assert watch.jump_s() == 2 * 86400
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "back by 172800 s" in caplog.records[0].getMessage()
    assert "forward by 172800 s" in caplog.records[1].getMessage()
