"""A node of an earlier version is upgraded and knows everything still."""

import json

import pytest
from sqlalchemy import text

from storage import holdings
from storage.catalog import arrivals
from storage.catalog.matching import Exact
from storage.catalog.query import Key, Query, find, find_objects
from storage.database import Database
from storage.errors import SchemaOutdated
from storage.held import Level
from storage.records import (
    AttemptOutcome,
    DeliveryState,
    InstanceState,
    ModelName,
    ProcedureStepState,
    Stage,
)
from storage.worklist import attempts, jobs, repeats, workitems
from tests.factories.rows import after, new_uid, receive

SHA256 = "ab" * 32
AT = "2026-03-14 15:09:26"
INSTANCE = (
    "INSERT INTO instance (sop_instance_uid, sop_class_uid, transfer_syntax_uid,"
    " study_instance_uid, series_instance_uid, object_key, size_bytes, sha256,"
    " received_at, calling_ae, patient_id, accession_number, modality) VALUES"
    " (:uid, '1.2.840.10008.5.1.4.1.1.1', '1.2.840.10008.1.2.1', :study, '1.6',"
    " :uid, 1, :uid, :at, 'MODALITY1', 'P1', 'A1', 'CR')"
)
WORKITEM = (
    "INSERT INTO workitem (workitem_uid, sop_instance_uid, state, stage,"
    " scheduled_at, priority, transaction_uid, worker, attempts, started_at,"
    " analyzed_at, ended_at, reason_code, reason_text, reason_cause,"
    " cancel_requested, result) VALUES (:uid, :image, :state, :stage,"
    " :at, 0, '2.25.7', 'host:1', 1, :at, :analyzed, :ended, :code, :text,"
    " :cause, :no, :result)"
)
ATTEMPT = (
    "INSERT INTO attempt (workitem_uid, number, worker, started_at, ended_at,"
    " outcome) VALUES (:uid, 1, 'host:1', :at, :ended, :outcome)"
)
EVIDENCE = (
    "INSERT INTO evidence (workitem_uid, sop_instance_uid, sop_class_uid,"
    " series_instance_uid, study_instance_uid, kind, object_key, size_bytes, sha256,"
    " created_at) VALUES ('9.1', '7.1', '1.2.840.10008.5.1.4.1.1.66.4', '7', '5.1',"
    " 'segmentation', 'ee/1', 10, 's', :at)"
)
DELIVERY = (
    "INSERT INTO delivery (workitem_uid, sop_instance_uid, destination, required,"
    " state, attempts, created_at, sent_at, last_status) VALUES ('9.1', '7.1',"
    " 'pacs', :yes, 'SENT', 1, :at, :at, 0)"
)


def result(version, **more):
    """Say what a node of 0.1.0 wrote down of an analysis."""
    model = {"name": "default", "version": version, "sha256": SHA256}
    severity = {"total": 7.5, "right": 10.0, "left": 5.0, "zones": {}}
    said = {"severity": severity, "findings": [], "remarks": [], "model": model}
    return json.dumps(said | more)


def add_rows(tx, *, maker):
    """A delivered job, one under way, one that waits and one that was canceled."""
    for number in range(1, 5):
        names = {"uid": f"2.{number}", "study": f"5.{number}", "at": AT}
        tx.execute(text(INSTANCE), names)
    done = {"code": None, "text": None, "cause": None, "analyzed": AT, "ended": AT}
    undone = done | {"analyzed": None, "ended": None}
    bug = {"code": "BUG", "text": "It broke.", "cause": "failure", "ended": AT}
    rows = [
        ("COMPLETED", "done", done, result("1", **maker), "settled"),
        ("IN PROGRESS", "delivering", done | {"ended": None}, result("2"), "settled"),
        ("IN PROGRESS", "queued", undone, None, "lease expired"),
        ("CANCELED", "canceled", undone | bug, None, "canceled"),
    ]
    for number, (state, stage, columns, said, outcome) in enumerate(rows, start=1):
        names = {"uid": f"9.{number}", "image": f"2.{number}", "no": False, "at": AT}
        more = {"state": state, "stage": stage, "result": said}
        tx.execute(_workitem(tx), names | more | columns)
        ended = {"uid": f"9.{number}", "ended": AT, "outcome": outcome, "at": AT}
        tx.execute(text(ATTEMPT), ended)
    tx.execute(text(EVIDENCE), {"at": AT})
    tx.execute(text(DELIVERY), {"yes": True, "at": AT})


