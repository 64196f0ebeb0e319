"""Old studies are fetched from a PACS, behind everything new; results stay here."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from dicom_node.cli import cli
from dicom_node.node.roles import Role
from dicom_node.node.wiring.storage import make_database
from storage.catalog import instances
from storage.records import Priority
from storage.worklist import fetches, workitems
from storage.worklist.fetches import FetchState
from tests.factories import nodes
from tests.factories.radiographs import synthetic_dataset
from tests.peers.pacs import PACS
from tests.peers.ports import free_port

ARCHIVE = "ARCHIVE"
NOW = datetime.now(UTC)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def archive(tmp_path):
    """A PACS: another node, which keeps films and gives them out, by its port."""
    here = free_port()
    known = [
        {"ae_title": nodes.MODALITY},
        {"ae_title": nodes.AE_TITLE, "address": "127.0.0.1", "port": here},
    ]
    settings = nodes.settings(
        tmp_path / "archive",
        node={
            "ae_title": ARCHIVE,
            "data_dir": tmp_path / "archive",
            "minimum_free_bytes": 0,
        },
        dimse={"port": 0, "peers": known, "require_called_ae_title": False},
    )
    with nodes.scripted_node(settings, Role.RECEIVE) as node:
        yield node, here


def film(archive, folder, number, **overrides):
    """Have the PACS hold a film."""
    made = synthetic_dataset("CR", number, rows=512, columns=448, **overrides)
    nodes.send(archive[0], nodes.save(made, folder))
    return made


def node_settings(folder, archive, destinations=(), **sections):
    pacs, here = archive
    known = [
        {"ae_title": nodes.MODALITY},
        {"ae_title": ARCHIVE, "address": "127.0.0.1", "port": pacs.dimse_port},
    ]
    dimse = {"port": here, "peers": known}
    return nodes.settings(folder / "node", destinations, dimse=dimse, **sections)


def queue(settings, *films, deliver=False, peer=ARCHIVE):
    uids = [str(one.StudyInstanceUID) for one in films]
    with closing(make_database(settings)) as database:
        database.migrate()
        with database.transaction() as tx:
            return fetches.add(tx, peer, uids, deliver=deliver, now=NOW)


def stands(settings, *films, peer=ARCHIVE):
    uids = [str(one.StudyInstanceUID) for one in films]
    with (
        closing(make_database(settings)) as database,
        database.transaction(read_only=True) as tx,
    ):
        found = fetches.counts(tx, peer, uids)
    return {state: number for state, number in found.items() if number}


def ends(settings, *films, **options):
    def is_done():
        found = stands(settings, *films, **options)
        return set(found) <= {FetchState.FETCHED, FetchState.FAILED}

    assert nodes.wait_until(is_done)
    return stands(settings, *films, **options)


def test_results_of_what_was_queued_before_the_start_stay_here(archive, tmp_path):
    old = film(archive, tmp_path, 1)
    pacs = PACS()
    with pacs.listening() as port:
        settings = node_settings(tmp_path, archive, [nodes.destination("pacs", port)])
        (tmp_path / "node").mkdir()
        assert queue(settings, old) == 1
        with nodes.scripted_node(settings) as node:
            assert ends(settings, old) == {FetchState.FETCHED: 1}
            nodes.wait_for_state(node, old.SOPInstanceUID, "delivered")
            (job,) = nodes.get(node, "/api/v1/jobs")["items"]
    assert job["state"] == "COMPLETED"
    assert job["evidence"]
    assert not job["deliveries"]
    assert not pacs.stores


def test_results_are_sent_where_that_was_asked_for(archive, tmp_path):
    old = film(archive, tmp_path, 1)
    pacs = PACS()
    with pacs.listening() as port:
        settings = node_settings(tmp_path, archive, [nodes.destination("pacs", port)])
        (tmp_path / "node").mkdir()
        queue(settings, old, deliver=True)
        with nodes.scripted_node(settings) as node:
            nodes.wait_for_state(node, old.SOPInstanceUID, "delivered")
            assert pacs.wait_for(4)


def test_the_same_study_from_somebody_else_is_treated_as_usual(archive, tmp_path):
    old = film(archive, tmp_path, 1)
    settings = node_settings(tmp_path, archive)
    (tmp_path / "node").mkdir()
    queue(settings, old)
    with closing(make_database(settings)) as database, database.transaction() as tx:
        one = fetches.take(tx, LATER, LATER)
        study = one.study_instance_uid
        assert fetches.under_way(tx, study, ARCHIVE) is not None
        assert fetches.under_way(tx, study, nodes.MODALITY) is None
        # A crash: it is taken up again, but not before its time.
        assert fetches.take(tx, NOW, LATER) is None
        assert fetches.take(tx, LATER, LATER) == one


def test_what_is_fetched_waits_behind_everything_new(archive, tmp_path):
    old = film(archive, tmp_path, 1)
    settings = node_settings(tmp_path, archive)
    (tmp_path / "node").mkdir()
    queue(settings, old)
    new = synthetic_dataset("CR", 2, rows=512, columns=448)
    with nodes.scripted_node(settings, Role.RECEIVE) as node:
        nodes.send(node, nodes.save(new, tmp_path))
    with closing(make_database(settings)) as database:
        with database.transaction(read_only=True) as tx:
            assert fetches.is_busy(tx, 8)
        with database.transaction() as tx:
            item = workitems.find(tx, str(new.SOPInstanceUID))
            workitems.cancel(tx, item.workitem_uid, workitems.RECALLED, NOW)
            assert not fetches.is_busy(tx, 8)
            assert fetches.is_busy(tx, 0)


def test_a_fetched_film_is_less_urgent_than_any_other(archive, tmp_path):
    old = film(archive, tmp_path, 1)
    settings = node_settings(tmp_path, archive)
    (tmp_path / "node").mkdir()
    queue(settings, old)
    with nodes.scripted_node(settings):
        ends(settings, old)
    with (
        closing(make_database(settings)) as database,
        database.transaction(read_only=True) as tx,
    ):
        item = workitems.find(tx, str(old.SOPInstanceUID))
        held = instances.get_instance(tx, str(old.SOPInstanceUID))
    assert item.priority < Priority.LOW
    assert held.called_ae == "(fetched)"


def test_a_study_that_cannot_be_had_is_given_up_and_may_be_queued_again(
    archive, tmp_path
):
    old = film(archive, tmp_path, 1)
    retries = {"tries": 2, "first_retry_s": 0.1, "longest_retry_s": 0.1}
    settings = node_settings(tmp_path, archive, fetch=retries)
    (tmp_path / "node").mkdir()
    queue(settings, old, peer="NOBODY")
    with nodes.scripted_node(settings):
        assert ends(settings, old, peer="NOBODY") == {FetchState.FAILED: 1}
    assert queue(settings, old, peer="NOBODY") == 1
    assert queue(settings, old, peer="NOBODY") == 0


@pytest.fixture
def config(archive, tmp_path):
    pacs, here = archive
    file = tmp_path / "node.toml"
    file.write_text(
        f"""
