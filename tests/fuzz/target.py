"""What is attacked: something that takes inputs, and is well afterwards."""

import os
import socket
from contextlib import suppress
from random import Random
from typing import Protocol

from tests.fuzz.findings import Finding

PATIENCE_S = float(os.environ.get("CXR_NODE_FUZZ_PATIENCE_S", "60"))
"""Longer than any answer takes on a busy machine, with the time-outs that targets set;
who has not answered then hangs."""
_SHORTLY_S = 0.2
_NO_MORE_S = 0.02


class Target(Protocol):
    """A place where hostile bytes arrive."""

    def make(self, chance: Random) -> bytes:
        """Make an input; the same chance makes the same one."""
        ...

    def take(self, data: bytes) -> None:
        """Give an input to the product; raises Finding when it misbehaves."""
        ...

    def is_well(self) -> None:
        """Use it as one should; raises Finding when that does not work."""
        ...


def converse(port: int, data: bytes, ends: bytes) -> bytes:
    """Say bytes to a listener and hear its answers until it hangs up.

    Parameters
    ----------
    ends
        A last answer, after which nothing more is waited for.

    Raises
    ------
    Finding
        The listener neither answers nor hangs up.
    """
    heard = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as line:
        try:
            line.sendall(data)
            _hear_shortly(line, heard, ends)
            line.shutdown(socket.SHUT_WR)
            line.settimeout(PATIENCE_S)
            while piece := line.recv(65536):
                heard += piece
        except TimeoutError as error:
            raise Finding("neither an answer nor the end of the connection") from error
        except OSError:
            pass
    return bytes(heard)


def _hear_shortly(line: socket.socket, heard: bytearray, ends: bytes) -> None:
    """Hear for a moment: who was told nonsense may be waiting for more of it."""
    line.settimeout(_SHORTLY_S)
    with suppress(TimeoutError):
        while not heard.endswith(ends):
            piece = line.recv(65536)
            if not piece:
                return
            heard += piece
            line.settimeout(_NO_MORE_S)
