"""Users, keys and the first run, at the command line."""

import json
import tomllib

import pytest
from click.testing import CliRunner

from dicom_node.cli import cli
from dicom_node.node.doctor import verdicts
from dicom_node.node.doctor.network import access
from dicom_node.node.settings.load import Settings
from tests.peers.pacs import PACS

PASSWORD = "correct horse battery\n"  # noqa: S105  it opens nothing


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("CXR_NODE_SECRETS_DIR", str(tmp_path / "no-secrets"))
    monkeypatch.delenv("CXR_NODE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)


def run(*arguments, given=None):
    return CliRunner().invoke(cli, arguments, prog_name="cxr-node", input=given)


def listed(group):
    return json.loads(run(group, "list", "--json").stdout)["items"]


@pytest.mark.slow
def test_users_come_change_and_go():
    assert run("users", "add", "ann", "--role", "admin", given=PASSWORD).exit_code == 0
    twice = run("users", "add", "ann", "--role", "viewer", given=PASSWORD)
    assert twice.exit_code == 1
    assert "a user ann already" in twice.stderr
    assert run("users", "role", "ann", "operator").exit_code == 0
    assert run("users", "password", "ann", given=PASSWORD).exit_code == 0
    (ann,) = listed("users")
    assert (ann["name"], ann["role"]) == ("ann", "operator")
    assert "password_hash" not in ann
    assert run("users", "remove", "ann").exit_code == 0
    assert listed("users") == []
    assert run("users", "remove", "ann").exit_code == 1


@pytest.mark.slow
def test_a_key_is_shown_once():
    made = json.loads(run("keys", "add", "script", "--days", "30", "--json").stdout)
    assert made["key"].startswith("cxr_")
    assert made["role"] == "viewer"
    assert made["key"] not in run("keys", "list", "--json").stdout
    (key,) = listed("keys")
    assert key["expires_at"] == made["expires_at"]
    assert run("keys", "revoke", "script").exit_code == 0
    assert listed("keys") == []
    assert run("keys", "revoke", "script").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        (("users", "add", "ann", "--role", "king"), PASSWORD),
        (("users", "add", "ann"), PASSWORD),
        (("users", "add", " ann", "--role", "viewer"), PASSWORD),
        (("users", "add", "a\nb", "--role", "viewer"), PASSWORD),
        (("users", "add", "ann", "--role", "viewer"), "short\n"),
        (("users", "add", "ann", "--role", "viewer"), "x" * 1001),
        (("keys", "add", "script", "--days", "0"), None),
        (("erase",), None),
    ],
)
def test_what_cannot_be_used_is_refused(arguments, given):
    refused = run(*arguments, given=given)
    assert refused.exit_code == 2
    assert refused.stderr


ANSWERS = ("--ae-title", "CHEST", "--data-dir", "data", "--modality", "XR1@192.0.2.7")


@pytest.mark.slow
def test_a_node_is_set_up_by_five_answers(tmp_path):
    pacs = PACS()
    with pacs.listening() as port:
        done = run(
            *("init", *ANSWERS, "--pacs", f"PACS@127.0.0.1:{port}", "--admin", "ann"),
            given=PASSWORD,
        )
    assert done.exit_code == 0, done.output
    assert "http://127.0.0.1:8042/" in done.stdout
    settings = Settings.load(tmp_path / "node.toml")
    assert settings.node.ae_title == "CHEST"
    assert settings.dimse.peers[0].ae_title == "XR1"
    assert settings.destinations[0].port == port
    monkey = json.loads(run("users", "list", "--json", "--config", "node.toml").stdout)
    assert [(one["name"], one["role"]) for one in monkey["items"]] == [("ann", "admin")]
    again = run("init", *ANSWERS, "--pacs", "", "--admin", "")
    assert again.exit_code == 2
    assert "is there already" in again.stderr


@pytest.mark.slow
def test_nothing_is_written_when_the_pacs_does_not_answer(tmp_path):
    refused = run("init", *ANSWERS, "--pacs", "PACS@127.0.0.1:9", "--admin", "")
    assert refused.exit_code == 1
    assert not (tmp_path / "node.toml").exists()
    assert not (tmp_path / "data").exists()
    meant = run("init", *ANSWERS, "--pacs", "P@h:9", "--admin", "", "--no-echo")
    assert meant.exit_code == 0
    written = tomllib.loads((tmp_path / "node.toml").read_text())
    assert written["destinations"][0]["host"] == "h"


@pytest.mark.slow
def test_doctor_tells_monitoring(tmp_path):
    (tmp_path / "node.toml").write_text('[nodes]\nae_title = "X"\n')
    told = run("doctor", "--json", "--config", "node.toml")
    assert told.exit_code == 1
    found = json.loads(told.stdout)
    assert not found["ok"]
    assert found["checks"][0]["verdict"] == "failed"


@pytest.mark.slow
def test_doctor_says_whether_somebody_has_to_be_known(tmp_path):
    config = tmp_path / "node.toml"
    everywhere = '[http]\nhost = "0.0.0.0"\nport = 0\n'
    config.write_text(everywhere)
    assert access_of(config)["verdict"] == "failed"
    run("keys", "add", "script", "--config", str(config))
    told = access_of(config)
    assert told["verdict"] == "warning"
    assert "in the clear" in told["text"]
    config.write_text("[http]\nport = 0\n")
    assert access_of(config)["text"] == "whoever asks has to be known"
    run("keys", "revoke", "script", "--config", str(config))
    assert "nobody is asked" in access_of(config)["text"]


def access_of(config):
    settings = Settings.load(config)
    found = verdicts.run("access", lambda: access(settings))
    return {"verdict": found.verdict.lower(), "text": found.text}
