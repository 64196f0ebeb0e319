"""UPS-RS over a real socket (PS3.18 section 11)."""

import json
import logging

import httpx2
import pytest

from dicom_node.web.application import create_app
from dicom_node.web.dicomweb.workitems.answers import STATUS
from dicom_node.web.dicomweb.workitems.router import workitems
from dicom_node.worklist.unified.workitem_content import to_json
from dicom_node.worklist.unified.workitem_rules import Fault
from storage.worklist.pushed import FILTERED, GLOBAL
from tests.factories.rows import receive
from tests.factories.workitems import a_step, how_far, what_was_done, worklist_at
from tests.peers.receiving import receiver
from tests.peers.serving import serving

UID, MINE, THEIRS = "1.2.3.4.5", "2.25.111", "2.25.222"
JSON = {"Content-Type": "application/dicom+json"}


@pytest.fixture
def database(tmp_path):
    with receiver(tmp_path) as behind:
        yield behind.database


@pytest.fixture
def client(database):
    app = create_app([workitems(worklist_at(database))])
    with (
        serving(app) as port,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}/dicom-web") as client,
    ):
        yield client


def post(client, path, dataset, **options):
    body = json.dumps([to_json(dataset)])
    return client.post(path, content=body, headers=JSON, **options)


def create(client, uid=UID, **changes):
    return post(client, f"/workitems?workitem={uid}", a_step(**changes))


def change(client, state, transaction=MINE, path="state", uid=UID):
    body = {"00741000": {"vr": "CS", "Value": [state]}}
    if transaction:
        body["00081195"] = {"vr": "UI", "Value": [transaction]}
    path = f"/workitems/{uid}/{path}"
    return client.put(path, content=json.dumps(body), headers=JSON)


def test_every_fault_has_its_status():
    assert set(STATUS) == set(Fault)


@pytest.mark.parametrize(
    "query",
    [f"workitem={UID}", f"AffectedSOPInstanceUID={UID}", UID, f"WorkItem={UID}"],
)
def test_a_workitem_is_created_under_its_uid_in_every_spelling(client, query):
    answer = post(client, f"/workitems?{query}", a_step())
    assert answer.status_code == 201
    assert answer.headers["Location"].endswith(f"/dicom-web/workitems/{UID}")
    (found,) = client.get(answer.headers["Location"]).json()
    assert found["00080018"]["Value"] == [UID]
    assert found["00741000"]["Value"] == ["SCHEDULED"]


@pytest.mark.parametrize("tag", ["00080018", "00001000"])
def test_a_uid_may_stand_in_the_body(client, tag):
    body = to_json(a_step()) | {tag: {"vr": "UI", "Value": [UID]}}
    answer = client.post("/workitems", content=json.dumps(body), headers=JSON)
    assert answer.status_code == 201
    assert client.get(f"/workitems/{UID}").status_code == 200


def test_what_was_added_is_said_in_a_warning(client):
    answer = create(client, PatientName=None)
    assert answer.status_code == 201
    text = "The Workitem was created with modifications."
    assert answer.headers["Warning"].startswith("299 ")
    assert text in answer.headers["Warning"]


@pytest.mark.parametrize(
    "name", ["transaction", "transaction-uid", "Transaction-uid", "TRANSACTION-UID"]
)
def test_the_transaction_is_understood_in_every_spelling(client, name):
    create(client)
    assert change(client, "IN PROGRESS").status_code == 200
    right = post(client, f"/workitems/{UID}?{name}={MINE}", how_far(10))
    assert right.status_code == 200
    wrong = post(client, f"/workitems/{UID}?{name}={THEIRS}", how_far(20))
    assert wrong.status_code == 400
    assert "The Transaction UID is incorrect." in wrong.headers["Warning"]


def test_the_transaction_may_stand_alone_or_in_the_body(client):
    create(client)
    change(client, "IN PROGRESS")
    assert post(client, f"/workitems/{UID}?{MINE}", how_far(10)).status_code == 200
    body = how_far(20)
    body.TransactionUID = MINE
    assert post(client, f"/workitems/{UID}", body).status_code == 200
    torn = post(client, f"/workitems/{UID}?transaction={THEIRS}", body)
    assert torn.status_code == 400


def test_the_life_of_a_workitem(client):
    create(client)
    assert create(client).status_code == 409
    assert change(client, "COMPLETED").status_code == 409
    assert change(client, "IN PROGRESS", None).status_code == 400
    assert change(client, "IN PROGRESS").status_code == 200
    second = change(client, "IN PROGRESS", THEIRS)
    assert second.status_code == 400
    assert change(client, "COMPLETED").status_code == 409
    post(client, f"/workitems/{UID}?transaction={MINE}", what_was_done())
    assert change(client, "COMPLETED").status_code == 200
    again = change(client, "COMPLETED")
    assert again.status_code == 200
    assert "already in the requested state of COMPLETED" in again.headers["Warning"]
    late = post(client, f"/workitems/{UID}?transaction={MINE}", how_far(1))
    assert late.status_code == 400
    (found,) = client.get(f"/workitems/{UID}").json()
    assert found["00741000"]["Value"] == ["COMPLETED"]
    assert "00081195" not in found


def test_the_askers_title_may_follow_the_path(client):
    create(client)
    assert change(client, "IN PROGRESS", path="state/PERFORMER").status_code == 200
    assert change(client, "CANCELED", path="state/PERFORMER").status_code == 200
    answer = client.post(f"/workitems/{UID}/cancelrequest/ASKER")
    assert answer.status_code == 202
    assert "already in the requested state of CANCELED" in answer.headers["Warning"]


