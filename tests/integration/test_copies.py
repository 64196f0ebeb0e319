"""A copy of a node, and the way back: nothing is lost, and nothing doubled."""

import json

import pytest
from click.testing import CliRunner

from dicom_node.cli import cli
from tests.factories.nodes import destination, scripted_node, settings
from tests.integration.test_bond import Site, without_loss
from tests.peers.pacs import PACS


@pytest.fixture
def pacs():
    pacs = PACS()
    with pacs.listening():
        yield pacs


@pytest.fixture
def site(tmp_path, pacs):
    return Site(tmp_path, pacs)


def run(*arguments):
    done = CliRunner().invoke(cli, [str(one) for one in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def config_of(site):
    return site.config("")


def erase(site, *options):
    return CliRunner().invoke(
        cli, ["erase", "--config", str(config_of(site)), *options, "--json"]
    )


def test_after_a_restore_of_yesterdays_copy_nothing_is_doubled(site, tmp_path):
    conf, copy = site.settings(), tmp_path / "copy"
    with scripted_node(conf) as node:
        site.receive(node, 1, 2)
        site.deliver(node)
        first = copied(site, copy)
        again = copied(site, copy)
        site.receive(node, 3)
        site.deliver(node)
    assert (first["objects"] > 0, again["objects"]) == (True, 0)
    held = dict(site.pacs.held)
    run("restore", copy, "--config", config_of(site), "--yes")
    with without_loss(site), scripted_node(conf) as node:
        site.deliver(node)
    assert site.pacs.held == held


def test_where_the_disk_was_lost_too_results_keep_their_uids(site, tmp_path):
    conf, copy = site.settings(), tmp_path / "copy"
    with scripted_node(conf) as node:
        site.receive(node, 1)
        site.deliver(node)
        copied(site, copy)
        site.receive(node, 2)
        site.deliver(node)
    held = set(site.pacs.held)
    site.folder.rename(tmp_path / "lost")
    run("restore", copy, "--config", config_of(site), "--yes")
    with scripted_node(conf) as node:
        site.receive(node, 2)
        site.deliver(node)
    assert set(site.pacs.held) == held


def copied(site, folder):
    return json.loads(run("backup", folder, "--config", config_of(site), "--json"))


def test_a_copy_is_for_its_owner_only_and_lies_elsewhere(site, tmp_path):
    copy = tmp_path / "copy"
    with scripted_node(site.settings()) as node:
        site.receive(node, 1)
    run("backup", copy, "--config", config_of(site))
    modes = {path.stat().st_mode & 0o077 for path in copy.rglob("*") if path.is_file()}
    assert modes == {0}
    inside = CliRunner().invoke(
        cli,
        ["backup", str(site.folder / "copy"), "--config", str(config_of(site))],
    )
    assert inside.exit_code == 1
    assert "which is to be copied" in inside.stderr
    empty = CliRunner().invoke(
        cli,
        ["restore", str(tmp_path / "none"), "--config", str(config_of(site)), "--yes"],
    )
    assert empty.exit_code == 1
    assert "holds no copy" in empty.stderr


def test_a_patient_goes_and_the_others_stay(site):
    with scripted_node(site.settings()) as node:
        site.receive(node, 1, 2)
        site.deliver(node)
    gone, stays = site.films.values()
    assert gone.PatientID != stays.PatientID
    before = site.objects()
    planned = json.loads(erase(site, "--patient", gone.PatientID, "--dry-run").stdout)
    assert site.objects() == before
    assert not planned["erased"]
    done = json.loads(erase(site, "--patient", gone.PatientID, "--yes").stdout)
    assert done["erased"]
    assert done["images"] == planned["images"] == [gone.SOPInstanceUID]
    assert {one["sop_instance_uid"] for one in done["sent"]} == set(done["results"])
    left = site.objects()
    assert len(left) == len(before) / 2
    data = b"".join(path.read_bytes() for path in site.folder.glob("node.db*"))
    assert stays.PatientID.encode() in data
    nothing = json.loads(erase(site, "--patient", gone.PatientID, "--yes").stdout)
    assert (nothing["erased"], nothing["images"]) == (False, [])
    del site.films[gone.SOPInstanceUID]
    with scripted_node(site.settings()) as node:
        site.deliver(node)
    assert site.objects() == left


def test_what_is_being_done_is_not_erased(tmp_path):
    nowhere = destination("nowhere", 9)
    site = Site(tmp_path, None)
    site.settings = lambda: settings(site.folder, [nowhere])
    with scripted_node(site.settings()) as node:
        site.receive(node, 1)
    (film,) = site.films.values()
    before = site.objects()
    refused = erase(site, "--patient", film.PatientID, "--yes")
    assert refused.exit_code == 1
    assert "have not ended" in refused.stderr
    assert site.objects() == before


def test_retention_is_foretold(site):
    with scripted_node(site.settings()) as node:
        site.receive(node, 1)
        site.deliver(node)
    told = json.loads(run("retention", "--config", config_of(site), "--json"))
    assert [one["objects"] for one in told["items"]] == [0, 0]
    path = config_of(site)
    with path.open("a") as file:
        file.write("[retention]\nsources_days = 1e-9\nresults_days = 1e-9\n")
    told = json.loads(run("retention", "--config", path, "--json"))
    assert told["items"][0]["objects"] == 1
    assert told["items"][1]["objects"] > 1
