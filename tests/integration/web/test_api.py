"""The HTTP interface over a real socket."""

import ast
import base64
import re
import ssl
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

import storage.errors
from dicom_node.injected import clock
from dicom_node.node.roles import Role
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.web import http_limits
from dicom_node.web import problems
from dicom_node.web.api.parts import ApiParts
from dicom_node.web.api.router import api
from dicom_node.web.application import create_app
from dicom_node.web.server import HttpAddress, HttpServer
from storage.records import DeliveryState, ProcedureStepState
from tests.factories.certificates import self_signed
from tests.factories.nodes import (
    destination,
    get,
    request,
    save,
    scripted_node,
    send,
    settings,
    wait_for_state,
)
from tests.factories.radiographs import synthetic_dataset

ROOT = Path(__file__).resolve().parents[3]
KEY = "a-key-of-many-characters"


@contextmanager
def serving(app):
    """An application on a free loopback port, which is yielded."""
    address = HttpAddress("127.0.0.1", 0)
    server = HttpServer(app, address, http_limits(Settings()))
    try:
        yield server.start()
    finally:
        server.stop(10)


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node with three films: one to be delivered, one lateral, one not a chest."""
    folder = tmp_path_factory.mktemp("node")
    place = destination("nowhere", 9, evidence=["measurement-report"])
    with scripted_node(settings(folder, [place])) as node:
        for seed, changes in enumerate(({}, {"ViewPosition": "LL"})):
            film = synthetic_dataset("CR", seed, rows=448, columns=400, **changes)
            send(node, save(film, folder))
            wait_for_state(node, film.SOPInstanceUID, "delivering", "not eligible")
        yield node


def test_lists_answer_items_and_the_cursor_of_the_next(node):
    first = get(node, "/api/v1/instances?limit=1")
    assert len(first["items"]) == 1
    second = get(node, f"/api/v1/instances?limit=1&cursor={first['next']}")
    assert second["next"] is None
    uids = {
        first["items"][0]["sop_instance_uid"],
        second["items"][0]["sop_instance_uid"],
    }
    assert len(uids) == 2


def test_every_received_instance_has_one_visible_state(node):
    items = get(node, "/api/v1/instances")["items"]
    assert sorted(item["state"] for item in items) == ["delivering", "not eligible"]
    (reason,) = [item["reason"] for item in items if item["reason"]]
    assert set(reason) == {"code", "text"}


@pytest.mark.parametrize(
    "query",
    [
        "state=not%20eligible",
        "reason=VIEW_LATERAL",
        "since=2020-01-01T00:00:00Z&limit=1",
    ],
)
def test_instances_are_filtered_by_name(node, query):
    assert len(get(node, f"/api/v1/instances?{query}")["items"]) == 1


def test_jobs_are_filtered_by_name(node):
    (job,) = get(node, "/api/v1/jobs")["items"]
    for name in ("patient_id", "accession_number", "study_instance_uid"):
        assert len(get(node, f"/api/v1/jobs?{name}={job[name]}")["items"]) == 1
        assert get(node, f"/api/v1/jobs?{name}=other")["items"] == []
    assert (
        len(get(node, "/api/v1/jobs?state=IN%20PROGRESS&stage=delivering")["items"])
        == 1
    )
    assert get(node, "/api/v1/jobs?state=COMPLETED")["items"] == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/jobs/1.2.3", 404),
        ("POST", "/api/v1/jobs/1.2.3/retry", 404),
        ("GET", "/api/v1/instances/1.2.3", 404),
        ("GET", "/api/v1/jobs?limit=0", 422),
        ("GET", "/api/v1/jobs?unknown=1", 422),
        ("GET", "/api/v1/jobs?cursor=nonsense", 400),
        ("GET", "/nowhere", 404),
        ("DELETE", "/api/v1/jobs", 405),
    ],
)
def test_a_refusal_is_a_problem_document(node, method, path, status):
    answered, problem = request(node, method, path)
    assert answered == status
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]


def test_a_refusal_does_not_repeat_what_was_asked_for(node):
    _, problem = request(node, "GET", "/api/v1/jobs?patient_name=Doe")
    assert "Doe" not in problem["detail"]


def test_a_job_without_failure_cannot_be_retried(node):
    (job,) = get(node, "/api/v1/jobs")["items"]
    status, problem = request(node, "POST", f"/api/v1/jobs/{job['workitem_uid']}/retry")
    assert (status, problem["title"]) == (409, "Conflict")


def test_health_says_that_the_process_lives_and_can_work(node):
    assert get(node, "/health/live")["status"] == "live"
    ready = get(node, "/health/ready")
    assert ready["status"] == "ready"
    assert ready["checks"] == dict.fromkeys(
        ("database", "disk", "worker", "dimse"), "ok"
    )


def test_a_node_below_its_watermark_is_not_ready(tmp_path):
    full = settings(tmp_path, node={"minimum_free_bytes": 1 << 60})
    with scripted_node(full, Role.WEB) as node:
        status, health = request(node, "GET", "/health/ready")
    assert status == 503
    assert health["checks"]["disk"] != "ok"
    assert health["checks"]["database"] == "ok"


def test_the_interface_describes_itself(node):
    described = get(node, "/api/v1/openapi.json")
    paths = set(described["paths"])
    assert {
        "/api/v1/jobs",
        "/api/v1/jobs/{workitem_uid}",
        "/api/v1/jobs/{workitem_uid}/retry",
        "/api/v1/jobs/{workitem_uid}/cancel",
        "/api/v1/instances",
        "/health/live",
        "/health/ready",
    } <= paths
    schemas = described["components"]["schemas"]
    assert schemas["ProcedureStepState"]["enum"] == [
        one.value for one in ProcedureStepState
    ]
    assert schemas["DeliveryState"]["enum"] == [one.value for one in DeliveryState]
    assert schemas["SeverityView"]["properties"]["total"]["type"] == "number"


def test_the_description_can_be_read_without_the_internet(node):
    url = f"http://127.0.0.1:{node.http_port}/api/docs"
    with urllib.request.urlopen(url, timeout=180) as answer:
        page = answer.read().decode()
        policy = answer.headers["Content-Security-Policy"]
    for path in get(node, "/api/v1/openapi.json")["paths"]:
        assert path in page
    assert "accession_number" in page
    assert "<script" not in page
    assert re.findall(r"(?:src|href)\s*=\s*\"([^\"]*)", page) == [
        "/api/v1/openapi.json"
    ]
    assert not re.search(r"(?:https?:)?//", page)
    assert policy.startswith("default-src 'none'")


@pytest.fixture
def locked(tmp_path):
    conf = settings(tmp_path, http={"port": 0, "auth": {"api_keys": [KEY]}})
    with scripted_node(conf, Role.WEB) as node:
        yield node


def test_without_a_key_nothing_but_health_is_told(locked):
    assert request(locked, "GET", "/api/v1/jobs")[0] == 401
    assert request(locked, "GET", "/api/v1/openapi.json")[0] == 401
    assert request(locked, "GET", "/nowhere")[0] == 401
    assert request(locked, "GET", "/health/live")[0] == 200
    assert request(locked, "GET", "/health/ready")[0] == 200


@pytest.mark.parametrize(
    "authorization", [f"Bearer {KEY}x", f"Basic {KEY}", KEY, "Bearer ", "Bearer é"]
)
def test_a_wrong_key_is_no_key(locked, authorization):
    headers = {"Authorization": authorization.encode().decode("latin-1")}
    assert request(locked, "GET", "/api/v1/jobs", headers)[0] == 401


def test_the_right_key_opens(locked):
    headers = {"Authorization": f"Bearer {KEY}"}
    assert request(locked, "GET", "/api/v1/jobs", headers)[0] == 200


def test_http_speaks_tls_with_the_certificate_it_is_given(tmp_path):
    certificate, key = self_signed(tmp_path)
    tls = {"certificate": str(certificate), "key": str(key)}
    conf = settings(tmp_path, http={"port": 0, "tls": tls})
    context = ssl.create_default_context(cafile=str(certificate))
    with scripted_node(conf, Role.WEB) as node:
        url = f"https://127.0.0.1:{node.http_port}/health/live"
        with urllib.request.urlopen(url, context=context, timeout=180) as answer:
            assert answer.status == 200


def test_a_bug_is_a_problem_without_its_values_and_the_log_has_its_place(caplog):
    def broken():
        return {}["Doe^Jane"]

    parts = ApiParts(database=None, steps=None, conditions=broken, clock=clock)
    with serving(create_app([api(parts)])) as port:
        status, problem = request(port, "GET", "/health/ready")
    assert (status, problem["title"]) == (500, "Internal Server Error")
    assert "Doe" not in problem["detail"]
    assert "A request failed: GET /health/ready." in caplog.messages


BEHIND = (
    "storage/database.py",
    "storage/pages.py",
    "storage/access",
    "storage/catalog",
    "storage/objects/bucket.py",
    "storage/worklist",
    "dicom_node/worklist/procedure_step.py",
)
"""What the faces call: an error that is raised there may end a request."""
ELSEWHERE = {
    "DuplicateInstance": "the reception of an image answers it",
    "LeaseLost": "a worker's, when another has its image",
    "SchemaOutdated": "the node does not start with it",
    "DatabaseUnfit": "the node does not start with it",
}


def raised_behind_the_faces():
    """Names of our errors in ``raise`` statements of what the faces call."""
    files = [
        file
        for place in BEHIND
        for file in (
            [ROOT / place] if place.endswith(".py") else (ROOT / place).iterdir()
        )
        if file.suffix == ".py"
    ]
    calls = {
        node.func.id
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    return {name for name in calls if hasattr(storage.errors, name)}


def test_every_error_that_can_end_a_request_has_its_http_status_and_no_other():
    raised = raised_behind_the_faces()
    assert ELSEWHERE.keys() <= raised
    assert {kind.__name__ for kind in problems.STATUS} == raised - ELSEWHERE.keys()


@pytest.mark.parametrize("error", problems.STATUS)
def test_a_request_that_ends_with_an_error_answers_its_status_and_sentence(error):
    class Failing:
        def job(self, workitem_uid):
            raise error(f"{workitem_uid} cannot be told")

    parts = ApiParts(database=None, steps=Failing(), conditions=dict, clock=clock)
    with serving(create_app([api(parts)])) as port:
        status, problem = request(port, "GET", "/api/v1/jobs/1.2.3")
    assert status == problems.STATUS[error] == problem["status"]
    assert problem["detail"] == "1.2.3 cannot be told"


@pytest.mark.parametrize("what", ["jobs", "instances"])
@pytest.mark.parametrize(
    "since", ["0001-01-01T00:00:00%2B01:00", "9999-12-31T23:59:59-01:00"]
)
def test_an_instant_beyond_the_calendar_is_refused(node, what, since):
    status, answer = request(node, "GET", f"/api/v1/{what}?since={since}")
    assert status == 422
    assert "since" in answer["detail"]


@pytest.mark.parametrize(
    "instant", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"]
)
def test_a_cursor_beyond_the_calendar_is_refused(node, instant):
    cursor = base64.urlsafe_b64encode(f"{instant}|1.2".encode()).decode()
    status, _ = request(node, "GET", f"/api/v1/jobs?cursor={cursor}")
    assert status == 400
