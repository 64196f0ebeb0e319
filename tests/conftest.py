"""What every test has at hand."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from dicom_node.node.logs import CHATTY
from tests.peers import ports

# However long an example takes: that tells of the machine. The same examples in every
# run that decides something; new ones while developing.
settings.register_profile(
    "steady",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("steady")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def same_log_level() -> Iterator[None]:
    """Put back what a command that was run in this process has set."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


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
    return ports.free_port()


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """Take back what a command run in this process makes of the log.

    Before a test as well: a fixture of its module may have run one.
    """
    _forget_log()
    yield
    _forget_log()


def _forget_log() -> None:
    root = logging.getLogger()
    root.handlers[:] = [one for one in root.handlers if _is_of_pytest(one)]
    root.setLevel(logging.WARNING)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.NOTSET)


def _is_of_pytest(handler: logging.Handler) -> bool:
    return type(handler).__module__.startswith("_pytest.")
