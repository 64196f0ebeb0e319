"""A real Ceph with one disk and its S3 gateway (RGW), for the tests.

From Debian's packages radosgw, ceph-mon, ceph-osd and ceph-mgr; everything in one
folder and on loopback.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from tests.factories.nodes import wait_until
from tests.peers.ports import free_port
from tests.peers.s3 import KEY_ID, SECRET

_PROGRAMS = ("ceph-mon", "ceph-osd", "ceph-mgr", "ceph", "radosgw", "radosgw-admin")
_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
_CAPABILITIES = {
    "client.admin": "mon 'allow *' osd 'allow *' mds 'allow *' mgr 'allow *'",
    "osd.0": "mon 'allow profile osd' osd 'allow *' mgr 'allow profile osd'",
    "mgr.x": "mon 'allow profile mgr' osd 'allow *' mds 'allow *'",
    "client.rgw": "mon 'allow rw' osd 'allow rwx'",
}
_DAEMON_S = 300.0


@pytest.fixture(scope="session")
def ceph_url() -> Iterator[str]:
    """The URL of a gateway; skips where Ceph is not installed."""
    if missing := [
        name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None
    ]:
        pytest.skip(f"Ceph is not installed ({', '.join(missing)})")
    with own_ceph() as gateway:
        yield gateway.url


class Gateway:
    """A gateway that a test may kill and start again."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._folder = folder

    def start(self) -> None:
        _run(self._folder, "radosgw", "-n", "client.rgw")
        assert wait_until(self._answers, _DAEMON_S)

    def kill(self) -> None:
        _end(self._folder / "run" / "client.rgw.pid", signal.SIGKILL)
        (self._folder / "run" / "client.rgw.asok").unlink(missing_ok=True)

    def _answers(self) -> bool:
        try:
            with closing(HTTPConnection("127.0.0.1", self._port, timeout=10)) as there:
                there.request("GET", "/")
                return there.getresponse().status == HTTPStatus.OK
        except (HTTPException, OSError):
            return False


@contextmanager
def own_ceph() -> Iterator[Gateway]:
    """Run one for the length of a block."""
    folder = Path(tempfile.mkdtemp(prefix="cxr-ceph-"))
    monitor, gateway = free_port(), free_port()
    try:
        _write(folder, monitor, gateway)
        _start(folder, monitor)
        made = Gateway(folder, gateway)
        made.start()
        _run(folder, "radosgw-admin", "user", "create", "--uid=cxr",
             "--display-name=cxr", f"--access-key={KEY_ID}",
             f"--secret-key={SECRET}", "-n", "client.rgw")  # fmt: skip
        yield made
    finally:
        for file in (folder / "run").glob("*.pid"):
            _end(file, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def _write(folder: Path, monitor: int, gateway: int) -> None:
    for name in ("mon", "osd0", "mgr", "run", "log"):
        (folder / name).mkdir()
    (folder / "ceph.conf").write_text(f"""[global]
fsid = {uuid.uuid4()}
mon initial members = a
mon host = v1:127.0.0.1:{monitor}
public addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail crit = 1
mon data avail warn = 2
mon warn on pool no redundancy = false
mon pg warn min per osd = 0
mon max pg per osd = 1000
ms bind ipv6 = false
ms bind msgr2 = false
log file = {folder}/log/$name.log
admin socket = {folder}/run/$name.asok
pid file = {folder}/run/$name.pid
run dir = {folder}/run
keyring = {folder}/keyring
osd objectstore = bluestore
bluestore block size = 4294967296
bluestore fsck on mount = false
osd memory target = 900000000
osd data = {folder}/osd0
mon data = {folder}/mon
mgr data = {folder}/mgr
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{gateway}
rgw dns name = 127.0.0.1
""")


def _start(folder: Path, monitor: int) -> None:
    keyring = str(folder / "keyring")
    _run(folder, "ceph-authtool", "--create-keyring", keyring, "--gen-key",
         "-n", "mon.", "--cap", "mon", "allow *")  # fmt: skip
    for name, capabilities in _CAPABILITIES.items():
        parts = capabilities.replace("' ", "'").split("'")[:-1]
        caps = [
            word
            for kind, what in zip(parts[::2], parts[1::2], strict=True)
            for word in ("--cap", kind.strip(), what)
        ]
        _run(folder, "ceph-authtool", keyring, "--gen-key", "-n", name, *caps)
    _run(folder, "monmaptool", "--create", "--addv", "a",
         f"[v1:127.0.0.1:{monitor}]", "--fsid", _fsid(folder),
         str(folder / "monmap"))  # fmt: skip
    _run(folder, "ceph-mon", "-i", "a", "--mkfs", "--monmap",
         str(folder / "monmap"), "--keyring", keyring)  # fmt: skip
    _run(folder, "ceph-mon", "-i", "a")
    osd = str(uuid.uuid4())
    _run(folder, "ceph", "osd", "new", osd)
    _run(folder, "ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd,
         "--keyring", keyring)  # fmt: skip
    _run(folder, "ceph-osd", "-i", "0")
    _run(folder, "ceph-mgr", "-i", "x")

    def is_up() -> bool:
        said = json.loads(_run(folder, "ceph", "-f", "json", "osd", "stat"))
        return bool(said["num_up_osds"] == 1)

    assert wait_until(is_up, _DAEMON_S)


def _fsid(folder: Path) -> str:
    for line in (folder / "ceph.conf").read_text().splitlines():
        if line.startswith("fsid"):
            return line.partition("= ")[2]
    raise AssertionError


def _run(folder: Path, program: str, *words: str) -> str:
    known = () if program in {"ceph-authtool", "monmaptool"} else ("-c", "ceph.conf")
    with (folder / "log" / "commands").open("ab") as log:
        done = subprocess.run(
            [program, *known, *words],
            cwd=folder,
            env={"PATH": _PATH, "CEPH_CONF": str(folder / "ceph.conf"), "HOME": "/"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            timeout=_DAEMON_S,
            check=True,
        )
    return done.stdout.decode()


def _end(file: Path, number: signal.Signals) -> None:
    """End the daemon that wrote its process id there."""
    try:
        descriptor = os.pidfd_open(int(file.read_text()))
    except (OSError, ValueError):
        return
    try:
        signal.pidfd_send_signal(descriptor, number)
        select.select([descriptor], [], [], 60)
    finally:
        os.close(descriptor)
