"""Who is let in by HTTP, and what it may cost: against a real listener."""

import http.client
import os
import resource
import socket
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from time import monotonic

import pytest
from fastapi import APIRouter

from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.web import http_limits
from dicom_node.web.application import create_app
from dicom_node.web.door import MAXIMUM_BODY_BYTES
from dicom_node.web.server import HttpAddress, HttpServer
from tests.factories.nodes import wait_until


def face() -> APIRouter:
    router = APIRouter()

    @router.get("/api/v1/patients")
    def read() -> str:
        return "secret"

    @router.post("/api/v1/patients")
    def write() -> str:
        return "done"

    @router.get("/health/live")
    def live() -> str:
        return "live"

    return router


@contextmanager
def serving(hosts=(), **limits):
    address = HttpAddress("127.0.0.1", 0)
    server = HttpServer(
        create_app([face()], hosts=hosts),
        address,
        replace(http_limits(Settings()), **limits),
    )
    try:
        yield server.start()
    finally:
        server.stop(10)


@pytest.fixture(scope="module")
def port():
    with serving(["cxr.hospital.example"]) as port:
        yield port


def ask(port, method="GET", path="/api/v1/patients", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers=named)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8042",
        "LOCALHOST:9",
        "[::1]:8042",
        "192.0.2.7",
        "CXR.hospital.example",
        socket.gethostname(),
    ],
)
def test_a_request_to_this_node_is_answered(port, host):
    assert ask(port, Host=host)[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "evil.example:8042",
        "",
        "[::1",
        "hospital.example",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_to_another_name_is_misdirected(port, method, host):
    status, body = ask(port, method, Host=host)
    assert status == 421
    assert b"allowed_hosts" in body


def test_health_is_told_by_any_name(port):
    assert ask(port, path="/health/live", Host="cxr-node.pod")[0] == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8042", 200),
        ("http://LOCALHOST:8042", 200),
        ("http://localhost:8043", 403),
        ("http://localhost", 403),
        ("http://evil.example:8042", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("file://", 403),
        ("", 403),
    ],
)
def test_only_this_nodes_own_pages_may_ask(port, method, origin, status):
    assert ask(port, method, Host="localhost:8042", Origin=origin)[0] == status


def test_a_page_behind_a_proxy_is_our_own(port):
    host = "cxr.hospital.example"
    assert ask(port, Host=host, Origin=f"https://{host}")[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content_Length": str(MAXIMUM_BODY_BYTES + 1)}, 413),
        ({"Content_Length": "9" * 18}, 413),
        ({"Transfer_Encoding": "chunked"}, 411),
    ],
)
def test_a_body_is_short_and_says_how_long_it_is(port, headers, status):
    assert ask(port, "POST", **headers)[0] == status


def test_headers_are_short(port):
    assert ask(port, X_Long="x" * 50_000)[0] in {400, 431}


BEGINNINGS = {
    "nothing": b"",
    "half a header": b"GET /patients HTTP/1.1\r\nHost: loc",
    "half a body": (
        b"POST /patients HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 9\r\n\r\n1"
    ),
    "a second request": b"GET /health/live HTTP/1.1\r\nHost: [::1]\r\n\r\nGET /",
}


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_a_request_that_never_ends_is_cut_off(beginning):
    with serving(request_s=0.5) as port:
        line = socket.create_connection(("127.0.0.1", port), timeout=60)
        with line:
            line.sendall(BEGINNINGS[beginning])
            began = monotonic()
            try:
                while line.recv(65536):
                    pass
            except ConnectionResetError:
                pass
            assert monotonic() - began < 20


def test_one_machine_holds_but_its_part_of_the_connections():
    with (
        serving(connections=20, connections_per_address=5) as port,
        ExitStack() as stack,
    ):
        lines = [
            stack.enter_context(
                socket.create_connection(
                    ("127.0.0.1", port), timeout=60, source_address=("127.0.0.2", 0)
                )
            )
            for _ in range(30)
        ]
        assert ask(port)[0] == 200
        for line in lines:
            line.close()

        def answered() -> bool:
            connection = http.client.HTTPConnection(
                "127.0.0.1", port, timeout=60, source_address=("127.0.0.2", 0)
            )
            try:
                connection.request("GET", "/api/v1/patients")
                return connection.getresponse().status == 200
            except OSError:
                return False
            finally:
                connection.close()

        assert wait_until(answered)


def test_descriptors_beyond_a_thousand_are_served():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1400:
        pytest.skip("this system allows no such descriptor")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1400), hard))
    with ExitStack() as stack:
        for _ in range(1100):
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        with serving() as port:
            assert ask(port)[0] == 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_body_that_breaks_off_while_it_is_answered_is_no_bug(port, caplog):
    chunks = b"Transfer-Encoding: chunked\r\n\r\nno size\r\n"
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
            line.sendall(b"POST /patients HTTP/1.1\r\nHost: 127.0.0.1\r\n" + chunks)
            assert line.recv(65536).startswith(b"HTTP/1.1 4")
    assert ask(port)[0] == 200
    assert not any(record.exc_info for record in caplog.records)
