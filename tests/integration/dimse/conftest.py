"""A listening node on a loopback port, and raw bytes to throw at it."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.peers.receiving import Listening, listening


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Listening]]:
    """Start a node with fields of ``DimseConfig``."""
    with ExitStack() as stack:

        def begin(**config: Any) -> Listening:
            return stack.enter_context(listening(tmp_path, **config))

        yield begin


@pytest.fixture
def node(start: Callable[..., Listening]) -> Listening:
    """A node that talks to anybody."""
    return start()


class Line:
    """A TCP connection that says what it likes."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection(
            ("127.0.0.1", port), timeout=180, source_address=(source, 0)
        )

    def say(self, data: bytes) -> None:
        self._socket.sendall(data)

    def hear(self) -> bytes:
        """Read until the node closes the connection."""
        heard = b""
        try:
            while piece := self._socket.recv(65536):
                heard += piece
        except ConnectionResetError:
            pass
        return heard

    def hear_some(self, count: int) -> bytes:
        heard = b""
        while len(heard) < count:
            piece = self._socket.recv(count - len(heard))
            if not piece:
                break
            heard += piece
        return heard

    def hang_up(self) -> None:
        self._socket.close()


@pytest.fixture
def dial() -> Iterator[Callable[..., Line]]:
    """Open raw connections."""
    lines: list[Line] = []

    def connect(port: int, source: str = "127.0.0.1") -> Line:
        lines.append(Line(port, source))
        return lines[-1]

    yield connect
    for line in lines:
        line.hang_up()