def _workitem(tx):
    if tx.dialect == "sqlite":
        return text(WORKITEM)
    return text(WORKITEM.replace(":result)", "CAST(:result AS JSONB))"))


@pytest.fixture(params=["0001", "0002"])
def upgraded(request, empty_database_url):
    """A database of that schema with rows, brought to the schema of now."""
    database = Database(empty_database_url)
    database.migrate(to=request.param)
    maker = {} if request.param == "0001" else {"maker": "fingerprint"}
    with database.transaction() as tx:
        add_rows(tx, maker=maker)
    with pytest.raises(SchemaOutdated):
        database.check_schema()
    database.migrate()
    database.check_schema()
    yield database, maker.get("maker")
    database.close()


def test_old_results_say_whose_they_are(upgraded):
    database, maker = upgraded
    with database.transaction(read_only=True) as tx:
        first, second, waiting, canceled = (
            workitems.get(tx, f"9.{number}") for number in (1, 2, 3, 4)
        )
    assert (first.model, first.maker) == (ModelName("default", "1", SHA256), maker)
    assert (second.model, second.maker) == (ModelName("default", "2", SHA256), None)
    assert (waiting.model, canceled.model) == (None, None)
    assert first.result["severity"]["total"] == 7.5
    assert first.inputs == ("2.1",)


def test_old_results_are_found_by_recall_and_reprocessing(upgraded):
    database, _ = upgraded
    with database.transaction() as tx:
        assert jobs.studies_by_model(tx, "default", "1") == ["5.1"]
        assert jobs.studies_by_model(tx, "default", "2") == ["5.2"]
        (job,) = jobs.jobs_by_model(tx, "default", "1", "5.1")
        assert job.deliveries[0].state is DeliveryState.SENT
        assert repeats.reprocessable(tx, model=("default", "1")) == ["9.1"]
        assert repeats.reprocessable(tx, model=("default", "2")) == []
        again = repeats.reprocess(tx, "9.1", after(1), new_uid)
        assert workitems.find(tx, "2.1").workitem_uid == again


def test_old_rows_are_listed_as_before(upgraded):
    database, _ = upgraded
    with database.transaction(read_only=True) as tx:
        listed = jobs.list_jobs(tx).items
        received = arrivals.list_instances(tx).items
    assert [job.workitem.workitem_uid for job in listed] == ["9.4", "9.3", "9.2", "9.1"]
    assert [job.attempts[0].outcome for job in listed] == [
        AttemptOutcome.CANCELED,
        AttemptOutcome.LEASE_EXPIRED,
        AttemptOutcome.SETTLED,
        AttemptOutcome.SETTLED,
    ]
    assert [(one.instance.sop_instance_uid, one.state) for one in received] == [
        ("2.4", InstanceState.FAILED),
        ("2.3", InstanceState.QUEUED),
        ("2.2", InstanceState.DELIVERING),
        ("2.1", InstanceState.DELIVERED),
    ]
    film = received[0].instance
    assert (film.issuer_of_patient_id, film.acquired_at) == ("", None)


def test_old_rows_are_found_by_what_they_say(upgraded):
    database, _ = upgraded
    study = Key(("PatientID",), Exact(("P1",)))
    with database.transaction(read_only=True) as tx:
        studies = find(tx, Query(Level.STUDY, (study,))).matches
        objects = find_objects(tx, Query(Level.INSTANCE))
        waiting = holdings.bare(tx, "", limit=9)
    assert {match.uids[0] for match in studies} == {f"5.{n}" for n in range(1, 5)}
    assert {one.sop_instance_uid for one in objects} == {
        *(f"2.{number}" for number in range(1, 5)),
        "7.1",
    }
    assert len(waiting) == 5


def test_work_goes_on_where_it_stood(upgraded):
    database, _ = upgraded
    receive(database, 1)
    with database.transaction() as tx:
        claimed = attempts.claim(
            tx, worker="w", limit=9, lease_s=60, now=after(60), new_uid=new_uid
        )
        assert [item.workitem_uid for item in claimed] == ["9.3", "1.9.1"]
        assert workitems.complete_delivered(tx, after(61)) == 1
        ended = workitems.get(tx, "9.2")
    assert (ended.state, ended.stage) == (ProcedureStepState.COMPLETED, Stage.DONE)
