"""The same patient again, the same image again, and a model that was bad."""

from datetime import timedelta
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.uid import KeyObjectSelectionDocumentStorage

from dicom_node.analysis.process import Analyzer
from dicom_node.analysis.worker import Worker
from dicom_node.dataset.part10 import part10_header
from dicom_node.delivery.deliverer import Deliverer
from dicom_node.errors import PeerRefused
from dicom_node.evidence import codes
from dicom_node.evidence.maker import ModelIdentity
from dicom_node.injected import clock, new_uid
from dicom_node.node.maintenance import Retention, retain
from dicom_node.worklist.procedure_step import ProcedureSteps
from dicom_node.worklist.recall import Recall
from dicom_node.worklist.reception import Reception
from storage.catalog import instances
from storage.database import Database
from storage.records import DeliveryState, InstanceState, ProcedureStepState
from storage.signals import Topic
from storage.worklist import jobs, workitems
from tests.factories.analyses import a_maker, a_style
from tests.factories.choices import patience, rules, worker_options
from tests.factories.choices import route as a_route
from tests.factories.radiographs import synthetic_dataset
from tests.fakes.destination import RecordingDestination
from tests.fakes.object_store import MemoryObjectStore
from tests.fakes.runner import ScriptedRunner, chest_prediction, scripted_manifest
from tests.integration.test_worker import encoded
from tests.peers.receiving import arriving_of

RULES = rules(minimum_size_px=64)
KINDS = ("segmentation", "measurement-report")
SMALL, LARGE = (0.2, 0.6, 0.3, 0.7), (0.2, 0.4, 0.4, 0.75)


class Clinic:
    """A node of which every step is taken by hand; a PACS that remembers."""

    def __init__(self, folder, **route):
        self.database = Database(f"sqlite:///{folder}/node.db")
        self.database.migrate()
        self.store = MemoryObjectStore()
        self.steps = ProcedureSteps(self.database, clock=clock, new_uid=new_uid)
        self.pacs = RecordingDestination()
        self.route = a_route("pacs", KINDS, **route)
        self.install("1")

    def install(self, version):
        """Let another version of the model run from now on."""
        self.manifest = scripted_manifest(version=version)
        self.opacity = SMALL
        self.frontal = 0.99
        self.runner = ScriptedRunner(self._answer, self.manifest)
        self.runner.load()

    def _answer(self, image):
        del image
        return chest_prediction(
            self.manifest, [(self.opacity, 0.9)], frontal=self.frontal
        )

    def take(self, seed, day, **attributes):
        """Take a film of the one patient on a day of March, and send it here."""
        date = f"202603{day:02d}"
        film = synthetic_dataset("CR", seed, rows=128, columns=112)
        film.PatientID, film.AcquisitionDate = "P1", date
        for name, value in attributes.items():
            setattr(film, name, value)
        arriving = arriving_of(film)
        reception = Reception(
            self.store,
            self.database,
            RULES,
            clock,
            new_uid,
            explains=self.route.not_analysable_report,
        )
        incoming = reception.incoming()
        incoming.write(part10_header(arriving))
        incoming.write(encoded(film))
        reception.receive(incoming, arriving)
        return film.SOPInstanceUID

    def _maker(self):
        return a_maker(model=ModelIdentity.of(self.manifest))

    def analyse(self):
        analyzer = Analyzer(self.runner, RULES, self._maker(), a_style(), KINDS)
        worker = Worker(
            self.steps,
            self.store,
            analyzer,
            [self.route],
            worker_options(batch_wait_s=0.0),
        )
        worker.work(self.database.watch(Topic.WORK))

    def deliver(self):
        deliverer = Deliverer(
            self.route,
            self.pacs,
            self.database,
            self.store,
            patience=patience(),
            clock=clock,
        )
        while deliverer.work():
            pass

    def see(self, seed, day, **attributes):
        """Take, analyse and deliver a film; its job."""
        uid = self.take(seed, day, **attributes)
        self.analyse()
        self.deliver()
        return self.job(uid)

    def again(self, job):
        """Reprocess, analyse and deliver; the new job."""
        uid = self.steps.reprocess(job.workitem.workitem_uid)
        self.analyse()
        self.deliver()
        return self.steps.job(uid)

    def job(self, sop_instance_uid):
        with self.database.transaction(read_only=True) as tx:
            found = workitems.find(tx, sop_instance_uid)
            return jobs.get_job(tx, found.workitem_uid)

    def report(self, job):
        """The job's report, as the PACS got it last."""
        (uid,) = uids_of(job, "measurement-report")
        return dcmread(BytesIO(dict(self.pacs.received)[uid]))

    def recall(self, version="1", cause="safety"):
        work = Recall(
            self.database,
            self.store,
            lambda model: a_maker(model=model),
            a_style(),
            clock,
        )
        work.run("scripted", version, cause)
        return work.list("scripted", version)

    def notes(self):
        received = [dcmread(BytesIO(content)) for _, content in self.pacs.received]
        return [
            each
            for each in received
            if each.SOPClassUID == KeyObjectSelectionDocumentStorage
        ]


