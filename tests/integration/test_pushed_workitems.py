"""A Workitem that names images is pushed, performed, and answered (IHE AIW-I)."""

import json
import threading
from contextlib import contextmanager

import httpx2
import pytest
from pydicom.dataset import Dataset
from pynetdicom import evt
from websockets.sync.client import connect

from dicom_node.dimse.library import RequestingEntity as Caller
from dicom_node.dimse.presentation import EVENT_CLASS
from dicom_node.dimse.scu.retrieve import STUDY_ROOT_MOVE
from dicom_node.worklist.unified.workitem_content import to_json
from storage.worklist.pushed import GLOBAL
from tests.factories.nodes import (
    PATIENCE_S,
    destination,
    save,
    scripted_node,
    send,
    settings,
    wait_for_state,
    wait_until,
)
from tests.factories.radiographs import synthetic_dataset
from tests.factories.workitems import a_step, an_input
from tests.peers.pacs import PACS
from tests.peers.receiving import written
from tests.peers.wado import multipart, origin, redirect

UID = "1.2.3.4.5"
JSON = {"Content-Type": "application/dicom+json"}


@pytest.fixture
def source():
    with origin() as said:
        yield said


@pytest.fixture
def node(tmp_path, source):
    chosen = settings(
        tmp_path,
        worklist={"sources": [{"url": source.url, "token": "a-token"}]},
    )
    with scripted_node(chosen) as node:
        yield node


@contextmanager
def web(node):
    base = f"http://127.0.0.1:{node.http_port}/dicom-web"
    with httpx2.Client(base_url=base, timeout=PATIENCE_S) as client:
        yield client


def push(client, *inputs, uid=UID, **changes):
    step = a_step(InputInformationSequence=list(inputs), **changes)
    body = json.dumps(to_json(step))
    answer = client.post(f"/workitems?workitem={uid}", content=body, headers=JSON)
    assert answer.status_code == 201


def look(client, uid=UID):
    return client.get(f"/workitems/{uid}").json()[0]


def state(client, uid=UID):
    return look(client, uid)["00741000"]["Value"][0]


def ended(client, uid=UID):
    assert wait_until(lambda: state(client, uid) in ("COMPLETED", "CANCELED"))
    return look(client, uid)


def outputs(found):
    (done,) = found["00741216"]["Value"]
    return [
        one["00081155"]["Value"][0]
        for item in done["00404033"].get("Value", [])
        for one in item["00081199"]["Value"]
    ]


def names(film, url=""):
    return an_input(
        film.StudyInstanceUID, film.SeriesInstanceUID, film.SOPInstanceUID, url=url
    )


def serve(source, film, answer):
    study, series = film.StudyInstanceUID, film.SeriesInstanceUID
    place = f"/studies/{study}/series/{series}/instances/{film.SOPInstanceUID}"
    source.answers[f"/dicom-web{place}"] = answer
    return f"{source.url}/studies/{study}"


def test_an_image_that_is_here_is_analysed_and_its_results_named(tmp_path):
    film = synthetic_dataset("CR", 1)
    pacs = PACS()
    with (
        pacs.listening(),
        scripted_node(settings(tmp_path, [destination("pacs", pacs.port)])) as node,
        web(node) as client,
    ):
        send(node, save(film, tmp_path))
        push(client, names(film))
        found = ended(client)
    assert found["00741000"]["Value"] == ["COMPLETED"]
    assert found["00741002"]["Value"][0]["00741004"]["Value"] == [100.0]
    assert "00081195" not in found
    assert set(outputs(found)) == set(pacs.held)
    assert len(pacs.stores) == len(pacs.held) == 4


def test_an_image_that_is_elsewhere_is_fetched_from_there(node, source):
    film = synthetic_dataset("CR", 2)
    url = serve(source, film, multipart(written(film)))
    with web(node) as client:
        push(client, names(film, url))
        found = ended(client)
    assert found["00741000"]["Value"] == ["COMPLETED"]
    ((_, headers),) = source.asked
    assert headers["Authorization"] == "Bearer a-token"
    wait_for_state(node, str(film.SOPInstanceUID), "delivered")


