"""A wrong, empty, older or foreign database beside a store that holds images."""

import shutil
from contextlib import closing, contextmanager

import pytest
from click.testing import CliRunner

from dicom_node.cli import cli
from dicom_node.dataset.part10 import part10_header
from dicom_node.node.doctor.examine import Verdict, examine
from dicom_node.node.roles import Role
from dicom_node.node.wiring.parts import open_parts
from dicom_node.node.wiring.storage import make_store
from storage.database import Database
from storage.errors import StoreMismatch
from tests.factories.nodes import (
    EVIDENCE,
    destination,
    save,
    scripted_node,
    send,
    settings,
    wait_for_state,
)
from tests.factories.radiographs import synthetic_dataset
from tests.peers.pacs import PACS
from tests.peers.postgres import new_database
from tests.peers.receiving import arriving_of, encoded


@pytest.fixture
def pacs():
    pacs = PACS()
    with pacs.listening():
        yield pacs


@pytest.fixture(params=["sqlite", "postgresql"])
def two_databases(request, tmp_path):
    """URLs of the right database, and of one that nobody has used."""
    if request.param == "sqlite":
        yield made(f"sqlite:///{tmp_path}/right.db", f"sqlite:///{tmp_path}/new.db")
        return
    server = request.getfixturevalue("postgres_url")
    with new_database(server, "right") as right, new_database(server, "new") as new:
        yield made(right, new)


def made(*urls):
    for url in urls:
        with closing(Database(url)) as database:
            database.migrate()
    return urls


class Site:
    """A data folder, its PACS, and the films that it acknowledged."""

    def __init__(self, folder, pacs):
        self.folder = folder / "data"
        self.files = folder
        self.pacs = pacs
        self.films = {}

    def settings(self, url="", **sections):
        return settings(
            self.folder,
            [destination("pacs", self.pacs.port)],
            database={"url": url},
            **sections,
        )

    def receive(self, node, *seeds):
        """Send films, and remember those that were acknowledged."""
        for seed in seeds:
            film = synthetic_dataset("CR", seed, rows=448, columns=400)
            (stored,) = send(node, save(film, self.files))
            assert stored.status == 0x0000
            self.films[film.SOPInstanceUID] = film

    def deliver(self, node):
        for uid in self.films:
            wait_for_state(node, uid, "delivered")

    def objects(self):
        return set(make_store(self.settings()).keys())

    def config(self, url):
        path = self.files / "node.toml"
        path.write_text(
            f'[node]\ndata_dir = "{self.folder}"\nminimum_free_bytes = 0\n'
            f'[database]\nurl = "{url}"\n'
        )
        return path

    def adopt(self, url=""):
        arguments = ["adopt", "--config", str(self.config(url)), "--yes"]
        done = CliRunner().invoke(cli, arguments)
        assert done.exit_code == 0, done.output
        return done.output


@pytest.fixture
def site(tmp_path, pacs):
    return Site(tmp_path, pacs)


@contextmanager
def without_loss(site):
    """No object goes during the block, and the PACS never gets two contents."""
    before = site.objects()
    yield
    assert before <= site.objects()
    assert len(site.pacs.held) == len(site.films) * len(EVIDENCE)
    assert set(site.pacs.stores) == set(site.pacs.held.items())


def refused(settings):
    with pytest.raises(StoreMismatch) as refusal, scripted_node(settings):
        pass
    return str(refusal.value)


def verdict(settings):
    return next(one for one in examine(settings) if one.name == "store")


def test_an_image_that_is_just_being_recorded_is_left_to_its_receiver(site):
    parts = open_parts(site.settings())
    with closing(parts.database):
        parts.bond.take_up()
        incoming = parts.store.incoming()
        film = synthetic_dataset("CR", 1, rows=448, columns=400)
        incoming.write(part10_header(arriving_of(film)) + encoded(film))
        incoming.commit()
        known = []
        for _ in range(2):
            parts.bond.adopt_found()
            known.append(len(parts.adoption.find()[1]))
    assert known == [1, 0]


