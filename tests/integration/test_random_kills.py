"""Kill -9 at random moments, start and stop included: nothing acknowledged is lost.

CXR_NODE_KILL_MINUTES and CXR_NODE_KILL_SEED choose how long the big run takes, and
which moments it strikes at.
"""

import multiprocessing
import os
import random
from contextlib import ExitStack, closing, contextmanager
from time import monotonic

import pytest

from dicom_node.errors import NodeError
from dicom_node.node.roles import Role
from storage.database import Database
from tests.factories.nodes import EVIDENCE, destination, get, save, send, wait_for_state
from tests.factories.nodes import settings as impatient
from tests.factories.radiographs import synthetic_dataset
from tests.peers import mortal_node
from tests.peers.pacs import PACS
from tests.peers.postgres import new_database

START_S = 300.0
SHORT_LEASES = {"worker": {"lease_s": 2, "readers": 1}, "delivery": {"lease_s": 2}}
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([mortal_node.__name__])
ONE = (Role.ALL,)
SEPARATE = (Role.RECEIVE, Role.WORK, Role.WEB)


class Mortal:
    """A node's process, which is killed at a random moment of its life."""

    def __init__(self, values, role):
        self._here, there = PROCESSES.Pipe(duplex=False)
        self.process = PROCESSES.Process(
            target=mortal_node.live, args=(values, "never", 1, there, role)
        )
        self.process.start()
        there.close()

    def ports(self):
        """Where it listens; ``None`` when it did not live to tell."""
        try:
            return self._here.recv() if self._here.poll(START_S) else None
        except EOFError:
            return None

    def kill(self):
        self.process.kill()
        self.process.join()
        self._here.close()


@contextmanager
def running(values, roles):
    with ExitStack() as ends:
        nodes = [Mortal(values, role) for role in roles]
        for node in nodes:
            ends.callback(node.kill)
        yield nodes


class Trial:
    """Films sent to nodes that keep dying, and what was said of them."""

    def __init__(self, folder, pacs_port, roles, seed, url=None):
        values = impatient(
            folder / "data", [destination("pacs", pacs_port)], **SHORT_LEASES
        ).model_dump(exclude={"database"})
        self.values = values | ({"database": {"url": url}} if url else {})
        self.folder, self.roles = folder, roles
        self.moment = random.Random(seed)  # noqa: S311  moments, not secrets
        self.acknowledged, self.kills = set(), 0

    def strike(self):
        """Let a node live for a while, kill it, and say how far it had come."""
        how = self.moment.choice(("start", "work", "work", "work", "stop"))
        with running(self.values, self.roles) as nodes:
            if how == "start":
                nodes[0].process.join(self.moment.uniform(0.0, 4.0))
            elif (ports := nodes[0].ports()) is not None:
                for _ in range(self.moment.randrange(3)):
                    self.send_a_film(ports["dimse"])
                victim = self.moment.choice(nodes).process
                if how == "stop":
                    victim.terminate()
                victim.join(self.moment.uniform(0.0, 3.0))
        self.kills += len(self.roles)

    def send_a_film(self, port):
        seed = len(self.acknowledged)
        film = synthetic_dataset("CR", seed, rows=448, columns=400)
        try:
            (result,) = send(port, save(film, self.folder))
        except NodeError:
            return
        if result.status == 0x0000:
            self.acknowledged.add(film.SOPInstanceUID)

    def finish(self):
        """Let a node live until everything is delivered; the jobs."""
        with running(self.values, self.roles) as nodes:
            ports = [node.ports() for node in nodes]
            self.send_a_film(ports[0]["dimse"])
            http = ports[-1]["http"]
            for uid in self.acknowledged:
                wait_for_state(http, uid, "delivered", timeout_s=START_S)
            pages = [get(http, "/api/v1/jobs?limit=1000")["items"]]
            for node in nodes:
                node.process.terminate()
                node.process.join(START_S)
                assert node.process.exitcode == 0
        return [job for page in pages for job in page]


def assert_nothing_lost(trial, pacs, jobs):
    """All is delivered, and the PACS never saw two contents under one UID."""
    done = {job["sop_instance_uid"] for job in jobs if job["stage"] == "delivered"}
    assert trial.acknowledged <= done
    assert len(pacs.held) == len(jobs) * len(EVIDENCE)
    assert set(pacs.stores) == set(pacs.held.items())


@pytest.mark.slow
@pytest.mark.parametrize("roles", [ONE, SEPARATE], ids=["one process", "roles"])
def test_whenever_a_node_dies_every_acknowledged_film_ends_delivered(tmp_path, roles):
    pacs = PACS()
    with pacs.listening() as port:
        trial = Trial(tmp_path, port, roles, seed=13)
        for _ in range(4 if roles is ONE else 2):
            trial.strike()
        jobs = trial.finish()
    assert trial.acknowledged
    assert_nothing_lost(trial, pacs, jobs)


@pytest.mark.big
@pytest.mark.parametrize("roles", [ONE, SEPARATE], ids=["one process", "roles"])
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_many_deaths_lose_nothing(tmp_path, roles, database, request):
    minutes = float(os.environ.get("CXR_NODE_KILL_MINUTES", "5"))
    seed = int(os.environ.get("CXR_NODE_KILL_SEED", "1"))
    pacs = PACS()
    with pacs.listening() as port, ExitStack() as databases:
        url = None
        if database == "postgresql":
            server = request.getfixturevalue("postgres_url")
            url = databases.enter_context(new_database(server, "kills"))
            with closing(Database(url)) as fresh:
                fresh.migrate()
        trial = Trial(tmp_path, port, roles, seed, url)
        until = monotonic() + minutes * 60
        while monotonic() < until:
            trial.strike()
        jobs = trial.finish()
    print(f"{trial.kills} kills, {len(trial.acknowledged)} films")  # noqa: T201  the figure is what a long run is for
    assert_nothing_lost(trial, pacs, jobs)
