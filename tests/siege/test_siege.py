"""Kill -9 at random moments, start and stop included: nothing acknowledged is lost.

``python -m tests.siege --kills 1000`` does it for as long as one likes.
"""

import os
import shutil
import subprocess
import sys

import pytest

from tests.peers.postgres import postgres_url

__all__ = ["postgres_url"]
MINUTES = os.environ.get("CXR_NODE_SIEGE_MINUTES", "1")
POWER = pytest.mark.skipif(
    shutil.which("gcc") is None,
    reason="the emulation of a power cut needs gcc",
)


def siege(*arguments):
    """Lay siege in a process of its own: a library may be loaded into its children."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.siege", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--kills", "4", "--seed", "13"], id="one process"),
        pytest.param(["--kills", "4", "--seed", "14", "--roles"], id="roles"),
        pytest.param(
            ["--kills", "2", "--seed", "15", "--power"], id="power", marks=POWER
        ),
    ],
)
def test_whenever_a_node_dies_every_acknowledged_film_ends_delivered(arguments):
    ended = siege(*arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr[-4000:]


@pytest.mark.big
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="one process"),
        pytest.param(["--roles"], id="roles"),
        pytest.param(["--postgresql"], id="PostgreSQL"),
        pytest.param(["--postgresql", "--roles"], id="PostgreSQL, roles"),
        pytest.param(["--power"], id="power", marks=POWER),
        pytest.param(["--power", "--roles"], id="power, roles", marks=POWER),
    ],
)
def test_many_deaths_lose_nothing(arguments, request):
    if "--postgresql" in arguments:
        request.getfixturevalue("postgres_url")  # skips where there is none
    ended = siege("--kills", "10000", "--minutes", MINUTES, *arguments)
    print(ended.stdout)  # noqa: T201  the figures are what a long run is for
    assert ended.returncode == 0, ended.stdout + ended.stderr[-4000:]
