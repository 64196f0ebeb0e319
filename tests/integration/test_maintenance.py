"""What happens by the clock."""

import os
from datetime import UTC, datetime, timedelta
from io import BytesIO
from threading import Event

import pytest

from dicom_node.node.maintenance import (
    Maintenance,
    Retention,
    Sweep,
    Timer,
    complete,
    forget_aside,
    reap,
    retain,
)
from storage.catalog import instances, retention
from storage.database import Database
from storage.objects.files import FileObjectStore
from storage.outbox import deliveries
from storage.records import NewDelivery, Reason, Stage
from storage.worklist import jobs, workitems
from tests.factories.rows import a_workitem, an_evidence, an_instance, claim, settle

DAY = timedelta(days=1)
KEPT = Retention(sources=30 * DAY, results=90 * DAY)


class House:
    """A job whose results are on their way, its bytes in a real store."""

    def __init__(self, folder):
        self.database = Database(f"sqlite:///{folder}/node.db")
        self.database.migrate()
        self.store = FileObjectStore(folder)
        self.now = datetime.now(UTC)
        self.source = self.store.put(BytesIO(b"an image"))
        self.result = self.store.put(BytesIO(b"a result"))
        instance = an_instance(
            1, object_key=self.source.key, received_at=self.now - 200 * DAY
        )
        with self.database.transaction() as tx:
            instances.add_instance(tx, instance)
            workitems.schedule(tx, a_workitem(1, scheduled_at=instance.received_at))
        (claimed,) = claim(self.database, now=self.now - 200 * DAY)
        evidence = an_evidence(
            1, workitem_uid=claimed.workitem_uid, object_key=self.result.key
        )
        settle(
            self.database,
            claimed,
            (evidence,),
            (NewDelivery("pacs", evidence.sop_instance_uid),),
            now=self.now - 200 * DAY,
        )
        self.grow_old()

    def grow_old(self):
        for stored in (self.source, self.result):
            self.write_again(stored.key, self.now - DAY)

    def write_again(self, key, at):
        """Let a file look as if it had been written then."""
        with self.store.local(key) as path:
            os.utime(path, (at.timestamp(), at.timestamp()))

    def deliver(self, days_ago):
        at = self.now - days_ago * DAY
        with self.database.transaction() as tx:
            (due,) = deliveries.due(tx, destination="pacs", limit=1, now=at, lease_s=60)
            deliveries.sent(tx, due.delivery.delivery_id, status=0, now=at)
            workitems.complete_if_delivered(tx, due.delivery.workitem_uid, at)

    def retain(self, retention=KEPT):
        retain(self.database, self.store, retention, lambda: self.now)
        return {stored.key for stored in (self.source, self.result)} & set(
            self.store.keys()
        )


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path)
    yield house
    house.database.close()


def test_what_is_not_delivered_is_kept_however_old_it_is(house):
    assert house.retain() == {house.source.key, house.result.key}


def test_source_and_result_go_each_in_their_own_time_after_delivery(house):
    house.deliver(days_ago=29)
    assert house.retain() == {house.source.key, house.result.key}
    house.now += 2 * DAY
    assert house.retain() == {house.result.key}
    house.now += 60 * DAY
    assert house.retain() == set()


def test_zero_keeps_for_ever(house):
    house.deliver(days_ago=199)
    never = Retention(timedelta(0), timedelta(0))
    assert house.retain(never) == {house.source.key, house.result.key}


def test_a_file_that_has_just_been_written_again_is_left_for_the_next_time(house):
    house.deliver(days_ago=199)
    house.write_again(house.source.key, house.now)
    assert house.retain() == {house.source.key}


def test_rows_stay_when_bytes_go(house):
    house.deliver(days_ago=199)
    house.retain()
    with house.database.transaction() as tx:
        job = jobs.get_job(tx, "1.9.1")
    assert job.instance.object_removed_at is not None
    assert job.workitem.stage is Stage.DONE


