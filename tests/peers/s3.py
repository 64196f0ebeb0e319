"""S3 object stores for the tests: moto in this process, and a real Ceph RGW."""

import select
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest
from botocore.config import Config

from storage.objects.bucket import Bucket, BucketPlace
from tests.factories.nodes import wait_until
from tests.peers.ports import free_port

_START_S = 300.0
KEY_ID, SECRET = "AKIATEST0000000000", "secretsecretsecret"


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """The URL of a moto that knows S3."""
    # In a process of its own, which can be ended whoever is still connected.
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", f"-p{port}"]
    server = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        assert wait_until(lambda: answers(port), _START_S)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def answers(port: int) -> bool:
    """Tell whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    except OSError:
        return False
    return True


def place(url: str, name: str, **changes: object) -> BucketPlace:
    values: dict[str, object] = {
        "name": name,
        "endpoint": url,
        "access_key_id": KEY_ID,
        "secret_access_key": SECRET,
        "timeout_s": 60.0,
        "retry_s": 2.0,
    }
    return BucketPlace(**(values | changes))  # type: ignore[arg-type]


def section(url: str, name: str, **changes: object) -> dict[str, object]:
    """The keys of ``[objects]`` for a bucket."""
    values: dict[str, object] = {
        "kind": "s3",
        "bucket": name,
        "endpoint": url,
        "access_key_id": KEY_ID,
        "secret_access_key": SECRET,
        "timeout_s": 60.0,
        "retry_s": 2.0,
    }
    return values | changes


class Relay:
    """A way to a store that can be cut: who comes then is turned away at once.

    Parameters
    ----------
    url
        Of the store.
    """

    def __init__(self, url: str) -> None:
        self._port = int(url.rpartition(":")[2])
        self.cut = False

    @contextmanager
    def running(self) -> Iterator[str]:
        relay = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                if relay.cut:
                    return
                with socket.create_connection(("127.0.0.1", relay._port)) as there:
                    _relay(relay, self.request, there)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        with Server(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield f"http://127.0.0.1:{server.server_address[1]}"
            server.shutdown()
            thread.join()


def _relay(relay: Relay, one: socket.socket, other: socket.socket) -> None:
    while True:
        for ready in select.select([one, other], [], [])[0]:
            data = b"" if relay.cut else ready.recv(1 << 16)
            if not data:
                return
            (other if ready is one else one).sendall(data)


def make_bucket(url: str, name: str, **changes: object) -> Bucket:
    """Have the store make a bucket."""
    client = boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )
    client.create_bucket(Bucket=name)
    client.close()
    return Bucket(place(url, name, **changes))
