"""A small PACS over real HTTP: STOW-RS and a search, and a will of its own."""

import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydicom import dcmread

JSON = "application/dicom+json"
Answer = tuple[int, dict[str, str], bytes]


class WebPACS:
    """Takes objects by STOW-RS; a test may refuse some, or answer for it.

    Parameters
    ----------
    classes
        SOP classes that it takes; ``None`` for all.
    reason
        From a SOP Instance UID to 0, a Warning Reason (Bxxx) or a Failure Reason.
    says
        From a request to an answer in place of its own, or to ``None``. An answer of
        status 0 is none: the connection ends.
    """

    def __init__(
        self,
        classes: Sequence[str] | None = None,
        reason: Callable[[str], int] = lambda _uid: 0,
        says: Callable[[BaseHTTPRequestHandler], Answer | None] = lambda _: None,
    ) -> None:
        self.classes, self.reason, self.says = classes, reason, says
        self.held: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []

    @contextmanager
    def listening(self, tls: ssl.SSLContext | None = None) -> Iterator[str]:
        """Listen on loopback for the length of a block, and give the URL."""
        handler = type("Handler", (_Handler,), {"pacs": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        scheme = "https" if tls else "http"
        try:
            yield f"{scheme}://127.0.0.1:{server.server_address[1]}/dicom-web"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def store(self, content_type: str, body: bytes) -> Answer:
        boundary = re.search(r'boundary="?([^";]+)', content_type)
        assert boundary is not None
        assert 'type="application/dicom"' in content_type
        parts = body.split(b"--" + boundary[1].encode())
        assert parts[0] == b""
        assert parts[-1] == b"--\r\n"
        failed, stored = [], []
        for part in parts[1:-1]:
            head, _, content = part.partition(b"\r\n\r\n")
            assert b"Content-Type: application/dicom" in head
            self._take(content[:-2], failed, stored)
        status = 409 if not stored else 202 if failed or _warned(stored) else 200
        said = {"00081198": failed, "00081199": stored}
        answer = {
            tag: {"vr": "SQ", "Value": items} for tag, items in said.items() if items
        }
        return status, {"Content-Type": JSON}, json.dumps(answer).encode()

    def _take(self, content: bytes, failed: list[Any], stored: list[Any]) -> None:
        dataset = dcmread(BytesIO(content), stop_before_pixels=True)
        uid = str(dataset.SOPInstanceUID)
        reason = self.reason(uid)
        if self.classes is not None and dataset.SOPClassUID not in self.classes:
            reason = 0x0122
        item = {"00081155": {"vr": "UI", "Value": [uid]}}
        if reason and reason >> 12 != 0xB:
            failed.append(item | {"00081197": {"vr": "US", "Value": [reason]}})
            return
        if reason:
            item["00081196"] = {"vr": "US", "Value": [reason]}
        self.held[uid] = content
        stored.append(item)

    def search(self, path: str) -> Answer:
        (uid, *_) = parse_qs(urlsplit(path).query).get("SOPInstanceUID", [""])
        if uid not in self.held:
            return 204, {}, b""
        found = [{"00080018": {"vr": "UI", "Value": [uid]}}]
        return 200, {"Content-Type": JSON}, json.dumps(found).encode()


def _warned(stored: list[Any]) -> bool:
    return any("00081196" in item for item in stored)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    pacs: WebPACS

    def do_GET(self) -> None:
        self._answer(lambda: self.pacs.search(self.path))

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        kind = self.headers["Content-Type"]
        self._answer(lambda: self.pacs.store(kind, body))

    def _answer(self, usual: Callable[[], Answer]) -> None:
        self.pacs.requests.append((self.command, self.path))
        self.pacs.headers.append(dict(self.headers))
        status, headers, body = self.pacs.says(self) or usual()
        if not status:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # the other side has heard enough

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
