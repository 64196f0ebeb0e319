"""A real PostgreSQL server for the tests: started on a free port, gone afterwards."""

import os
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
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
    with server() as url:
        if url is None:
            pytest.skip("PostgreSQL's server is not installed (no initdb)")
        yield url


@contextmanager
def server() -> Iterator[str | None]:
    """Run a server; ``None`` where there is none to be run."""
    programs = sorted(_INSTALLATIONS.glob("*/bin/initdb"))
    if not programs:
        yield None
        return
    with _server(programs[-1].parent) as url:
        yield url


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
def _server(programs: Path) -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="cxr-postgres-"))
    user = _owner(folder)
    data = folder / "data"
    initdb = ["initdb", "-U", "cxr", "-A", "trust", "-E", "UTF8", "--no-sync"]
    port = free_port()
    options = [f"-p{port}", *(f"-c{name}={value}" for name, value in _OPTIONS.items())]
    log = str(folder / "log")
    start = ["pg_ctl", "start", "-w", "-t", _START_S, "-l", log, "-o", _quote(options)]
    try:
        for command in (initdb, start):
            _run([str(programs / command[0]), *command[1:], "-D", str(data)], user)
        yield f"postgresql+psycopg://cxr@127.0.0.1:{port}/postgres"
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
