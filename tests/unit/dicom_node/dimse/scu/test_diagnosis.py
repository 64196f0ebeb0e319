"""What a person is told whose connection does not come about: real sockets answer."""

import socket
import ssl
import threading
from contextlib import contextmanager

import pytest

from dicom_node.dimse.scu import verification
from dicom_node.dimse.scu.association import RemoteAE, Timeouts
from dicom_node.dimse.scu.diagnosis import diagnose, explain
from dicom_node.errors import NodeError
from tests.peers.pacs import PACS

BRIEF = Timeouts(connection_s=2, association_s=2, message_s=2, network_s=2)


@contextmanager
def service(answer):
    """Listen, let each caller be answered, and give the port."""
    server = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve():
        while not over.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                answer(connection, over)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        over.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def http(connection, _over):
    got = b""
    while b"\r\n\r\n" not in got:
        piece = connection.recv(1024)
        if not piece:
            return
        got += piece
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def tls_server(connection, _over):
    connection.recv(16)
    connection.sendall(b"\x15\x03\x03\x00\x02\x02\x46")


def silent(connection, over):
    connection.settimeout(0.05)
    while not over.is_set():
        try:
            if not connection.recv(1024):
                return
        except TimeoutError:
            continue


def hang_up(_connection, _over):
    pass


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (http, "speaks HTTP, not DICOM"),
        (tls_server, "expects TLS"),
        (hang_up, "aborted it without a word of DICOM"),
    ],
)
def test_other_kinds_of_service_are_told_apart(answer, words):
    with service(answer) as port:
        said = diagnose(RemoteAE("PACS", "127.0.0.1", port), BRIEF)
    assert f"127.0.0.1:{port}" in said
    assert words in said


@pytest.mark.slow
def test_a_service_that_says_nothing_timed_out():
    with service(silent) as port:
        said = diagnose(RemoteAE("PACS", "127.0.0.1", port), BRIEF)
    assert "timed out" in said or "without a word" in said


def test_a_port_where_nobody_listens_refused(free_port):
    said = diagnose(RemoteAE("PACS", "127.0.0.1", free_port), BRIEF)
    assert f"127.0.0.1:{free_port} refused the connection" in said


def test_a_name_that_does_not_exist_is_named():
    said = diagnose(RemoteAE("PACS", "no-such-host.invalid", 104), BRIEF)
    assert "no-such-host.invalid does not resolve" in said


def test_a_dicom_service_is_recognised_although_it_did_not_associate():
    with PACS().listening() as port:
        said = diagnose(RemoteAE("PACS", "127.0.0.1", port), BRIEF)
    assert "HTTP" not in said
    assert "aborted" in said


def test_a_service_without_tls_is_told_from_one_with():
    plain = ssl.create_default_context()
    with PACS().listening() as port:
        said = diagnose(RemoteAE("PACS", "127.0.0.1", port, plain), BRIEF)
    assert "TLS" in said
    assert f"127.0.0.1:{port}" in said


@pytest.mark.parametrize(
    ("words", "advised"),
    [
        ("calling AE title not recognised", "--calling"),
        ("called AE title not recognised", "does not call itself PACS"),
        ("temporary congestion", "try again later"),
    ],
)
def test_a_rejection_says_whom_it_concerns_and_what_to_do(words, advised):
    remote = RemoteAE("PACS", "pacs.example", 104)
    said = explain(NodeError(words), remote, "US", BRIEF)
    assert said.startswith("PACS at pacs.example:104: ")
    assert advised in said


def test_what_failed_before_is_explained_after_a_real_call(free_port):
    remote = RemoteAE("PACS", "127.0.0.1", free_port)
    with pytest.raises(NodeError) as caught:
        verification.echo(remote, calling_ae="US", timeouts=BRIEF)
    said = explain(caught.value, remote, "US", BRIEF)
    assert "no association with PACS" in said
    assert "nothing listens there" in said