[node]
data_dir = "{tmp_path / "node"}"
[dimse]
port = {here}
[[dimse.peers]]
ae_title = "{ARCHIVE}"
address = "127.0.0.1"
port = {pacs.dimse_port}
"""
    )
    return file


def test_the_command_finds_queues_and_follows(archive, config, tmp_path):
    films = [
        film(archive, tmp_path, 1, PatientID="P1", StudyDate="20260110"),
        film(archive, tmp_path, 2, PatientID="P1", StudyDate="20250110"),
        film(archive, tmp_path, 3, PatientID="P2", StudyDate="20260210"),
    ]
    settings = node_settings(tmp_path, archive)
    (tmp_path / "node").mkdir()
    queue(settings)

    def call(*arguments):
        command = ["fetch", "--config", str(config), "--from", ARCHIVE, *arguments]
        return CliRunner().invoke(cli, command)

    january = call("--date", "20260101-20260131", "--modality", "CR,DX", "--no-wait")
    assert january.output == "1 of 1 studies queued.\n"
    assert call("--patient", "P1", "--modality", "DX", "--no-wait").exit_code == 1
    more = call("--date", "20260101-20260131", "--priors", "--no-wait")
    assert more.output == "1 of 2 studies queued.\n"
    with nodes.scripted_node(settings):
        last = call("--study", str(films[2].StudyInstanceUID))
        assert last.exit_code == 0, last.output
        assert last.output.endswith("1 fetched, 0 not.\n")
        assert ends(settings, *films) == {FetchState.FETCHED: 3}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give --study, --patient or --date"),
        (["--date", "January"], "days are YYYYMMDD-YYYYMMDD"),
        (["--study", "a.b"], "this is no UID"),
        (["--patient", "*"], "this is no Patient ID"),
    ],
)
def test_the_command_says_what_it_does_not_understand(config, arguments, said):
    command = ["fetch", "--config", str(config), "--from", ARCHIVE, *arguments]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 2
    assert said in done.output


def test_the_command_knows_only_who_is_configured(config):
    command = ["fetch", "--config", str(config), "--from", "ARCHIVF", "--patient", "P1"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 2
    assert "neither a destination nor a peer" in done.output