def test_an_image_is_fetched_from_the_archive_that_is_named(tmp_path, free_port):
    film = synthetic_dataset("CR", 12)
    sent = synthetic_dataset("CR", 12)
    asked = []

    def give(event):
        asked.append(str(event.identifier.SOPInstanceUID))
        yield "127.0.0.1", nodes[0].dimse_port
        yield 1
        yield 0xFF00, sent

    nodes = []
    archive = Caller("ARCHIVE")
    archive.add_supported_context(STUDY_ROOT_MOVE)
    archive.add_requested_context(film.SOPClassUID)
    server = archive.start_server(
        ("127.0.0.1", free_port), block=False, evt_handlers=[(evt.EVT_C_MOVE, give)]
    )
    peer = {"ae_title": "ARCHIVE", "address": "127.0.0.1", "port": free_port}
    chosen = settings(tmp_path, dimse={"port": 0, "peers": [peer]})
    try:
        with scripted_node(chosen) as node, web(node) as client:
            nodes.append(node)
            for title, uid in (("STRANGER", UID), ("ARCHIVE", "1.2.3.4.6")):
                item, there = names(film), Dataset()
                there.RetrieveAETitle = title
                item.DICOMRetrievalSequence = [there]
                push(client, item, uid=uid)
                found = ended(client, uid)
    finally:
        server.shutdown()
    assert found["00741000"]["Value"] == ["COMPLETED"]
    assert asked == [film.SOPInstanceUID]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/dicom-web/studies/1",
        "{base}@evil.example/studies/1",
        "{base}/../studies/1",
        "{base}/%2e%2e/studies/1",
        "{base}?x=/studies/1",
        "file:///etc/passwd",
        "http://[::1/studies/1",
        "",
    ],
)
def test_a_foreign_retrieve_url_is_refused(node, source, url):
    film = synthetic_dataset("CR", 3)
    with web(node) as client:
        push(client, names(film, url.format(base=source.url)))
        found = ended(client)
    assert found["00741000"]["Value"] == ["CANCELED"]
    (told,) = found["00741002"]["Value"]
    assert told["00741238"]["Value"][0].startswith("INPUT_NOT_AVAILABLE")
    assert told["0074100E"]["Value"][0]["00080102"]["Value"] == ["DCM"]
    assert source.asked == []


def test_a_redirect_is_not_followed(node, source):
    film, elsewhere = synthetic_dataset("CR", 4), synthetic_dataset("CR", 5)
    there = serve(source, elsewhere, multipart(written(elsewhere)))
    url = serve(source, film, redirect(there))
    with web(node) as client:
        push(client, names(film, url))
        assert ended(client)["00741000"]["Value"] == ["CANCELED"]
    assert len(source.asked) == 1


def test_another_image_than_was_asked_for_is_refused(node, source):
    film, other = synthetic_dataset("CR", 6), synthetic_dataset("CR", 7)
    url = serve(source, film, multipart(written(other)))
    with web(node) as client:
        push(client, names(film, url))
        assert ended(client)["00741000"]["Value"] == ["CANCELED"]


def test_what_is_not_ready_waits_until_it_is(node, tmp_path):
    film = synthetic_dataset("CR", 8)
    send(node, save(film, tmp_path))
    with web(node) as client:
        push(client, names(film), InputReadinessState="INCOMPLETE")
        wait_for_state(node, str(film.SOPInstanceUID), "delivered")
        assert state(client) == "SCHEDULED"
        ready = json.dumps({"00404041": {"vr": "CS", "Value": ["READY"]}})
        client.post(f"/workitems/{UID}", content=ready, headers=JSON)
        assert ended(client)["00741000"]["Value"] == ["COMPLETED"]


def test_a_workitem_for_another_station_is_left_to_it(node):
    film = synthetic_dataset("CR", 9)
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "OTHER", "L", "O"
    with web(node) as client:
        push(client, names(film), ScheduledStationNameCodeSequence=[code])
        push(client, names(film), uid="1.2.3.4.6")
        ended(client, "1.2.3.4.6")
        assert state(client) == "SCHEDULED"


