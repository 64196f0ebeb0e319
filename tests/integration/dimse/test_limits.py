"""What one peer may cost the others, in both roles."""

import os
import resource
import socket
import struct
import threading
import tracemalloc
from contextlib import ExitStack, contextmanager, suppress
from time import monotonic

import pytest

from dicom_node.dimse.scu.association import RemoteAE, Timeouts
from dicom_node.dimse.scu.verification import echo
from dicom_node.errors import PeerUnreachable
from tests.factories.association_requests import Asked
from tests.factories.nodes import wait_until
from tests.peers.receiving import MODALITY, NODE, PATIENT

ACCEPT, REJECT = 2, 3
HURRIED = Timeouts(connection_s=5, association_s=1, message_s=1, network_s=1)


def answer(line) -> int:
    line.say(Asked().pdu())
    kind, _, length = struct.unpack(">BBI", line.hear_some(6))
    line.hear_some(length)
    return kind


def test_silent_connections_of_one_machine_shut_out_no_other(start, dial):
    node = start(max_associations=30, max_associations_per_address=4)
    for _ in range(60):
        dial(node.port, "127.0.0.2")
    assert answer(dial(node.port, "127.0.0.1")) == ACCEPT


def test_associations_of_one_machine_leave_places_for_the_others(start, dial, caplog):
    node = start(max_associations=4, max_associations_per_address=2)
    kinds = [answer(dial(node.port, "127.0.0.2")) for _ in range(3)]
    assert kinds == [ACCEPT, ACCEPT, REJECT]
    assert "too many associations from this address" in caplog.text
    assert answer(dial(node.port, "127.0.0.1")) == ACCEPT


def test_places_come_back_when_associations_end(start, dial):
    node = start(max_associations_per_address=1)
    for _ in range(12):
        line = dial(node.port)
        assert answer(line) == ACCEPT
        line.hang_up()
        assert wait_until(lambda: node.entity.associations == 0)


SLOWLY = {
    "within a PDU": struct.pack(">BBIIBB", 4, 0, 60_006, 60_002, 1, 1),
    "a PDU for every byte": struct.pack(">BBIIBBB", 4, 0, 7, 3, 1, 1, 0) * 1000,
}


@pytest.mark.parametrize("slowly", SLOWLY)
def test_an_association_that_trickles_is_ended(start, dial, caplog, slowly):
    node = start(network_timeout_s=1, minimum_bytes_per_s=100_000)
    line = dial(node.port)
    assert answer(line) == ACCEPT
    data, over = SLOWLY[slowly], threading.Event()

    def trickle():
        for place in range(len(data) * 100):
            try:
                line.say(data[place : place + 1] or b"x")
            except OSError:
                return
            if over.wait(0.01):
                return

    talker = threading.Thread(target=trickle)
    talker.start()
    began = monotonic()
    line.hear()
    over.set()
    talker.join(10)
    assert monotonic() - began < 30
    assert "comes too slowly" in caplog.text


def test_a_descriptor_beyond_a_thousand_is_one_as_any_other(start):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1400:
        pytest.skip("this system allows no such descriptor")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1400), hard))
    with ExitStack() as stack:
        for _ in range(1100):
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        node = start()
        echo(node.remote, calling_ae=MODALITY, timeouts=PATIENT)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def peer(talk):
    """Listen, and talk to the first who calls."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                with suppress(OSError):
                    talk(connection, ended)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield RemoteAE(NODE, "127.0.0.1", server.getsockname()[1])
        finally:
            ended.set()
            thread.join(30)


def endless(connection, ended):
    connection.sendall(struct.pack(">BBI", 2, 0, 0xFFFFFFFF))
    while not ended.is_set():
        connection.sendall(bytes(1_000_000))


def trickling(connection, ended):
    connection.sendall(struct.pack(">BBI", 2, 0, 10_000))
    while not ended.wait(0.05):
        connection.sendall(b"\0")


def silent(connection, ended):
    del connection
    ended.wait(60)


@pytest.mark.parametrize("talk", [endless, trickling, silent])
def test_a_destination_that_never_comes_to_an_end_is_left_in_time(talk):
    tracemalloc.start()
    began = monotonic()
    with peer(talk) as remote, pytest.raises(PeerUnreachable):
        echo(remote, calling_ae=MODALITY, timeouts=HURRIED)
    took = monotonic() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert took < 15
    assert peak < 20_000_000


def test_a_name_that_does_not_resolve_is_a_peer_that_is_not_there():
    nowhere = RemoteAE(NODE, "no-such-host.invalid", 104)
    with pytest.raises(
        PeerUnreachable, match=r"no-such-host\.invalid does not resolve"
    ):
        echo(nowhere, calling_ae=MODALITY, timeouts=HURRIED)