@pytest.fixture
def clinic(tmp_path):
    clinic = Clinic(tmp_path)
    yield clinic
    clinic.database.close()


@pytest.fixture
def explaining(tmp_path):
    clinic = Clinic(tmp_path, not_analysable_report=True)
    yield clinic
    clinic.database.close()


def uids_of(job, kind):
    return [one.sop_instance_uid for one in job.evidence if one.kind == kind]


def texts(dataset):
    found = [dataset.TextValue] if "TextValue" in dataset else []
    for item in dataset.get("ContentSequence", ()):
        found += texts(item)
    return found


def numbers(dataset):
    found = {}
    if dataset.get("ValueType") == "NUM":
        code = dataset.ConceptNameCodeSequence[0].CodeValue
        found[code] = float(dataset.MeasuredValueSequence[0].NumericValue)
    for item in dataset.get("ContentSequence", ()):
        found |= numbers(item)
    return found


def referenced(sequence):
    return {
        item.ReferencedSOPInstanceUID
        for study in sequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }


def test_a_follow_up_says_the_change_and_names_film_and_report(clinic):
    first = clinic.see(1, day=1)
    clinic.opacity = LARGE
    second = clinic.see(2, day=3)
    before, now = (job.workitem.result["severity"] for job in (first, second))
    told = second.workitem.result["prior"]
    assert told["image"]["sop_instance_uid"] == first.instance.sop_instance_uid
    assert told["change"]["total"] == pytest.approx(
        now["total"] - before["total"], abs=0.02
    )
    assert told["change"]["total"] > 1
    report = clinic.report(second)
    assert numbers(report)[codes.CHANGE_TOTAL.value] == told["change"]["total"]
    assert any("Compared with 2026-03-01" in text for text in texts(report))
    assert referenced(report.PertinentOtherEvidenceSequence) == {
        first.instance.sop_instance_uid,
        *uids_of(first, "measurement-report"),
    }
    assert first.workitem.result["prior"] is None


def test_a_prior_by_another_model_is_named_and_not_compared(clinic):
    first = clinic.see(1, day=1)
    clinic.install("2")
    second = clinic.see(2, day=3)
    told = second.workitem.result["prior"]
    assert told["change"] is None
    assert told["model"].startswith("scripted 1 ")
    report = clinic.report(second)
    assert codes.TOTAL_OPACITY.value in numbers(report)
    assert codes.CHANGE_TOTAL.value not in numbers(report)
    assert any("another model" in text for text in texts(report))
    assert first.instance.sop_instance_uid in referenced(
        report.PertinentOtherEvidenceSequence
    )


def test_a_prior_that_was_reprocessed_is_compared_again(clinic):
    first = clinic.see(1, day=1)
    clinic.install("2")
    clinic.again(first)
    assert clinic.see(2, day=3).workitem.result["prior"]["change"] is not None


def test_reprocessing_sends_the_stored_bytes_whatever_came_meanwhile(clinic):
    """An older film arrived late: the report of now would name another prior."""
    job = clinic.see(2, day=3)
    sent = dict(clinic.pacs.received)
    clinic.see(1, day=1)
    clinic.pacs.received.clear()
    clinic.opacity = LARGE
    again = clinic.again(job)
    assert dict(clinic.pacs.received) == sent
    assert again.workitem.workitem_uid != job.workitem.workitem_uid
    assert again.workitem.result == job.workitem.result
    old = clinic.steps.job(job.workitem.workitem_uid).workitem
    assert old.replaced_by == again.workitem.workitem_uid


def test_bytes_that_retention_took_are_made_the_same_once_more(clinic):
    clinic.see(1, day=1)
    job = clinic.see(2, day=3)
    sent = dict(clinic.pacs.received)
    retention = Retention(timedelta(0), timedelta(seconds=1))
    later = clock() + timedelta(days=1)
    assert retain(clinic.database, clinic.store, retention, lambda: later)
    clinic.pacs.received.clear()
    clinic.again(job)
    for uid, content in clinic.pacs.received:
        assert content == sent[uid]
    assert len(clinic.pacs.received) == len(KINDS)


def test_another_model_makes_a_new_set_that_names_the_one_before(clinic):
    first = clinic.see(1, day=1)
    clinic.install("2")
    second = clinic.again(first)
    old, new = (
        {one.sop_instance_uid for one in job.evidence} for job in (first, second)
    )
    assert not old & new
    report = clinic.report(second)
    named = referenced(report.PredecessorDocumentsSequence)
    assert named == set(uids_of(first, "measurement-report"))
    assert second.workitem.result["predecessor"] in named
    # Back to the first model: its stored set goes out as it was.
    clinic.install("1")
    third = clinic.again(second)
    assert {one.sop_instance_uid for one in third.evidence} == old
    assert "PredecessorDocumentsSequence" not in clinic.report(third)