def test_what_silent_workers_had_claimed_is_queued_again(house):
    with house.database.transaction() as tx:
        instances.add_instance(tx, an_instance(2))
        workitems.schedule(tx, a_workitem(2))
    claim(house.database, now=house.now - DAY)
    reap(house.database, lambda: house.now)
    with house.database.transaction() as tx:
        assert workitems.get(tx, "1.9.2").stage is Stage.QUEUED


def test_a_job_whose_last_required_delivery_is_sent_is_completed(house):
    with house.database.transaction() as tx:
        (due,) = deliveries.due(
            tx, destination="pacs", limit=1, now=house.now, lease_s=60
        )
        deliveries.sent(tx, due.delivery.delivery_id, status=0, now=house.now)
    complete(house.database, lambda: house.now)
    with house.database.transaction() as tx:
        assert workitems.get(tx, "1.9.1").stage is Stage.DONE


def test_not_eligible_sources_go_too(house):
    old = an_instance(
        3,
        object_key=house.store.put(BytesIO(b"a lateral view")).key,
        received_at=house.now - 31 * DAY,
        not_eligible=Reason("VIEW_LATERAL", "A lateral view."),
    )
    with house.database.transaction() as tx:
        instances.add_instance(tx, old)
    house.write_again(old.object_key, house.now - DAY)
    house.retain()
    assert old.object_key not in set(house.store.keys())


class Looks:
    """A sweep with a clock and a monotonic clock of its own; adoption finds nothing."""

    def __init__(self, house):
        self.house = house
        self.ran_s = 0.0
        self.sweep = Sweep(
            house.store,
            self.unknown,
            lambda: None,
            lambda: house.now,
            lambda: self.ran_s,
        )

    def unknown(self):
        with self.house.database.transaction(read_only=True) as tx:
            return retention.unreferenced(tx, list(self.house.store.keys()))


def test_only_what_no_row_knows_is_set_aside_and_only_after_two_looks(house):
    """As a process leaves it that dies between the object and its commit."""
    orphan = house.store.put(BytesIO(b"stored, never committed"))
    looks = Looks(house)
    assert looks.sweep.run() == 0
    looks.ran_s += 6 * 3600
    assert looks.sweep.run() == 1
    assert set(house.store.keys()) == {house.source.key, house.result.key}
    (kept,) = house.store.aside()
    assert (kept.key, kept.size_bytes) == (orphan.key, orphan.size_bytes)


def test_no_clock_makes_an_object_abandoned(house):
    orphan = house.store.put(BytesIO(b"stored, never committed"))
    house.write_again(orphan.key, house.now - 1000 * DAY)
    looks = Looks(house)
    for days in (100, -400, 2000):
        house.now += days * DAY
        looks.ran_s += 60
        assert looks.sweep.run() == 0
    assert orphan.key in set(house.store.keys())


def test_what_was_written_again_between_two_looks_is_new(house):
    orphan = house.store.put(BytesIO(b"stored, never committed"))
    looks = Looks(house)
    looks.sweep.run()
    house.write_again(orphan.key, house.now + timedelta(minutes=1))
    looks.ran_s += 6 * 3600
    assert looks.sweep.run() == 0
    looks.ran_s += 6 * 3600
    assert looks.sweep.run() == 1


def test_what_was_set_aside_goes_after_its_grace_and_not_before(house):
    orphan = house.store.put(BytesIO(b"stored, never committed"))
    house.store.set_aside(orphan.key, house.now - 10 * DAY)
    assert forget_aside(house.store, 11 * DAY, house.now) == 0
    assert forget_aside(house.store, timedelta(0), house.now) == 0
    assert forget_aside(house.store, 9 * DAY, house.now) == 1
    assert list(house.store.aside()) == []


def test_timers_run_at_once_and_again_and_survive_a_failure():
    first, second = Event(), Event()

    def fails_first():
        if not first.is_set():
            first.set()
            raise ZeroDivisionError
        second.set()

    timers = Maintenance([Timer("test", 0.01, fails_first)])
    timers.start()
    try:
        assert second.wait(60)
    finally:
        timers.stop()


def test_stopping_timers_twice_is_harmless():
    timers = Maintenance([])
    timers.stop()
    timers.start()
    timers.stop()
    timers.stop()
