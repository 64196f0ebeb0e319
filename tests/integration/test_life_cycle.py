"""The drill of docs/operations.md: its own commands, on a node that runs."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.factories.nodes import (
    EVIDENCE,
    destination,
    save,
    scripted_node,
    send,
    settings,
    wait_for_state,
)
from tests.factories.pages import commands
from tests.factories.radiographs import synthetic_dataset
from tests.peers.pacs import PACS

ELSEWHERE = ("systemctl", "chown")
"""What only root on a machine with systemd can do; the test stops the node itself."""


@pytest.fixture
def pacs():
    pacs = PACS()
    with pacs.listening():
        yield pacs


class Site:
    """A node's folder, its copy, and the films that it acknowledged."""

    def __init__(self, folder, pacs):
        self.data, self.copy, self.files = folder / "data", folder / "copy", folder
        self.copy.mkdir()
        self.pacs = pacs
        self.films = {}

    def node(self):
        place = destination("pacs", self.pacs.port)
        return scripted_node(settings(self.data, [place]))

    def receive(self, node, *seeds):
        for seed in seeds:
            film = synthetic_dataset("CR", seed, rows=448, columns=400)
            path = save(film, self.files)
            (stored,) = send(node, path)
            assert stored.status == 0x0000
            self.films[seed] = (film.SOPInstanceUID, path)

    def delivered(self, node, *seeds):
        for seed in seeds or self.films:
            wait_for_state(node, self.films[seed][0], "delivered")

    def follow(self, heading):
        """Do what the page says."""
        lines = commands("operations.md", heading)
        ours = [line for line in lines if not line.startswith(ELSEWHERE)]
        assert ours
        config = self.files / "node.toml"
        config.write_text(f'[node]\ndata_dir = "{self.data}"\n')
        for line in ours:
            here = line.replace("/backup", str(self.copy))
            here = here.replace("cxr-node", f"{sys.executable} -m dicom_node", 1)
            subprocess.run(
                ["sh", "-c", here],
                check=True,
                input="y\n",
                text=True,
                env={**os.environ, "CXR_NODE_CONFIG": str(config)},
            )

    def nothing_is_lost_and_nothing_doubled(self):
        held = self.pacs.held
        assert len(held) == len(self.films) * len(EVIDENCE)
        # Whatever came twice came with the very same bytes.
        assert set(self.pacs.stores) == set(held.items())


def test_yesterdays_database_beside_todays_store_loses_and_doubles_nothing(
    tmp_path, pacs
):
    site = Site(tmp_path, pacs)
    with site.node() as node:
        site.receive(node, 1)
        site.delivered(node)
        site.receive(node, 2)
        site.follow("Back up while it runs")
        site.receive(node, 3)
        site.delivered(node)
    site.follow("Restore")
    with site.node() as node:
        site.receive(node, 4)
        site.delivered(node)
    site.nothing_is_lost_and_nothing_doubled()


def test_yesterdays_copy_of_everything_is_whole_and_works(tmp_path, pacs):
    site = Site(tmp_path, pacs)
    with site.node() as node:
        site.receive(node, 1, 2)
        site.delivered(node)
        site.follow("Back up while it runs")
        site.receive(node, 3)
        site.delivered(node)
    shutil.rmtree(site.data)
    site.data.mkdir()
    site.follow("Restore")
    with site.node() as node:
        site.delivered(node, 1, 2)
        # What came since is sent again, by the PACS or the modality.
        site.receive(node, 3)
        site.delivered(node)
    assert len(pacs.held) == len(site.films) * len(EVIDENCE)


def test_copying_again_copies_what_is_new(tmp_path, pacs):
    site = Site(tmp_path, pacs)
    with site.node() as node:
        site.receive(node, 1)
        site.follow("Back up while it runs")
        site.receive(node, 2)
        site.delivered(node)
        site.follow("Back up while it runs")
    shutil.rmtree(site.data)
    site.data.mkdir()
    site.follow("Restore")
    with site.node() as node:
        site.delivered(node)
    site.nothing_is_lost_and_nothing_doubled()
