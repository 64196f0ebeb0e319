"""A real PostgreSQL server for the tests: started on a free port, gone afterwards."""

import os
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.peers.ports import free_port

_INSTALLATIONS = Path("/usr/lib/postgresql")
_START_S = "300"
_OPTIONS = {
    # Nothing here outlives the test run, so the disk need not be waited for.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "120",
    "shared_buffers": "32MB",
}


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server with an empty database; skips where PostgreSQL is not installed."""
    if not is_installed():
        pytest.skip("PostgreSQL's server is not installed (no initdb)")
    with own_server() as server:
        yield server.url


class Server:
    """A server that a test may stop and start again.

    Parameters
    ----------
    url
        Of its empty database.
    """

    def __init__(self, url: str, start: Callable[[], None], data: Path) -> None:
        self.url = url
        self.start = start
        self._data = data

    def stop(self) -> None:
        """Break every connection off and end."""
        _stop(self._data)


def is_installed() -> bool:
    """Tell whether a server can be run here."""
    return bool(_programs())


def _programs() -> list[Path]:
    return sorted(_INSTALLATIONS.glob("*/bin/initdb"))


@contextmanager
def new_database(server_url: str, name: str) -> Iterator[str]:
    """Make a database, and drop it afterwards."""
    run_statement(server_url, f'CREATE DATABASE "{name}"')
    yield server_url.rpartition("/")[0] + f"/{name}"
    run_statement(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


def run_statement(url: str, statement: str) -> None:
    """Run a statement outside the product's own connections."""
    plain = url.replace("postgresql+psycopg", "postgresql")
    with closing(psycopg.connect(plain, autocommit=True)) as connection:
        connection.execute(statement.encode())


@contextmanager
def own_server() -> Iterator[Server]:
    """Run a server for the length of a block."""
    programs = _programs()[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="cxr-postgres-"))
    user = _owner(folder)
    data = folder / "data"
    initdb = ["initdb", "-U", "cxr", "-A", "trust", "-E", "UTF8", "--no-sync"]
    port = free_port()
    options = [f"-p{port}", *(f"-c{name}={value}" for name, value in _OPTIONS.items())]
    log = str(folder / "log")
    start = ["pg_ctl", "start", "-w", "-t", _START_S, "-l", log, "-o", _quote(options)]

    def run(command: list[str]) -> None:
        _run([str(programs / command[0]), *command[1:], "-D", str(data)], user)

    try:
        run(initdb)
        run(start)
        url = f"postgresql+psycopg://cxr@127.0.0.1:{port}/postgres"
        yield Server(url, lambda: run(start), data)
    finally:
        _stop(data)
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: list[str], user: str | None) -> None:
    subprocess.run(
        command,
        user=user,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        cwd="/",
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _stop(data: Path) -> None:
    """Stop the server that wrote its process id there."""
    file = data / "postmaster.pid"
    if not file.exists():
        return
    process = int(file.read_text().splitlines()[0])
    descriptor = os.pidfd_open(process)
    try:
        os.kill(process, signal.SIGINT)
        # A process descriptor becomes readable when the process ends.
        select.select([descriptor], [], [], 60)
    finally:
        os.close(descriptor)


def _owner(folder: Path) -> str | None:
    """PostgreSQL refuses to run as root; hand the folder to its own user then."""
    if os.geteuid() != 0:
        return None
    shutil.chown(folder, "postgres", "postgres")
    return "postgres"


def _quote(options: list[str]) -> str:
    return " ".join(f"'{option}'" for option in options)
