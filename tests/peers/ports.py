"""Loopback ports that stay free until somebody listens on them.

They lie below the range from which systems give ports to outgoing connections
(32768 on Linux, 49152 elsewhere): a port from there may be anybody's in a moment, and
who calls one again and again that nobody listens on may in the end reach himself.
"""

import os
import random
import socket

_SHARE = 3_000
# Test processes that run beside each other have ports of their own.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PORTS = range(20_000 + _WORKER % 4 * _SHARE, 20_000 + (_WORKER % 4 + 1) * _SHARE)
_given: set[int] = set()


def free_port() -> int:
    """Give a port that nothing listens on, and each of them once."""
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise RuntimeError("no port is free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
