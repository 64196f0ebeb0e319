"""``instances``, and ``jobs show`` of what has no job: what became of every image."""

import json

import pytest
from click.testing import CliRunner

from dicom_node.cli import cli
from storage.catalog import instances, quarantine
from storage.database import Database
from storage.objects.protocol import StoredObject
from storage.records import Cause, Reason
from tests.factories.rows import after, an_instance, receive

LATERAL = Reason("VIEW_LATERAL", "This is a lateral view.", Cause.IMAGE)


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A node that received a film twice, a lateral, and another under a known UID."""
    monkeypatch.setenv("CXR_NODE_SECRETS_DIR", str(tmp_path / "no-secrets"))
    file = tmp_path / "node.toml"
    file.write_text(f'[node]\ndata_dir = "{tmp_path / "data"}"\n')
    database = Database(f"sqlite:///{tmp_path / 'data' / 'node.db'}")
    database.migrate()
    receive(database, 1, 2)
    with database.transaction() as tx:
        assert not instances.add_instance(tx, an_instance(2, received_at=after(40)))
        instances.add_instance(
            tx, an_instance(3, not_eligible=LATERAL, calling_ae="OTHER")
        )
        quarantine.keep_apart(
            tx, "1.2.3.1", StoredObject("ff/1", 7, "f" * 64), "FORGER", after(50)
        )
    database.close()
    return str(file)


def run(*arguments):
    return CliRunner().invoke(cli, arguments, prog_name="cxr-node")


def listed(config, *options):
    result = run("instances", "list", "--json", *options, "--config", config)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_every_image_is_listed_with_its_state_and_reason(config):
    items = listed(config)["items"]
    seen = [(one["sop_instance_uid"], one["state"]) for one in items]
    assert seen == [
        ("1.2.3.1", "quarantined"),
        ("1.2.3.3", "not eligible"),
        ("1.2.3.2", "queued"),
        ("1.2.3.1", "queued"),
    ]
    reasons = [one["reason"] and one["reason"]["code"] for one in items]
    assert reasons == ["DUPLICATE_UID", "VIEW_LATERAL", None, None]
    assert [one["duplicates"] for one in items] == [0, 0, 1, 0]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--state", "quarantined"), ["1.2.3.1"]),
        (("--state", "not eligible"), ["1.2.3.3"]),
        (("--reason", "VIEW_LATERAL"), ["1.2.3.3"]),
        (("--reason", "DUPLICATE_UID"), ["1.2.3.1"]),
        (("--calling-ae", "OTHER"), ["1.2.3.3"]),
        (("--calling-ae", "FORGER"), ["1.2.3.1"]),
        (("--patient-id", "P1"), ["1.2.3.1", "1.2.3.1"]),
        (("--duplicates",), ["1.2.3.2"]),
        (("--since", "2100-01-01"), []),
        (("--since", "2020-01-01", "--utc", "--limit", "1"), ["1.2.3.1"]),
    ],
)
def test_the_list_is_narrowed(config, options, found):
    items = listed(config, *options)["items"]
    assert [one["sop_instance_uid"] for one in items] == found


def test_pages_follow_each_other_without_gaps_or_repeats(config):
    whole, pages, cursor = listed(config)["items"], [], ()
    while True:
        page = listed(config, "--limit", "1", *cursor)
        pages += page["items"]
        if page["next"] is None:
            break
        cursor = ("--cursor", page["next"])
    assert pages == whole


def test_the_table_states_the_time_zone(config):
    head, *rows = run("instances", "list", "--utc", "--config", config).stdout.split(
        "\n"
    )
    assert head.split()[:4] == ["IMAGE", "STATE", "RECEIVED", "FROM"]
    assert all("+00:00" in row for row in rows if row)
    assert any("1 x" in row for row in rows)


@pytest.mark.parametrize("command", ["jobs", "instances"])
def test_an_image_without_a_job_has_its_story_told(config, command):
    result = run(command, "show", "1.2.3.3", "--config", config)
    assert result.exit_code == 0
    assert "state: not eligible" in result.stdout
    assert "VIEW_LATERAL" in result.stdout
    assert "what to do: check the reason" in result.stdout
    told = run(command, "show", "1.2.3.3", "--json", "--config", config)
    assert json.loads(told.stdout)["reason"]["code"] == "VIEW_LATERAL"


@pytest.mark.parametrize("command", ["jobs", "instances"])
def test_what_came_under_the_same_uid_is_told_too(config, command):
    result = run(command, "show", "1.2.3.1", "--config", config)
    assert "quarantined: other bytes under this UID, from FORGER" in result.stdout
    assert "meaning: stored durably" in result.stdout


def test_an_image_that_never_came_is_said_to_be_unknown(config):
    result = run("jobs", "show", "9.9.9", "--config", config)
    assert result.exit_code == 1
    assert "9.9.9: it was never stored here" in result.stderr
