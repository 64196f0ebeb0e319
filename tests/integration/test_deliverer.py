"""One destination's part of the outbox, with a fake clock and a scripted receiver."""

from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from itertools import cycle
from threading import Event, Thread

import pytest

from dicom_node.delivery.deliverer import Deliverer
from dicom_node.errors import (
    ClassNotAccepted,
    PeerBusy,
    PeerRefused,
    PeerStumbled,
    PeerUnreachable,
)
from dicom_node.worklist.procedure_step import ProcedureSteps
from dicom_node.worklist.retry import BackOff
from storage.database import Database
from storage.outbox import deliveries
from storage.records import (
    DeliveryState,
    InstanceState,
    NewDelivery,
    ProcedureStepState,
)
from storage.schema import delivery
from storage.signals import Topic
from storage.worklist import jobs
from tests.factories.choices import patience as a_patience
from tests.factories.choices import route
from tests.factories.rows import after, an_evidence, claim, new_uid, receive, settle
from tests.fakes.destination import RecordingDestination
from tests.fakes.object_store import MemoryObjectStore

HOUR_S = 3600.0
# No waiting between knocks, no jitter: the test's clock decides.
PATIENCE = a_patience(
    back_off=BackOff(30, 1800, lambda: 0.5),
    give_up_after_s=7 * 24 * HOUR_S,
    probe_s=0.0,
)


class House:
    """A database with one settled job, and what delivers it."""

    def __init__(
        self, folder, kinds=("segmentation",), fallback=None, patience=PATIENCE
    ):
        self.patience = patience
        self.database = Database(f"sqlite:///{folder}/node.db")
        self.database.migrate()
        self.store = MemoryObjectStore()
        self.now = after(2000)
        self.destination = RecordingDestination()
        self.route = route("pacs", tuple(kinds), fallback=fallback or {})
        self._settle(kinds, [k for chain in (fallback or {}).values() for k in chain])
        self.deliverer = self.make_deliverer()

    def make_deliverer(self):
        return Deliverer(
            self.route,
            self.destination,
            self.database,
            self.store,
            patience=self.patience,
            clock=lambda: self.now,
        )

    def _settle(self, kinds, spare):
        receive(self.database, 1)
        (claimed,) = claim(self.database)
        made = []
        for number, kind in enumerate((*kinds, *spare), start=1):
            stored = self.store.put(BytesIO(f"the {kind}".encode()))
            made.append(
                an_evidence(
                    number,
                    kind=kind,
                    workitem_uid=claimed.workitem_uid,
                    object_key=stored.key,
                )
            )
        wanted = [
            NewDelivery("pacs", one.sop_instance_uid) for one in made[: len(kinds)]
        ]
        settle(self.database, claimed, tuple(made), tuple(wanted), now=self.now)

    def script(self, *answers):
        """Say this to the next objects, then take everything without a word."""
        left = list(answers)
        self.destination._script = lambda _: left.pop(0) if left else None

    def work(self):
        """Work until there is nothing to do at this moment."""
        while self.deliverer.work():
            pass

    def pass_time(self, seconds):
        self.now += timedelta(seconds=seconds)

    def job(self):
        with self.database.transaction() as tx:
            return jobs.get_job(tx, "1.9.1")

    def row(self):
        (row,) = self.job().deliveries
        return row

    @property
    def contents(self):
        return [content for _, content in self.destination.received]


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path)
    yield house
    house.database.close()


def test_the_stored_bytes_are_sent_and_the_job_is_done(house):
    house.work()
    assert house.contents == [b"the segmentation"]
    assert house.row().state is DeliveryState.SENT
    assert house.job().workitem.state is ProcedureStepState.COMPLETED


def test_what_is_sent_is_not_sent_again(house):
    house.work()
    house.pass_time(24 * HOUR_S)
    house.work()
    assert len(house.contents) == 1


def test_waits_double_from_half_a_minute_to_half_an_hour(house):
    house.script(*[PeerBusy("full")] * 9)
    waits = []
    for _ in range(9):
        house.work()
        waits.append((house.row().next_try_at - house.now).total_seconds())
        house.now = house.row().next_try_at
    assert waits == [30, 60, 120, 240, 480, 960, 1800, 1800, 1800]
    house.work()
    assert house.row().state is DeliveryState.SENT


