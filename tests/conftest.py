"""What every test has at hand."""

import socket
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Real images and weights beside the project; skips where they are absent."""
    path = ROOT.parent / "shared"
    if not path.is_dir():
        pytest.skip("the folder of real images (../shared) is not on this machine")
    return path


@pytest.fixture
def free_port() -> int:
    """A loopback TCP port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
