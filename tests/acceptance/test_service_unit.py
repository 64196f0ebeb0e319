"""The files for systemd and logrotate, by systemd's own programs."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.factories.pages import commands

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "conf" / "systemd" / "cxr-node.service"
DROP_INS = sorted((ROOT / "conf" / "systemd" / "cxr-node.service.d").iterdir())
MOST = 2.0
"""Exposure by ``systemd-analyze security``: from 0 (none) to 10."""


def systemd(program, *arguments, cwd):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    return subprocess.run(
        [program, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(params=[(), *([one] for one in DROP_INS), DROP_INS], ids=len)
def unit(request, tmp_path):
    """The unit alone, with each of its additions, and with all of them."""
    copied = tmp_path / UNIT.name
    shutil.copy(UNIT, copied)
    additions = tmp_path / f"{UNIT.name}.d"
    additions.mkdir()
    for one in request.param:
        shutil.copy(one, additions)
    return copied


def test_the_unit_leaves_little_open(unit):
    told = systemd(
        "systemd-analyze",
        "security",
        "--offline=yes",
        f"./{unit.name}",
        cwd=unit.parent,
    )
    found = re.search(r"Overall exposure level .*: ([0-9.]+)", told.stdout)
    assert found, told.stdout + told.stderr
    assert float(found[1]) <= MOST


def test_every_line_of_the_unit_is_known(unit):
    told = systemd("systemd-analyze", "verify", f"./{unit.name}", cwd=unit.parent)
    # That the program is not installed here is the only thing that may be said.
    lines = [
        line for line in told.stderr.splitlines() if "is not executable" not in line
    ]
    assert [line for line in lines if UNIT.name in line] == []


def test_user_and_folders_are_made(tmp_path):
    (tmp_path / "etc").mkdir()
    root = f"--root={tmp_path}"
    made = systemd("systemd-sysusers", root, _conf("sysusers"), cwd=ROOT)
    assert made.returncode == 0, made.stderr
    assert re.search(
        "^cxr-node:.*nologin$", (tmp_path / "etc/passwd").read_text(), re.MULTILINE
    )
    made = systemd("systemd-tmpfiles", "--create", root, _conf("tmpfiles"), cwd=ROOT)
    for folder, mode in (("var/lib", 0o700), ("var/log", 0o700), ("etc", 0o750)):
        path = tmp_path / folder / "cxr-node"
        assert path.stat().st_mode & 0o777 == mode, made.stderr


def test_what_the_page_copies_is_there():
    copied = [
        word
        for line in commands("operations.md", "Install")
        for word in line.split()
        if word.startswith("conf/")
    ]
    assert len(copied) >= 4
    assert all((ROOT / path).is_file() for path in copied)


def test_the_unit_and_the_page_speak_of_one_place():
    text = UNIT.read_text()
    for place in ("/opt/cxr-node/bin/cxr-node", "/etc/cxr-node/node.toml"):
        assert place in text
        assert place in (ROOT / "docs" / "operations.md").read_text()


def test_the_log_is_turned_over_as_written(tmp_path):
    if shutil.which("logrotate") is None:
        pytest.skip("logrotate is not installed")
    if os.geteuid() != 0:
        pytest.skip("needs root, as logrotate does")
    log, rules = tmp_path / "node.log", tmp_path / "rules"
    text = (ROOT / "conf" / "logrotate").read_text()
    text = text.replace("/var/log/cxr-node/node.log", str(log))
    text = text.replace("cxr-node cxr-node", "root root")
    rules.write_text(text.replace("systemctl kill", f"echo > {tmp_path}/told; true"))
    rules.chmod(0o644)
    log.write_text("a line\n")
    forced = ("--force", "--state", tmp_path / "state", rules)
    told = systemd("logrotate", *forced, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "node.log.1").read_text() == "a line\n"
    assert log.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "told").is_file()


def _conf(kind):
    return ROOT / "conf" / "systemd" / f"cxr-node.{kind}.conf"
