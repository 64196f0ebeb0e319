"""The emulated power cut: what was synced stays, what was not goes."""

import random
import shutil
import subprocess
import sys
from copy import deepcopy

import pytest

from tests.siege.power import Disk

WRITES = """
import os, sys
from pathlib import Path
root = Path(sys.argv[1])
def write(name, sync):
    with (root / name).open("w") as file:
        file.write(name)
        file.flush()
        if sync:
            os.fsync(file.fileno())
def sync_names():
    descriptor = os.open(root, os.O_RDONLY)
    os.fsync(descriptor)
write("durable", sync=True)
write("names only", sync=False)
sync_names()
write("content only", sync=True)
(root / "durable").open("a").write(" and more")
"""
SQLITE = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1] + "/node.db", isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("PRAGMA synchronous = " + sys.argv[2])
connection.execute("CREATE TABLE film (uid TEXT)")
for number in range(20):
    connection.execute("INSERT INTO film VALUES (?)", (str(number),))
os.kill(os.getpid(), signal.SIGKILL)
"""
COUNT = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1] + "/node.db")
print(*connection.execute("SELECT count(*) FROM film").fetchone())
"""


@pytest.fixture
def disk(tmp_path, monkeypatch):
    if shutil.which("gcc") is None:
        pytest.skip("the emulation of a power cut needs gcc")
    for name in ("LD_PRELOAD", "POWER_ROOT", "POWER_SHADOW"):
        monkeypatch.setenv(name, "")
    disk = Disk(tmp_path)
    disk.preload(tmp_path)
    return disk


def run(program, *arguments):
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout


def strictly(disk):
    """Cut without luck: nothing stays that was not synced."""
    chances = (random.Random(seed) for seed in range(99))  # noqa: S311  no secrets
    disk.cut(next(one for one in chances if deepcopy(one).random() >= 0.5))


def test_only_what_was_synced_stays(disk):
    run(WRITES, disk.root)
    strictly(disk)
    left = {path.name: path.read_text() for path in disk.root.iterdir()}
    assert left == {"durable": "durable", "names only": ""}


@pytest.mark.parametrize(("level", "kept"), [("FULL", "20"), ("OFF", "")])
def test_a_database_keeps_what_it_synced(disk, level, kept):
    run(SQLITE, disk.root, level)
    strictly(disk)
    assert run(COUNT, disk.root).strip() == kept