def test_a_request_to_cancel_cancels(tmp_path, source):
    film = synthetic_dataset("CR", 10)
    asked, go_on = threading.Event(), threading.Event()

    def slow(request):
        asked.set()
        go_on.wait(PATIENCE_S)
        multipart(written(film))(request)

    url = serve(source, film, slow)
    chosen = settings(tmp_path, worklist={"sources": [{"url": source.url}]})
    with scripted_node(chosen) as node, web(node) as client:
        push(client, names(film, url))
        assert asked.wait(PATIENCE_S)
        assert client.post(f"/workitems/{UID}/cancelrequest").status_code == 202
        go_on.set()
        assert ended(client)["00741000"]["Value"] == ["CANCELED"]


def test_reports_come_over_a_websocket_and_wait_while_nobody_listens(node, tmp_path):
    film = synthetic_dataset("CR", 11)
    send(node, save(film, tmp_path))
    wait_for_state(node, str(film.SOPInstanceUID), "delivered")
    with web(node) as client:
        made = client.post(f"/workitems/{GLOBAL}/subscribers/VIEWER")
        push(client, names(film))
        ended(client)
    told = []
    with connect(made.headers["Content-Location"]) as socket:
        while "COMPLETED" not in told:
            report = json.loads(socket.recv(timeout=PATIENCE_S))
            if report["00001000"]["Value"] == [UID] and "00741000" in report:
                told += report["00741000"]["Value"]
    assert told == ["SCHEDULED", "IN PROGRESS", "COMPLETED"]


def test_reports_outlive_the_node(tmp_path):
    chosen = settings(tmp_path)
    with scripted_node(chosen) as node, web(node) as client:
        client.post(f"/workitems/{GLOBAL}/subscribers/VIEWER")
        push(client)
    with scripted_node(chosen) as node:
        place = f"ws://127.0.0.1:{node.http_port}/dicom-web/subscribers/VIEWER"
        with connect(place) as socket:
            first = json.loads(socket.recv(timeout=PATIENCE_S))
            second = json.loads(socket.recv(timeout=PATIENCE_S))
    assert first["00001000"]["Value"] == [UID]
    assert second["00741242"]["Value"] == ["RESTARTED"]


def test_reports_go_to_a_peer_by_association(tmp_path, free_port):
    told, ready = [], threading.Event()

    def hear(event):
        told.append((event.event_type, event.request.AffectedSOPInstanceUID))
        if len(told) == 2:
            ready.set()
        return 0x0000, None

    watcher = {"ae_title": "WATCHER", "address": "127.0.0.1", "port": free_port}
    chosen = settings(tmp_path, dimse={"port": 0, "peers": [watcher]})
    with scripted_node(chosen) as node, web(node) as client:
        caller = Caller("WATCHER")
        caller.add_requested_context("1.2.840.10008.5.1.4.34.6.2")
        association = caller.associate(
            "127.0.0.1", node.dimse_port, ae_title="CXR_NODE"
        )
        wish = Dataset()
        wish.ReceivingAE, wish.DeletionLock = "WATCHER", "FALSE"
        status, _ = association.send_n_action(
            wish,
            3,
            "1.2.840.10008.5.1.4.34.6.1",
            GLOBAL,
            meta_uid="1.2.840.10008.5.1.4.34.6.2",
        )
        association.release()
        assert status.Status == 0x0000
        push(client)
        client.post(f"/workitems/{UID}/cancelrequest")
        # Nobody listens yet; what waits comes when somebody does.
        hearer = Caller("WATCHER")
        hearer.add_supported_context(EVENT_CLASS, scu_role=True, scp_role=True)
        server = hearer.start_server(
            ("127.0.0.1", free_port),
            block=False,
            evt_handlers=[(evt.EVT_N_EVENT_REPORT, hear)],
        )
        try:
            assert ready.wait(PATIENCE_S)
        finally:
            server.shutdown()
    assert told[:2] == [(1, UID), (2, UID)]
