"""A WADO-RS origin server that gives what it was told to give."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


def multipart(
    *bodies: bytes, boundary: str = "a-boundary", status: int = 200
) -> Answer:
    """Answer with instances as PS3.18 says."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        parts = [
            f"\r\n--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
            + body
            for body in bodies
        ]
        whole = b"".join(parts) + f"\r\n--{boundary}--\r\n".encode()
        kind = f'multipart/related; type="application/dicom"; boundary="{boundary}"'
        send(request, status, whole, {"Content-Type": kind})

    return answer


def redirect(to: str) -> Answer:
    """Send the asker elsewhere."""
    return lambda request: send(request, 302, b"", {"Location": to})


def send(
    request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]
) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


class _Server(ThreadingHTTPServer):
    """An asker who has had enough goes away, and nobody remarks on it."""

    def handle_error(self, *_: object) -> None:
        pass


class Origin:
    """What it answers, path by path, and who asked for what."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []


@contextmanager
def origin() -> Iterator[Origin]:
    """Listen on a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said.asked.append((self.path, dict(self.headers)))
            answer = said.answers.get(self.path)
            if answer is None:
                send(self, 404, b"", {})
            else:
                answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    said = Origin(f"http://127.0.0.1:{server.server_address[1]}/dicom-web")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield said
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