@pytest.mark.parametrize("how", ["missing", "empty"])
def test_a_database_file_that_is_gone_costs_nothing(site, how):
    with scripted_node(site.settings()) as node:
        site.receive(node, 1, 2)
        site.deliver(node)
    file = site.folder / "node.db"
    with without_loss(site):
        for old in site.folder.glob("node.db*"):
            old.unlink()
        if how == "empty":
            file.touch()
        assert verdict(site.settings()).verdict is Verdict.BAD
        said = refused(site.settings())
        assert "knows none of the objects" in said
        assert "cxr-node adopt" in said
        assert "2 images are queued" in site.adopt()
        with scripted_node(site.settings()) as node:
            site.receive(node, 3)
            site.deliver(node)
    assert verdict(site.settings()).verdict is Verdict.GOOD


def test_another_database_is_refused_and_may_take_over(site, two_databases):
    right, new = two_databases
    with scripted_node(site.settings(right)) as node:
        site.receive(node, 1, 2)
        site.deliver(node)
    with without_loss(site):
        assert "cxr-node adopt" in refused(site.settings(new))
        with scripted_node(site.settings(right)) as node:
            site.deliver(node)
        site.adopt(new)
        with scripted_node(site.settings(new)) as node:
            site.deliver(node)


def copy_over(source, target):
    """Copy a database as a careful administrator does: its log of writes, too."""
    for old in target.parent.glob(f"{target.name}*"):
        old.unlink()
    for end in ("", "-wal"):
        part = source.with_name(source.name + end)
        if part.exists():
            shutil.copy(part, target.with_name(target.name + end))


@pytest.mark.parametrize("stopped", [True, False], ids=["stopped", "running"])
def test_yesterdays_copy_takes_in_what_came_since(site, tmp_path, stopped):
    file, copy = site.folder / "node.db", tmp_path / "copy.db"
    with scripted_node(site.settings()) as node:
        site.receive(node, 1)
        site.deliver(node)
        if not stopped:
            copy_over(file, copy)
            site.receive(node, 2, 3)
            site.deliver(node)
    if stopped:
        copy_over(file, copy)
        with scripted_node(site.settings()) as node:
            site.receive(node, 2, 3)
            site.deliver(node)
    copy_over(copy, file)
    with without_loss(site):
        assert verdict(site.settings()).verdict is Verdict.DOUBTFUL
        with scripted_node(site.settings()) as node:
            site.deliver(node)


def test_a_job_that_the_copy_still_has_to_do_sends_the_same_bytes(site, tmp_path):
    copy = tmp_path / "copy.db"
    with scripted_node(site.settings(), Role.RECEIVE) as node:
        site.receive(node, 1)
    copy_over(site.folder / "node.db", copy)
    with scripted_node(site.settings()) as node:
        site.deliver(node)
    copy_over(copy, site.folder / "node.db")
    with without_loss(site), scripted_node(site.settings()) as node:
        site.deliver(node)


def test_the_store_of_another_node_is_refused(site, tmp_path, pacs):
    other = Site(tmp_path / "other", pacs)
    other.files.mkdir()
    urls = []
    for number, one in enumerate((site, other)):
        urls.append(f"sqlite:///{tmp_path}/{number}.db")
        with scripted_node(one.settings(urls[-1])) as node:
            one.receive(node, number)
            one.deliver(node)
    before = other.objects()
    assert "another store" in refused(other.settings(urls[0]))
    assert other.objects() == before
    with scripted_node(other.settings(urls[1])) as node:
        other.deliver(node)


def test_a_disk_that_is_not_mounted_is_refused(site, tmp_path):
    url = f"sqlite:///{tmp_path}/node.db"
    with scripted_node(site.settings(url)) as node:
        site.receive(node, 1)
        site.deliver(node)
    site.folder.rename(tmp_path / "elsewhere")
    assert "another store" in refused(site.settings(url))


def test_processes_of_separate_roles_share_a_store(site, two_databases):
    url = two_databases[0]
    with (
        scripted_node(site.settings(url), Role.RECEIVE) as door,
        scripted_node(site.settings(url), Role.WORK) as worker,
        scripted_node(site.settings(url), Role.RECEIVE) as second,
    ):
        site.receive(door, 1)
        site.receive(second, 2)
        assert worker.dimse_port is None
        assert site.pacs.wait_for(2 * len(EVIDENCE))
    with without_loss(site), scripted_node(site.settings(url)) as node:
        site.deliver(node)
