"""An inference engine that speaks the Open Inference Protocol, over a ModelRunner."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from inference.runners.remote import engine_name
from inference.runners.runner import ModelRunner
from inference.tasks.table import task_of

Refuse = Callable[[str], tuple[int, dict[str, Any]] | None]


class Engine:
    """Serves one model.

    Parameters
    ----------
    runner
        Answers; loaded.
    """

    def __init__(self, runner: ModelRunner) -> None:
        self.runner = runner
        self.name = engine_name(runner.manifest)
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.refuse: Refuse = lambda _: None
        self.spoil: Callable[[dict[str, Any]], dict[str, Any]] = lambda told: told
        self.url = ""

    @contextmanager
    def serving(self, port: int = 0) -> Iterator[str]:
        engine = self
        connections: list[socket.socket] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                connections.append(self.connection)

            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers["Content-Length"])))

            def _answer(self, body: bytes) -> None:
                engine.requests.append((self.path, dict(self.headers.items())))
                length = self.headers.get("Inference-Header-Content-Length")
                status, head, rest = engine.answer(self.path, body, length)
                self.send_response(status)
                self.send_header("Content-Length", str(len(head) + len(rest)))
                if rest:
                    self.send_header("Inference-Header-Content-Length", str(len(head)))
                self.end_headers()
                self.wfile.write(head + rest)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        with Server(("127.0.0.1", port), Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            self.url = f"http://127.0.0.1:{server.server_port}"
            try:
                yield self.url
            finally:
                server.shutdown()
                # A process that ends takes what is kept with it.
                for one in connections:
                    with suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)
                thread.join()

    def answer(
        self, path: str, body: bytes, length: str | None
    ) -> tuple[int, bytes, bytes]:
        if refused := self.refuse(path):
            return refused[0], json.dumps(refused[1]).encode(), b""
        if path == "/v2/health/ready":
            return 200, b"", b""
        if path == "/v2":
            return 200, json.dumps({"name": "fake", "version": "1"}).encode(), b""
        if not path.startswith(f"/v2/models/{self.name}"):
            said = f"Request for unknown model: '{path}' is not found"
            return 400, json.dumps({"error": said}).encode(), b""
        if path.endswith("/infer"):
            return self._infer(body, int(length or 0))
        return 200, json.dumps(self.spoil(self._metadata())).encode(), b""

    def _metadata(self) -> dict[str, Any]:
        manifest = self.runner.manifest
        size = manifest.input_size_px

        def tensor(name: str, shape: tuple[int, ...]) -> dict[str, Any]:
            return {"name": name, "datatype": "FP32", "shape": [-1, *shape]}

        return {
            "name": self.name,
            "inputs": [tensor(manifest.inputs[0], (1, size, size))],
            "outputs": [
                tensor(name, shape)
                for name, shape in task_of(manifest).shapes(manifest).items()
            ],
        }

    def _infer(self, body: bytes, length: int) -> tuple[int, bytes, bytes]:
        (asked,) = json.loads(body[:length])["inputs"]
        batch = np.frombuffer(body, np.float32, offset=length).reshape(asked["shape"])
        answers = self.runner.run(batch.copy())
        tensors, told = b"", []
        for name in answers[0]:
            values = np.stack([one[name] for one in answers])
            tensors += values.tobytes()
            told.append(
                {
                    "name": name,
                    "datatype": "FP32",
                    "shape": list(values.shape),
                    "parameters": {"binary_data_size": values.nbytes},
                }
            )
        return 200, json.dumps(self.spoil({"outputs": told})).encode(), tensors