def test_nothing_is_sent_before_its_time(house):
    house.script(PeerBusy("full"))
    house.work()
    house.pass_time(29)
    house.work()
    assert house.contents == []
    house.pass_time(2)
    house.work()
    assert len(house.contents) == 1


def test_after_a_week_a_delivery_is_given_up_visibly(house):
    house.script(PeerBusy("full"), PeerBusy("full"))
    house.work()
    house.pass_time(7 * 24 * HOUR_S)
    house.work()
    assert house.row().state is DeliveryState.FAILED
    assert house.row().last_error == "full"
    assert house.job().visible_state is InstanceState.FAILED


def test_an_administrators_retry_starts_the_patience_anew(house):
    house.script(*[PeerBusy("full")] * 3)
    house.work()
    house.pass_time(7 * 24 * HOUR_S)
    house.work()
    steps = ProcedureSteps(house.database, clock=lambda: house.now, new_uid=new_uid)
    again = steps.retry("1.9.1")
    house.work()
    (row,) = steps.job(again).deliveries
    assert row.state is DeliveryState.PENDING


def test_while_nobody_answers_only_a_probe_knocks(house):
    house.destination.up = False
    house.work()
    associations = house.destination.associations
    house.pass_time(HOUR_S)
    house.work()
    assert house.destination.associations == associations
    assert house.destination.probes == 1
    # The knock stood for the try that was due.
    assert house.row().attempts == 2
    assert house.row().next_try_at > house.now


def test_a_destination_that_is_back_gets_everything_at_once(house):
    house.destination.up = False
    house.work()
    house.work()
    assert house.destination.probes == 1
    assert house.row().next_try_at > house.now
    house.destination.up = True
    house.work()
    assert len(house.contents) == 1


def test_an_object_that_breaks_the_association_does_not_hold_up_the_others(tmp_path):
    kinds = ("segmentation", "lung-segmentation", "measurement-report")
    numbers = cycle((0.9, 0.1, 0.5, 0.3, 0.7))
    jitter = BackOff(30, 1800, lambda: next(numbers))
    jittery = replace(PATIENCE, back_off=jitter)
    house = House(tmp_path, kinds, patience=jittery)
    poison = {"broken": False}

    def breaks(item):
        """Nothing after the first object gets through in the same association."""
        if item.path.read_bytes() == b"the segmentation":
            poison["broken"] = True
        return PeerUnreachable("it broke") if poison["broken"] else None

    house.destination._script = breaks
    for _ in range(40):
        poison["broken"] = False
        house.work()
        house.pass_time(20)
    assert set(house.contents) == {b"the lung-segmentation", b"the measurement-report"}
    states = {row.state for row in house.job().deliveries}
    assert states == {DeliveryState.SENT, DeliveryState.PENDING}
    house.database.close()


def test_a_refusal_that_may_be_a_bad_moment_is_tried_three_times(house):
    house.script(*[PeerStumbled(0xC123)] * 9)
    for _ in range(9):
        house.work()
        house.pass_time(HOUR_S)
    assert (house.row().state, house.row().attempts) == (DeliveryState.FAILED, 3)


def test_a_refusal_for_good_is_not_tried_again(house):
    house.script(PeerRefused(0x0124, "not authorised"))
    house.work()
    assert (house.row().state, house.row().attempts) == (DeliveryState.FAILED, 1)
    assert house.row().last_status == 0x0124


def test_a_job_that_is_given_up_has_failed_with_its_reason_and_one_warning(
    tmp_path, caplog
):
    house = House(tmp_path, kinds=("segmentation", "measurement-report"))
    house.script(*[PeerRefused(0xA900)] * 2)
    house.work()
    job = house.job()
    assert {row.state for row in job.deliveries} == {DeliveryState.FAILED}
    assert job.workitem.state is ProcedureStepState.CANCELED
    assert job.workitem.reason.code == "DELIVERY_GIVEN_UP"
    assert job.visible_state is InstanceState.FAILED
    (line,) = [one for one in caplog.records if one.levelname == "WARNING"]
    assert "The job failed" in line.getMessage()
    assert (line.workitem, line.destination) == ("1.9.1", "pacs")
    house.database.close()