def test_a_recall_rejects_what_was_sent_once_per_study(clinic):
    jobs = [clinic.see(1, day=1), clinic.see(2, day=2)]
    listed = clinic.recall()
    clinic.deliver()
    notes = clinic.notes()
    assert len(notes) == len({note.StudyInstanceUID for note in notes}) == 2
    sent = {one.sop_instance_uid for job in jobs for one in job.evidence}
    rejected = set()
    for note in notes:
        (title,) = note.ConceptNameCodeSequence
        assert title.CodeValue == "113037"
        assert note.PatientID == "P1"
        rejected |= referenced(note.CurrentRequestedProcedureEvidenceSequence)
    assert rejected == sent == {uid for study in listed for uid in study.objects}
    for job in jobs:
        step = clinic.steps.job(job.workitem.workitem_uid).workitem
        assert step.state is ProcedureStepState.COMPLETED
        assert step.recall_reason == "safety"
        assert step.rejection_note_uid in {note.SOPInstanceUID for note in notes}


def test_a_recall_runs_again_without_another_note(clinic):
    clinic.see(1, day=1)
    (first,) = clinic.recall()
    clinic.deliver()
    (second,) = clinic.recall(cause="quality")
    clinic.deliver()
    assert len(clinic.notes()) == 1
    assert first.rejection_note_uids == second.rejection_note_uids
    assert first.destinations == {"pacs": DeliveryState.PENDING}
    assert second.destinations == {"pacs": DeliveryState.SENT}


def test_another_models_results_stay(clinic):
    bad = clinic.see(1, day=1)
    clinic.install("2")
    clinic.again(bad)
    clinic.recall("1")
    clinic.deliver()
    (note,) = clinic.notes()
    assert referenced(note.CurrentRequestedProcedureEvidenceSequence) == {
        one.sop_instance_uid for one in bad.evidence
    }
    assert clinic.recall("3") == []


def test_what_waits_for_the_pacs_is_recalled_before_it_arrives(clinic):
    uid = clinic.take(1, day=1)
    clinic.analyse()
    (study,) = clinic.recall()
    clinic.deliver()
    assert clinic.pacs.received == []
    assert (study.objects, study.rejection_note_uids) == ((), ())
    job = clinic.job(uid)
    assert job.workitem.state is ProcedureStepState.CANCELED
    assert job.workitem.reason.code == "RECALLED"
    clinic.install("2")
    assert clinic.again(job).workitem.state is ProcedureStepState.COMPLETED


def test_a_note_that_was_refused_goes_out_at_the_next_recall(clinic):
    clinic.see(1, day=1)
    clinic.pacs._script = lambda _: PeerRefused(0x0122, "not here")
    clinic.recall()
    clinic.deliver()
    assert clinic.notes() == []
    clinic.pacs._script = lambda _: None
    clinic.recall()
    clinic.deliver()
    assert len(clinic.notes()) == 1


def test_a_recall_comes_after_retention_too(clinic):
    job = clinic.see(1, day=1)
    later = clock() + timedelta(days=1)
    day = Retention(timedelta(seconds=1), timedelta(seconds=1))
    assert retain(clinic.database, clinic.store, day, lambda: later) == 3
    clinic.recall()
    clinic.deliver()
    (note,) = clinic.notes()
    assert note.StudyInstanceUID == job.instance.study_instance_uid
    assert note.PatientID == "P1"


def test_what_was_recalled_is_no_prior_any_more(clinic):
    clinic.see(1, day=1)
    clinic.recall()
    assert clinic.see(2, day=2).workitem.result["prior"] is None


def test_a_film_that_is_not_analysed_gets_a_report_that_says_so(explaining):
    explaining.frontal = 0.01
    job = explaining.see(1, day=1)
    report = explaining.report(job)
    reason = job.workitem.reason
    assert reason.code == "NOT_FRONTAL"
    assert f"Image not analysed: {reason.text}" in texts(report)
    assert [row.state for row in job.deliveries] == [DeliveryState.SENT]
    with explaining.database.transaction(read_only=True) as tx:
        status = instances.get_status(tx, job.instance.sop_instance_uid)
    assert status.state is InstanceState.NOT_ELIGIBLE
    # Once it can be analysed, its report is another object that replaces this one.
    explaining.frontal = 0.99
    again = explaining.report(explaining.again(job))
    assert again.SOPInstanceUID != report.SOPInstanceUID
    named = referenced(again.PredecessorDocumentsSequence)
    assert named == {report.SOPInstanceUID}


def test_a_film_that_its_header_rules_out_gets_a_report_too(explaining):
    job = explaining.see(1, day=1, PatientAge="004Y")
    assert job.workitem.reason.code == "TOO_YOUNG"
    assert any("younger than 18" in text for text in texts(explaining.report(job)))


@pytest.mark.parametrize(
    "attributes", [{"ViewPosition": "LL"}, {"BodyPartExamined": "HAND"}]
)
def test_nobody_is_told_about_what_nobody_waits_for(explaining, attributes):
    uid = explaining.take(1, day=1, **attributes)
    explaining.analyse()
    explaining.deliver()
    assert explaining.pacs.received == []
    with explaining.database.transaction(read_only=True) as tx:
        assert workitems.find(tx, uid) is None


def test_without_the_option_nothing_is_sent(clinic):
    clinic.frontal = 0.01
    job = clinic.see(1, day=1)
    assert (clinic.pacs.received, job.evidence) == ([], ())
