"""WebSockets of subscribers: who is let in, and what comes first."""

import json
import socket
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from dicom_node.web.application import create_app
from dicom_node.web.auth.access import Access
from dicom_node.web.dicomweb.workitems.channel import channel
from storage.worklist import subscriptions
from storage.worklist.pushed import GLOBAL
from storage.worklist.subscriptions import Channel
from tests.factories.nodes import PATIENCE_S, wait_until
from tests.factories.workitems import a_step, a_wish, worklist_at
from tests.peers.receiving import receiver
from tests.peers.serving import serving

KEY = "a-key-of-many-characters"
PLACE = "/dicom-web/subscribers/WATCHER"


@pytest.fixture
def database(tmp_path):
    with receiver(tmp_path) as behind:
        yield behind.database


@pytest.fixture
def port(database):
    with serving(create_app([channel(database)], Access(keys=(KEY,)))) as port:
        yield port


def listen(port, place=PLACE, key=KEY, **headers):
    said = {"Authorization": f"Bearer {key}"} | headers
    return connect(f"ws://127.0.0.1:{port}{place}", additional_headers=said)


def watch(database):
    worklist_at(database).subscribe(a_wish(GLOBAL))


def push(database, uid):
    worklist_at(database).create(uid, a_step(), "PUSHER")


def waiting(database):
    with database.transaction(read_only=True) as tx:
        return subscriptions.waiting(tx, Channel.WEB_SOCKET, "WATCHER", 10)


def test_reports_come_in_their_order_and_once(database, port):
    watch(database)
    push(database, "1.1")
    with listen(port) as listening:
        first = json.loads(listening.recv(timeout=PATIENCE_S))
        push(database, "1.2")
        second = json.loads(listening.recv(timeout=PATIENCE_S))
    assert [one["00001000"]["Value"] for one in (first, second)] == [["1.1"], ["1.2"]]
    assert first["00001002"]["Value"] == [1]
    assert wait_until(lambda: waiting(database) == [])


def test_a_key_is_asked_for(port):
    with pytest.raises(InvalidStatus) as refused:
        listen(port, key="another-key-of-many").close()
    assert refused.value.response.status_code == 401


def test_a_page_of_somebody_else_is_not_let_in(port):
    with pytest.raises(InvalidStatus) as refused:
        listen(port, Origin="http://evil.example").close()
    assert refused.value.response.status_code == 403


def test_who_asks_for_another_host_is_not_let_in(port):
    with (
        socket.create_connection(("127.0.0.1", port)) as connection,
        pytest.raises(InvalidStatus) as refused,
    ):
        connect(f"ws://evil.example{PLACE}", sock=connection).close()
    assert refused.value.response.status_code == 421


def test_a_title_that_is_none_is_refused(port):
    with pytest.raises(InvalidStatus) as refused:
        listen(port, "/dicom-web/subscribers/" + "A" * 17).close()
    assert refused.value.response.status_code == 403


def test_a_newer_connection_takes_the_place_of_an_older(database, port):
    watch(database)
    with listen(port) as older, listen(port) as newer:
        with pytest.raises(ConnectionClosed):
            older.recv(timeout=PATIENCE_S)
        push(database, "1.1")
        told = json.loads(newer.recv(timeout=PATIENCE_S))
    assert told["00001000"]["Value"] == ["1.1"]


def test_what_a_subscriber_says_is_not_read(database, port):
    watch(database)
    with listen(port) as listening:
        listening.send("hello")
        push(database, "1.1")
        assert json.loads(listening.recv(timeout=PATIENCE_S))
        listening.send("x" * 1_000_000)
        with pytest.raises(ConnectionClosed):
            listening.recv(timeout=PATIENCE_S)


def test_who_listens_may_take_longer_than_a_request(database):
    watch(database)
    app = create_app([channel(database)])
    with serving(app, request_s=0.2) as port, listen(port) as listening:
        with pytest.raises(TimeoutError):
            listening.recv(timeout=1)
        push(database, "1.1")
        assert json.loads(listening.recv(timeout=PATIENCE_S))


def test_the_end_of_the_node_ends_the_connections(database):
    with ExitStack() as stack:
        with serving(create_app([channel(database)])) as port:
            listening = stack.enter_context(listen(port))
        with pytest.raises(ConnectionClosed):
            listening.recv(timeout=PATIENCE_S)
