"""``send`` and ``echo``: whom they call, as whom, and what they say of a failure."""

import pytest
from click.testing import CliRunner

from dicom_node.cli import cli
from dicom_node.cli.network import calling_title
from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.node.settings.load import Settings
from tests.peers.pacs import PACS
from tests.peers.receiving import listening, radiograph, written

ITSELF = RemoteAE("CXR_NODE", "127.0.0.1", 11112)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("CXR_NODE_SECRETS_DIR", str(tmp_path / "no-secrets"))
    monkeypatch.chdir(tmp_path)


def run(*arguments):
    return CliRunner().invoke(cli, arguments, prog_name="cxr-node")


def settings(*peers):
    tables = [dict(zip(("ae_title", "address"), peer, strict=False)) for peer in peers]
    return Settings.load(None, {"dimse": {"peers": tables}})


@pytest.mark.parametrize(
    ("peers", "remote", "calling"),
    [
        ([("MOD1",)], ITSELF, "MOD1"),
        ([("FAR", "192.0.2.1"), ("NEAR", "127.0.0.0/8")], ITSELF, "NEAR"),
        ([("FAR", "192.0.2.1")], ITSELF, "CXR_NODE"),
        ([], ITSELF, "CXR_NODE"),
        ([("MOD1",)], RemoteAE("PACS", "192.0.2.4", 104), "CXR_NODE"),
        ([("MOD1",)], RemoteAE("PACS", "127.0.0.1", 4242), "CXR_NODE"),
    ],
)
def test_the_node_itself_is_called_as_a_peer_that_it_knows(peers, remote, calling):
    assert calling_title(settings(*peers), remote) == calling


def test_a_destination_is_called_by_name_and_a_near_miss_is_named(tmp_path):
    with PACS().listening() as port:
        (tmp_path / "node.toml").write_text(
            '[[destinations]]\nname = "archive"\nae_title = "PACS"\n'
            f'host = "127.0.0.1"\nport = {port}\n'
        )
        answered = run("echo", "archive", "--config", "node.toml")
        assert answered.stdout == f"PACS at 127.0.0.1:{port} answers.\n"
    missed = run("echo", "archve", "--config", "node.toml")
    assert missed.exit_code == 2
    assert "did you mean 'archive'?" in missed.stderr


@pytest.mark.parametrize("command", ["send", "echo"])
def test_a_node_that_does_not_know_the_caller_says_how_to_call_it(tmp_path, command):
    film = tmp_path / "film.dcm"
    film.write_bytes(written(radiograph(1)))
    from_file = (str(film), "--to") if command == "send" else ()
    with listening(tmp_path, accept_unknown_peers=False) as node:
        target = f"CXR_NODE@127.0.0.1:{node.port}"
        result = run(command, *from_file, target, "--calling", "STRANGER")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert "rejected the association: calling AE title not recognised" in line
    assert "add STRANGER" in line
    assert "--calling" in line


def test_a_film_is_sent_under_the_title_that_is_said(tmp_path):
    film = tmp_path / "film.dcm"
    film.write_bytes(written(radiograph(1)))
    with listening(tmp_path) as node:
        target = f"CXR_NODE@127.0.0.1:{node.port}"
        result = run("send", str(film), "--to", target, "--calling", "MOD7")
        assert (result.exit_code, result.stdout) == (0, "1 stored, 0 not.\n")
        received = node.receiver.instance(radiograph(1).SOPInstanceUID)
    assert received.calling_ae == "MOD7"


def test_what_is_missing_is_called_missing_and_an_empty_folder_empty(tmp_path):
    missing = run("send", "absent.dcm", "--to", "A@127.0.0.1:1")
    assert (missing.exit_code, "no such file: absent.dcm" in missing.stderr) == (
        2,
        True,
    )
    (tmp_path / "empty").mkdir()
    nothing = run("send", "empty", "--to", "A@127.0.0.1:1")
    assert (nothing.exit_code, "no DICOM file" in nothing.stderr) == (2, True)
