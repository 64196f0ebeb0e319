"""Live HTTP servers, one with keys and one without, and raw bytes for both."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from dicom_node.node.node import Node
from dicom_node.node.roles import Role
from tests.factories.nodes import (
    get,
    save,
    scripted_node,
    send,
    settings,
    wait_for_state,
)
from tests.factories.radiographs import synthetic_dataset
from tests.fuzz.findings import Finding
from tests.fuzz.mutators import mutated
from tests.fuzz.target import converse

KEY = "a-key-that-nobody-guesses-0123456789"
_SECRET = "PATIENT-0815"  # noqa: S105  a patient, and no password
_HTTP = {"port": 0, "request_timeout_s": 5}
_PATHS = (
    *("/api/v1/jobs", "/api/v1/instances", "/api/v1/openapi.json", "/api/docs"),
    *("/health/live", "/health/ready", "/", "/api/v1/jobs/{uid}", "*"),
    *("/api/v1/instances/{uid}", "/api/v1/jobs/{uid}/retry", "//api/v1/jobs"),
    *("/api/v1/jobs/{uid}/cancel", "/api/v1/jobs/{uid}/reprocess"),
    *("/api/v1/jobs/../../health/live", "/api/v1/%6aobs", "/health/live/../ready"),
    *("http://127.0.0.1/api/v1/jobs", "/%2e%2e/etc/passwd", "/api/v1/jobs;/health"),
)
_NAMES = (
    *("limit", "cursor", "since", "patient_id", "accession_number", "state", "stage"),
    *("reason", "calling_ae", "duplicates", "study_instance_uid", "x"),
)
_VALUES = (
    *("", "0", "1", "-1", "1000", "99999999999999999999", "1e5", "NaN", "true"),
    *("%00", "%ff%fe", "ä", "%F0%9F%92%A9", "' OR 1=1 --", "%25", "A" * 3000),
    *("2026-01-01T00:00:00Z", "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59Z"),
    *("eyJhIjoxfQ==", "MTox", "queued", "COMPLETED", "SCHEDULED", "[]", "{}"),
)
_METHODS = ("GET", "GET", "GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PRI", "g")
_HEADERS = (
    *("Host: localhost", "Host: evil.example", "Host: [::1", "Host: a\x00b", "Host:"),
    *("Origin: null", "Origin: http://127.0.0.1", "Content-Length: 5"),
    *("Content-Length: -1", "Content-Length: 99999999999999999999", "Cookie: a=b"),
    *("Transfer-Encoding: chunked", "Content-Type: application/json"),
    *(
        "Authorization: Bearer",
        "Authorization: Bearer \xff",
        "Authorization: Basic YTpi",
    ),
    *(
        "Authorization: bearer a-key-that-nobody-guesses-0123456788",
        "Expect: 100-continue",
    ),
    *("Connection: upgrade", "Upgrade: websocket", "Upgrade: h2c", "Range: bytes=0-1"),
    *("Accept-Encoding: *", "X-Forwarded-For: 1", "X: " + "y" * 9000, " folded", "no"),
)
_BODIES = (b"", b"", b"hello", b"{}", b"5\r\nhello\r\n0\r\n\r\n", b"ffffffff\r\nx")


class Servers:
    """Raw requests; the first byte says to which of the two."""

    def __init__(self, open_node: Node, closed_node: Node, uid: str) -> None:
        self._ports = [_port(open_node), _port(closed_node)]
        self._uid = uid

    def make(self, chance: Random) -> bytes:
        """One or more requests, changed or not."""
        said = [
            _request(chance, self._uid) for _ in range(chance.choice((1, 1, 1, 2, 5)))
        ]
        data = b"".join(said)
        if chance.random() < 0.6:
            data = mutated(data, chance, said)
        return bytes([chance.randrange(2)]) + data

    def take(self, data: bytes) -> None:
        """Ask, and look at every answer."""
        which = data[0] % 2 if data else 0
        answer = converse(self._ports[which], data[1:], b"\0never\0")
        if answer.startswith(b"HTTP/1.1 5") and not answer.startswith(_FORESEEN):
            raise Finding(f"the server failed: {answer[:300]!r}")
        if which and _SECRET.encode() in answer:
            raise Finding("a patient was named to somebody without a key")
        if b"Traceback" in answer:
            raise Finding("a traceback was sent to a client")

    def is_well(self) -> None:
        """Ask as one should."""
        keyed = {"Authorization": f"Bearer {KEY}"}
        for port, headers in zip(self._ports, ({}, keyed), strict=True):
            seen = get(port, f"/api/v1/instances/{self._uid}", headers)
            if seen["patient_id"] != _SECRET:
                raise Finding("a good request is not answered any more")


_FORESEEN = (b"HTTP/1.1 503", b"HTTP/1.1 505", b"HTTP/1.1 501")


def _port(node: Node) -> int:
    assert node.http_port is not None
    return node.http_port


def _request(chance: Random, uid: str) -> bytes:
    path = chance.choice(_PATHS).format(
        uid=chance.choice((uid, uid, "1.2", "ä", "%2F"))
    )
    if chance.random() < 0.6:
        count = chance.randrange(1, 4)
        pairs = (
            f"{chance.choice(_NAMES)}={chance.choice(_VALUES)}" for _ in range(count)
        )
        path += "?" + "&".join(pairs)
    version = chance.choice(("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9"))
    lines = [f"{chance.choice(_METHODS)} {path} {version}"]
    if chance.random() < 0.8:
        lines.append("Host: 127.0.0.1")
    lines += chance.sample(_HEADERS, chance.randrange(4))
    if chance.random() < 0.5:
        lines.append("Connection: close")
    text = "\r\n".join([*lines, "", ""])
    return text.encode("utf-8", "surrogatepass") + chance.choice(_BODIES)


@contextmanager
def live_servers(folder: Path) -> Iterator[tuple[Node, Node, str]]:
    """Two servers of one node, the second with a key, and the UID of a film."""
    film = synthetic_dataset("CR", 1, rows=448, columns=400)
    film.PatientID = _SECRET
    closed = {**_HTTP, "auth": {"api_keys": [KEY]}}
    with (
        scripted_node(settings(folder / "data", http=_HTTP)) as node,
        scripted_node(settings(folder / "data", http=closed), Role.WEB) as guarded,
    ):
        send(node, save(film, folder))
        wait_for_state(node, film.SOPInstanceUID, "delivered")
        yield node, guarded, film.SOPInstanceUID


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Both servers, to be asked by raw bytes."""
    with live_servers(folder) as (node, guarded, uid):
        yield Servers(node, guarded, uid)
