"""The worker on a real database: every image ends in one of four ways."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from threading import Event, Thread

import pytest
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from dicom_node.analysis.leases import Leases
from dicom_node.analysis.pool import ReaderPool
from dicom_node.analysis.process import Analyzer
from dicom_node.analysis.reader import ReaderOptions
from dicom_node.analysis.worker import Worker
from dicom_node.dataset.part10 import part10_header
from dicom_node.evidence.encode import MAKING
from dicom_node.injected import clock, new_uid
from dicom_node.web.api import views
from dicom_node.worklist.procedure_step import ProcedureSteps
from dicom_node.worklist.reception import Reception
from inference.errors import ModelFailed
from storage.database import Database
from storage.records import (
    AttemptOutcome,
    Cause,
    DeliveryState,
    ProcedureStepState,
    Stage,
)
from storage.signals import Topic
from storage.worklist import attempts, jobs, workitems
from tests.factories.analyses import a_maker, a_style
from tests.factories.choices import route, rules, worker_options
from tests.factories.nodes import wait_until
from tests.factories.radiographs import synthetic_dataset
from tests.fakes.object_store import MemoryObjectStore
from tests.fakes.runner import ScriptedRunner
from tests.peers import mortal_reader
from tests.peers.receiving import arriving_of

RULES = rules(minimum_size_px=64)
ROUTE = route("pacs", ("segmentation", "measurement-report"))


class House:
    """Everything that a worker works on."""

    def __init__(self, folder, runner=None):
        self.database = Database(f"sqlite:///{folder}/node.db")
        self.database.migrate()
        self.store = MemoryObjectStore()
        self.steps = ProcedureSteps(
            self.database, clock=lambda: self.now or clock(), new_uid=new_uid
        )
        self.runner = runner or ScriptedRunner()
        self.runner.load()
        self.watch = self.database.watch(Topic.WORK)
        self.readers = None
        self.now = None

    def worker(self, **options):
        wanted = {"name": "worker", "batch_wait_s": 0.0, "lost_attempts": 2} | options
        analyzer = Analyzer(
            self.runner, RULES, a_maker(), a_style(), ROUTE.evidence, self.readers
        )
        return Worker(
            self.steps,
            self.store,
            analyzer,
            [ROUTE],
            worker_options(**wanted),
        )

    def work(self, **options):
        return self.worker(**options).work(self.watch)

    def receive(self, seed=0, **attributes):
        """Let a film arrive; its SOP Instance UID."""
        dataset = synthetic_dataset("CR", seed, rows=128, columns=112, **attributes)
        arriving = arriving_of(dataset)
        reception = Reception(self.store, self.database, RULES, clock, new_uid)
        incoming = reception.incoming()
        incoming.write(part10_header(arriving))
        incoming.write(encoded(dataset))
        reception.receive(incoming, arriving)
        return dataset.SOPInstanceUID

    def job(self, sop_instance_uid):
        with self.database.transaction() as tx:
            found = workitems.find(tx, sop_instance_uid)
            return jobs.get_job(tx, found.workitem_uid)

    def lose_worker(self, limit=9):
        """Claim as a worker would that is then killed; its leases run out."""
        with self.database.transaction() as tx:
            attempts.claim(
                tx,
                worker="killed",
                limit=limit,
                lease_s=1,
                now=clock() - timedelta(hours=1),
                new_uid=new_uid,
            )
        with self.database.transaction() as tx:
            return attempts.reap(tx, clock())


def encoded(dataset):
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, dataset)
    return buffer.getvalue()


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path)
    yield house
    house.database.close()


def test_an_image_is_settled_with_its_results_and_deliveries(house):
    uid = house.receive()
    assert house.work()
    job = house.job(uid)
    assert job.workitem.stage is Stage.DELIVERING
    assert {one.kind for one in job.evidence} == set(ROUTE.evidence)
    assert [row.state for row in job.deliveries] == [DeliveryState.PENDING] * 2
    assert job.workitem.result["severity"]["total"] > 0
    for one in job.evidence:
        house.store.verify(one.object_key)


def test_without_work_nothing_happens(house):
    assert not house.work()


def test_a_batch_takes_images_of_several_studies(house):
    for seed in range(5):
        house.receive(seed)
    house.work(batch_size=4)
    house.work(batch_size=4)
    assert house.runner.batches == [4, 1]


def test_a_worker_waits_a_moment_for_a_fuller_batch(house):
    house.receive(0)
    arrived = Thread(target=house.receive, args=(1,))
    arrived.start()
    house.work(batch_wait_s=60.0, batch_size=2)
    arrived.join()
    assert house.runner.batches == [2]


def test_a_failing_model_is_tried_again_later(tmp_path):
    house = House(tmp_path, ScriptedRunner(lambda _: ModelFailed("CUDA error")))
    uid = house.receive()
    house.work()
    job = house.job(uid)
    assert job.workitem.stage is Stage.QUEUED
    assert job.workitem.not_before > clock()
    (attempt,) = job.attempts
    assert (attempt.outcome, attempt.error) == ("retry", "CUDA error")
    assert house.steps.next_claim_in() > 0
    house.database.close()


def test_a_full_store_leaves_the_image_for_later(house):
    uid = house.receive()
    house.store.fill_up()
    house.work()
    job = house.job(uid)
    assert job.workitem.state is ProcedureStepState.IN_PROGRESS
    assert job.evidence == ()


def test_an_image_whose_bytes_are_gone_is_canceled_with_that_reason(house):
    uid = house.receive()
    house.store.delete(house.job(uid).instance.object_key)
    house.work()
    reason = house.job(uid).workitem.reason
    assert (reason.code, reason.cause) == ("OBJECT_MISSING", Cause.FAILURE)


def test_a_cancel_that_comes_while_the_model_runs_wins_over_the_results(tmp_path):
    house = House(tmp_path)
    uid = house.receive()

    def cancel_meanwhile(image):
        house.steps.request_cancel(house.job(uid).workitem.workitem_uid)
        return house.runner._one_opacity(image)

    house.runner._script = cancel_meanwhile
    house.work()
    job = house.job(uid)
    assert job.workitem.state is ProcedureStepState.CANCELED
    assert job.workitem.reason.code == "CANCEL_REQUESTED"
    assert (job.evidence, job.deliveries) == ((), ())
    house.database.close()


def test_results_of_a_lost_claim_are_not_recorded(tmp_path):
    house = House(tmp_path)
    uid = house.receive()

    def taken_over(image):
        with house.database.transaction() as tx:
            attempts.reap(tx, clock() + timedelta(hours=1))
        return house.runner._one_opacity(image)

    house.runner._script = taken_over
    house.work()
    job = house.job(uid)
    assert job.workitem.stage is Stage.QUEUED
    assert job.evidence == ()
    house.database.close()


def test_leases_are_renewed_while_the_model_runs(house):
    house.receive()
    (step,) = house.steps.claim("slow", limit=1, lease_s=0.3)
    with Leases(house.steps, 0.3) as leases:
        leases.hold([step])

        def renewed():
            with house.database.transaction(read_only=True) as tx:
                lease_until = workitems.get(tx, step.workitem_uid).lease_until
            return lease_until > step.lease_until + timedelta(seconds=0.5)

        assert wait_until(renewed)


@pytest.mark.slow
def test_an_image_that_ends_its_process_waits_a_day_and_ends_alone(house):
    """Its neighbours are delivered; it is tried once more before it is canceled."""
    options = ReaderOptions(readers=2, memory_bytes=1 << 30, time_s=60.0)
    with closing(ReaderPool(options, mortal_reader.read)) as house.readers:
        culprit = house.receive(0, StudyDescription=mortal_reader.ABORTS)
        others = [house.receive(seed) for seed in (1, 2)]
        house.work()
        for uid in others:
            assert house.job(uid).workitem.stage is Stage.DELIVERING
        waits = []
        while (item := house.job(culprit).workitem).stage is Stage.QUEUED:
            before = house.now or clock()
            waits.append((item.not_before - before).total_seconds())
            house.now = item.not_before
            house.work()
    job = house.job(culprit)
    assert len(waits) == 2
    assert waits[0] < 60
    assert 86_000 < waits[1] <= 86_400
    assert (job.workitem.reason.code, job.workitem.reason.cause) == (
        "PROCESS_LOST",
        Cause.FAILURE,
    )
    assert [one.outcome for one in job.attempts] == [
        AttemptOutcome.PROCESS_LOST,
        AttemptOutcome.PROCESS_LOST,
        AttemptOutcome.CANCELED,
    ]


def test_workers_that_fell_silent_prove_nothing_against_an_image(house):
    images = [house.receive(seed) for seed in range(3)]
    for _ in range(9):
        assert house.lose_worker() == 3
    house.work()
    for uid in images:
        assert house.job(uid).workitem.stage is Stage.DELIVERING


def test_a_kind_that_cannot_be_made_is_named_and_the_others_go_out(
    house, monkeypatch, caplog
):
    def broken(*_):
        raise ValueError("odd")

    kind = "segmentation"
    monkeypatch.setitem(MAKING, kind, replace(MAKING[kind], encode=broken))
    uid = house.receive()
    house.work()
    job = house.job(uid)
    assert [one.kind for one in job.evidence] == ["measurement-report"]
    assert [row.state for row in job.deliveries] == [DeliveryState.PENDING]
    (failed,) = job.workitem.result["evidence_failed"]
    assert failed == {"kind": kind, "reason": "an unforeseen error (ValueError)"}
    (shown,) = views.job(job).evidence_failed
    assert shown.kind == kind
    assert "segmentation could not be made" in caplog.text


def test_an_image_that_was_altered_on_the_disk_is_not_analysed(house):
    uid, other = house.receive(0), house.receive(1)
    key = house.job(uid).instance.object_key
    house.store.damage(key)
    house.work()
    reason = house.job(uid).workitem.reason
    assert (reason.code, reason.cause) == ("OBJECT_CORRUPT", Cause.FAILURE)
    assert house.job(uid).deliveries == ()
    assert house.runner.batches == [1]
    assert house.job(other).workitem.stage is Stage.DELIVERING


def test_after_one_lost_worker_each_image_goes_alone(house):
    for seed in range(3):
        house.receive(seed)
    house.lose_worker()
    house.work()
    assert house.runner.batches == [1, 1, 1]


def test_a_repeated_run_records_no_second_result(house):
    """The process died after it had stored results and before it said so."""
    uid = house.receive()
    before = set(house.store.keys())
    house.lose_worker()
    house.work()
    first = {one.sop_instance_uid for one in house.job(uid).evidence}
    assert len(first) == len(ROUTE.evidence)
    assert len(set(house.store.keys()) - before) == len(ROUTE.evidence)


def test_the_thread_starts_on_news_and_finishes_what_it_claimed(house):
    stop = Event()
    watch = house.database.watch(Topic.WORK)
    thread = Thread(target=house.worker().run, args=(stop, watch))
    thread.start()
    uid = house.receive()
    assert wait_until(lambda: house.job(uid).workitem.stage is Stage.DELIVERING)
    stop.set()
    watch.notify()
    thread.join(60)
    assert not thread.is_alive()