def test_a_request_to_cancel(client):
    create(client)
    assert client.post(f"/workitems/{UID}/cancelrequest").status_code == 202
    (found,) = client.get(f"/workitems/{UID}").json()
    assert found["00741000"]["Value"] == ["CANCELED"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["1.2.3.4.5", "1.9.1"]),
        ("ProcedureStepState=SCHEDULED&PatientID=P1", ["1.2.3.4.5", "1.9.1"]),
        ("00741204=Ana*", ["1.2.3.4.5"]),
        ("InputInformationSequence.StudyInstanceUID=1.2.3", ["1.9.1"]),
        ("00404021.0020000D=1.2.3", ["1.9.1"]),
        ("includefield=all&limit=1", ["1.2.3.4.5"]),
        ("offset=1", ["1.9.1"]),
        ("SOPInstanceUID=1.9.1,1.9.2", ["1.9.1"]),
    ],
)
def test_a_search(client, database, query, found):
    receive(database, 1)
    create(client)
    answer = client.get(f"/workitems?{query}")
    assert [one["00080018"]["Value"][0] for one in answer.json()] == found


def test_a_search_says_that_there_is_more_or_nothing(client):
    create(client)
    create(client, "1.2.3.4.6")
    more = client.get("/workitems?limit=1&fuzzymatching=true")
    assert "additional results" in more.headers["Warning"]
    assert "literal matching" in more.headers["Warning"]
    assert client.get("/workitems?PatientID=NOBODY").status_code == 204


@pytest.mark.parametrize(
    "query",
    [
        "NoSuchAttribute=1",
        "PatientID=1&PatientID=2",
        "PatientID.PatientName=1",
        "limit=-1",
        "offset=x",
        "ScheduledProcedureStepStartDateTime=soon",
        "00000002=1",
        "zzzzzzzz=1",
        ".".join(["InputInformationSequence"] * 9) + "=1",
    ],
)
def test_a_search_that_means_nothing_is_a_bad_request(client, query):
    assert client.get(f"/workitems?{query}").status_code == 400


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/dicom+json", 400),
        (b"[]", "application/dicom+json", 400),
        (b"{", "application/dicom+json", 400),
        (b"[" * 100_000, "application/dicom+json", 400),
        (b'{"00741000": 7}', "application/dicom+json", 400),
        (b'{"00741000": {"vr": "SQ", "Value": [{}]}}', "application/dicom+json", 400),
        (b'{"zz": {"vr": "CS"}}', "application/dicom+json", 400),
        (b"<NativeDicomModel/>", "application/dicom+xml", 415),
        (b"{}", "text/plain", 415),
    ],
)
def test_a_body_that_is_no_workitem_is_refused(client, body, kind, status):
    answer = client.post("/workitems", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status


def test_a_wrong_uid_is_a_bad_request(client):
    assert client.get("/workitems/not-a-uid").status_code == 400
    assert client.get("/workitems/1.2.9").status_code == 404
    assert create(client, "not-a-uid").status_code == 400
    assert change(client, "IN PROGRESS", "not-a-uid").status_code == 400


def test_who_reads_no_json_is_told(client):
    create(client)
    asked = {"Accept": "application/dicom+xml"}
    assert client.get(f"/workitems/{UID}", headers=asked).status_code == 406
    asked = {"Accept": "application/dicom+json;q=0.5, text/html"}
    assert client.get(f"/workitems/{UID}", headers=asked).status_code == 200


def test_subscriptions(client):
    create(client)
    place = f"/workitems/{UID}/subscribers/WATCHER"
    assert client.delete(place).status_code == 404
    made = client.post(f"{place}?deletionlock=true")
    assert made.status_code == 201
    assert made.headers["Content-Location"].startswith("ws://127.0.0.1")
    assert made.headers["Content-Location"].endswith("/dicom-web/subscribers/WATCHER")
    assert client.delete(place).status_code == 200
    assert client.post("/workitems/1.2.9/subscribers/WATCHER").status_code == 404
    wide = f"/workitems/{GLOBAL}/subscribers/WATCHER"
    assert client.post(f"{wide}/suspend").status_code == 404
    assert client.post(wide).status_code == 201
    assert client.post(f"{wide}/suspend").status_code == 200
    assert client.delete(wide).status_code == 200
    chosen = f"/workitems/{FILTERED}/subscribers/WATCHER"
    assert client.post(chosen).status_code == 400
    assert client.post(f"{chosen}?filter=PatientID=P1").status_code == 201
    assert client.post(f"{place}?deletionlock=perhaps").status_code == 400
    long = "A" * 17
    assert client.post(f"/workitems/{UID}/subscribers/{long}").status_code == 400


def test_the_nodes_own_jobs_are_forbidden_to_others(client, database):
    receive(database, 1)
    assert change(client, "IN PROGRESS", uid="1.9.1").status_code == 403
    assert client.post("/workitems/1.9.1/cancelrequest").status_code == 202


def test_a_refusal_is_one_line_without_a_patient(client, caplog):
    with caplog.at_level(logging.WARNING):
        create(client, PatientName="Doe^Jane", ScheduledProcedureStepPriority="DOE")
    ours = [one for one in caplog.records if one.name.startswith("dicom_node")]
    assert len(ours) == 1
    assert "doe" not in caplog.text.lower()
