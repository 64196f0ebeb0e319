"""Room below the watermark is for finishing what was accepted."""

import os

import pytest

from dicom_node.node.roles import Role
from tests.factories.nodes import (
    destination,
    save,
    scripted_node,
    send,
    settings,
    wait_for_state,
    wait_until,
)
from tests.factories.radiographs import synthetic_dataset
from tests.fakes.runner import ScriptedRunner
from tests.peers.disks import small_disk
from tests.peers.pacs import PACS

__all__ = ["small_disk"]
FULL = 0xA700


@pytest.fixture
def pacs():
    pacs = PACS()
    with pacs.listening():
        yield pacs


class CountingRunner(ScriptedRunner):
    """Counts the films that the model has seen."""

    def __init__(self):
        super().__init__()
        self.films = 0

    def run(self, batch):
        self.films += len(batch)
        return super().run(batch)


def free_bytes(folder):
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def fill_up(node, tmp_path):
    """Send films until one is refused for want of room; name the accepted ones."""
    accepted = []
    for seed in range(20):
        film = synthetic_dataset("CR", seed, rows=448, columns=400)
        (stored,) = send(node, save(film, tmp_path))
        if stored.status == FULL:
            return accepted
        assert stored.status == 0x0000
        accepted.append(film.SOPInstanceUID)
    pytest.fail("the disk does not fill up")


def test_every_film_accepted_above_the_watermark_is_finished(
    small_disk, tmp_path, pacs
):
    site = settings(
        small_disk,
        [destination("pacs", pacs.port)],
        node={"minimum_free_bytes": 1_200_000},
        database={"url": f"sqlite:///{tmp_path}/node.db"},
    )
    with scripted_node(site, Role.RECEIVE) as node:
        accepted = fill_up(node, tmp_path)
    assert accepted
    assert free_bytes(small_disk) < 1_200_000
    with scripted_node(site) as node:
        for uid in accepted:
            wait_for_state(node, uid, "delivered")


def test_the_model_does_not_run_again_and_again_for_want_of_room(
    small_disk, tmp_path, pacs
):
    runner = CountingRunner()
    site = settings(
        small_disk,
        [destination("pacs", pacs.port)],
        model={"batch_size": 1},
        database={"url": f"sqlite:///{tmp_path}/node.db"},
    )
    films = [synthetic_dataset("CR", seed, rows=448, columns=400) for seed in (1, 2)]
    with scripted_node(site, Role.RECEIVE) as node:
        for film in films:
            (stored,) = send(node, save(film, tmp_path))
            assert stored.status == 0x0000
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * (free_bytes(small_disk) - 8192))
    with scripted_node(site, runner=runner) as node:
        assert wait_until(lambda: runner.films >= 1)
        # Much longer than one film takes, and many looks of the poll.
        assert not wait_until(lambda: runner.films > 1, timeout_s=10)
        ballast.unlink()
        for film in films:
            wait_for_state(node, film.SOPInstanceUID, "delivered")
    assert runner.films == len(films) + 1
