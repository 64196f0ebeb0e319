"""What the machine gives a node: found by the doctor, and refused at start in a line.

In processes of their own, as an administrator starts them.
"""

import os
import re
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.database import Database
from tests.factories.nodes import get, save, send, wait_until
from tests.factories.radiographs import synthetic_dataset
from tests.peers.postgres import run_statement

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "dicom_node"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "CXR_NODE_SECRETS_DIR": "/none"}

pytestmark = pytest.mark.slow


def configured(folder, text=""):
    config = folder / "node.toml"
    config.write_text(
        f'[node]\ndata_dir = "{folder}/data"\nminimum_free_bytes = 0\n'
        f'log_file = "{folder}/log"\n'
        '[[dimse.peers]]\nae_title = "MODALITY"\n'
        f"[http]\nport = 0\n{text}"
    )
    return config


# The interpreter may lie where only this user finds it: another one takes over when
# everything is loaded.
AS_NOBODY = """
import os, dicom_node.node.node, dicom_node.cli.running
from dicom_node.cli import main
os.setgid(65534), os.setuid(65534)
main()
"""


def refused(config, command=COMMAND):
    """The one line with which a node does not start."""
    result = subprocess.run(
        [*command, "serve", "--config", str(config), "--role", "receive"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd="/",
    )
    assert result.returncode in (1, 2), result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("cxr-node: ")
    return line


def examined(config):
    """What the doctor finds: the name of the check -> verdict and text."""
    result = subprocess.run(
        [*COMMAND, "doctor", "--config", str(config)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert "Traceback" not in result.stderr
    rows = (re.split(r"  +", line, maxsplit=2) for line in result.stdout.splitlines())
    return {name: (verdict, text) for name, verdict, text in rows}


@contextmanager
def serving(config, role="receive"):
    process = subprocess.Popen(
        [*COMMAND, "serve", "--config", str(config), "--role", role],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        umask=0o022,
    )
    log = config.parent / "log"
    try:
        assert wait_until(lambda: log.exists() and "is ready" in log.read_text())
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    finally:
        process.kill()
        process.wait()


def port_of(config, what):
    log = (config.parent / "log").read_text()
    return int(re.findall(rf"Listening as {what} on \S+?:(\d+)", log)[-1])


def test_what_a_node_writes_is_its_users_alone_old_files_too(tmp_path):
    old = tmp_path / "data" / "objects"
    old.mkdir(parents=True, mode=0o755)
    (tmp_path / "data" / "left").write_bytes(b"x")
    (tmp_path / "data" / "left").chmod(0o644)
    (tmp_path / "data").chmod(0o755)
    config = configured(tmp_path)
    config.write_text(
        config.read_text().replace("[[dimse", "[dimse]\nport = 0\n[[dimse")
    )
    film = save(synthetic_dataset("CR", 1, rows=512, columns=448), tmp_path)
    with serving(config):
        (stored,) = send(port_of(config, "CXR_NODE"), film)
        assert stored.status == 0
        found = [tmp_path / "data", *(tmp_path / "data").rglob("*")]
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in found}
    assert sum(path.is_file() for path in found) >= 3
    for path, mode in modes.items():
        assert mode == (0o700 if path.is_dir() else 0o600), path
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_a_folder_of_another_user_is_refused_in_one_line(tmp_path):
    # Everybody may pass to it, as to /var/lib.
    folder = tmp_path.resolve()
    for parent in (folder, *folder.parents):
        if str(parent).startswith("/tmp/"):  # noqa: S108  pytest's own folder
            parent.chmod(0o755)
    config = configured(folder)
    config.chmod(0o644)
    (folder / "data").mkdir(mode=0o755)
    text = config.read_text().replace(f'log_file = "{folder}/log"\n', "")
    config.write_text(text)
    nobody = [sys.executable, "-c", AS_NOBODY]
    assert f"{folder}/data" in refused(config, nobody)
    (folder / "data").chmod(0o700)
    assert f"{folder}/data" in refused(config, nobody)


def test_a_log_that_cannot_be_written_is_refused_in_one_line(tmp_path):
    config = configured(tmp_path)
    config.write_text(config.read_text().replace("/log", "/absent/log"))
    assert "node.log_file" in refused(config)
    assert examined(config)["permissions"][0] == "FAILED"


def test_numbers_that_no_machine_has_are_refused_in_one_line(tmp_path):
    config = configured(tmp_path, "[model]\nthreads = 100000\n")
    assert "model.threads" in refused(config)
    assert examined(config)["configuration"][0] == "FAILED"


@pytest.mark.parametrize("host", ["no-such-name.invalid", "192.0.2.77"])
def test_an_address_that_is_not_ours_is_refused_in_one_line(tmp_path, host):
    config = configured(tmp_path)
    text = config.read_text()
    config.write_text(text.replace("[[dimse", f'[dimse]\nhost = "{host}"\n[[dimse'))
    assert f"dimse.port: {host}:11112" in refused(config)


def test_names_that_do_not_resolve_are_found_by_the_doctor(tmp_path):
    text = (
        '[[destinations]]\nname = "pacs"\nae_title = "PACS"\n'
        'host = "pacs.invalid"\nport = 104\n'
    )
    config = configured(tmp_path, text)
    peer = 'ae_title = "MODALITY"\n'
    config.write_text(
        config.read_text().replace(peer, peer + 'address = "modality.invalid"\n')
    )
    found = examined(config)
    assert found["peers"][0] == "FAILED"
    assert "modality.invalid does not resolve" in found["peers"][1]
    assert found["destination pacs"][0] == "FAILED"
    assert "pacs.invalid" in found["destination pacs"][1]
    assert found["clock"][0] in ("ok", "warning")


def test_a_database_that_is_not_utf8_is_refused_in_one_line(tmp_path, postgres_url):
    run_statement(
        postgres_url,
        "CREATE DATABASE old ENCODING 'SQL_ASCII' TEMPLATE template0"
        " LC_COLLATE 'C' LC_CTYPE 'C'",
    )
    url = postgres_url.rpartition("/")[0] + "/old"
    try:
        config = configured(tmp_path, f'[database]\nurl = "{url}"\n')
        said = "the database has the encoding SQL_ASCII"
        assert said in refused(config)
        assert examined(config)["database"][0] == "FAILED"
        assert said in examined(config)["database"][1]
        database = Database(url)
        assert database.server_time() is not None
        database.close()
    finally:
        run_statement(postgres_url, "DROP DATABASE old WITH (FORCE)")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://user:secret@host:port/db",
        "postgresql+psycopg://[::1/db",
        "postgresql+psycopg://127.0.0.1:9/db?bogus=1",
        "postgresql+psycopg://user:secret@127.0.0.1:9/db",
        "mysql://user:secret@host/db",
    ],
)
def test_a_url_that_leads_nowhere_is_refused_in_one_line(tmp_path, url):
    line = refused(configured(tmp_path, f'[database]\nurl = "{url}"\n'))
    assert "database" in line
    assert "secret" not in line
    assert "internal error" not in line


def test_the_doctor_asks_the_node_that_runs(tmp_path, free_port):
    config = configured(tmp_path)
    text = config.read_text().replace("[http]\nport = 0", f"[http]\nport = {free_port}")
    config.write_text(text.replace("[[dimse", "[dimse]\nport = 0\n[[dimse"))
    with serving(config, "web"):
        assert get(free_port, "/health/ready")["warnings"] == {}
        found = examined(config)
    assert found["node: database"] == ("ok", "ok")
    assert found["node: disk"] == ("ok", "ok")
    assert found["HTTP port"][1].endswith("the node runs and answers")