def test_a_destination_that_never_answered_is_given_up_with_one_warning(house, caplog):
    house.script(*[PeerUnreachable("gone")] * 9)
    house.destination.probe = lambda: (_ for _ in ()).throw(PeerUnreachable("gone"))
    house.work()
    house.pass_time(8 * 24 * HOUR_S)
    caplog.clear()
    house.work()
    assert house.job().visible_state is InstanceState.FAILED
    warnings = [one for one in caplog.records if one.levelname == "WARNING"]
    assert [one.action for one in warnings] == ["give up"]


def test_a_result_that_nobody_requires_fails_no_job(house):
    with house.database.transaction() as tx:
        tx.execute(delivery.update().values(required=False))
    house.script(PeerRefused(0xA900))
    house.work()
    assert house.row().state is DeliveryState.FAILED
    assert house.job().visible_state is InstanceState.DELIVERED


def test_what_is_taken_with_a_remark_is_sent_and_the_remark_logged(house, caplog):
    house.script(0xB000)
    house.work()
    assert (house.row().state, house.row().last_status) == (DeliveryState.SENT, 0xB000)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == "A segmentation was delivered with a warning, remark 45056."


def test_lost_bytes_fail_visibly(house):
    for key in set(house.store.keys()):
        house.store.delete(key)
    house.work()
    assert house.row().state is DeliveryState.FAILED
    assert house.contents == []


def test_an_object_that_was_altered_on_the_disk_is_not_sent(tmp_path):
    house = House(tmp_path, kinds=("segmentation", "measurement-report"))
    altered, good = house.job().evidence
    house.store.damage(altered.object_key)
    house.work()
    states = {one.sop_instance_uid: one.state for one in house.job().deliveries}
    assert states == {
        altered.sop_instance_uid: DeliveryState.FAILED,
        good.sop_instance_uid: DeliveryState.SENT,
    }
    assert len(house.contents) == 1
    house.database.close()


def test_what_waits_behind_slow_answers_is_not_sent_by_another_process(tmp_path):
    """Each answer takes less than a lease, all of them together much longer."""
    kinds = tuple(f"kind-{number}" for number in range(6))
    house = House(tmp_path, kinds=kinds, patience=replace(PATIENCE, lease_s=10.0))
    other = house.make_deliverer()

    def answer_slowly(_):
        house.pass_time(6.0)
        assert not other.work()

    house.destination._script = answer_slowly
    house.work()
    assert len(house.contents) == len(kinds)
    assert len(set(house.contents)) == len(kinds)
    assert all(row.attempts == 1 for row in house.job().deliveries)
    house.database.close()


def test_the_next_best_object_goes_instead_of_a_class_not_accepted(tmp_path):
    house = House(tmp_path, fallback={"segmentation": ("presentation-state",)})
    house.script(ClassNotAccepted(0x0122))
    house.work()
    first, second = house.job().deliveries
    assert house.contents == [b"the presentation-state"]
    assert first.state is DeliveryState.SUPERSEDED
    assert first.superseded_by == second.sop_instance_uid
    assert house.job().workitem.state is ProcedureStepState.COMPLETED
    house.database.close()


def test_when_every_stand_in_is_refused_the_last_one_fails(tmp_path):
    house = House(tmp_path, fallback={"segmentation": ("presentation-state",)})
    house.script(ClassNotAccepted(0x0122), ClassNotAccepted(0x0122))
    house.work()
    states = [row.state for row in house.job().deliveries]
    assert states == [DeliveryState.SUPERSEDED, DeliveryState.FAILED]
    house.database.close()


def test_a_row_that_another_process_sends_is_left_alone(house):
    with house.database.transaction() as tx:
        deliveries.due(tx, destination="pacs", limit=9, now=house.now, lease_s=600)
    house.work()
    assert house.contents == []
    house.pass_time(601)
    house.work()
    assert len(house.contents) == 1


def test_the_thread_delivers_on_news_and_ends_when_told(house):
    stop = Event()
    watch = house.database.watch(Topic.DELIVERY)
    thread = Thread(target=house.deliverer.run, args=(stop, watch))
    thread.start()
    assert house.destination.wait_for(1)
    stop.set()
    watch.notify()
    thread.join(60)
    assert not thread.is_alive()
