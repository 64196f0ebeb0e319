"""The campaign itself: it finds what there is to find, and the same again."""

import logging
import random
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from tests.fuzz import campaign as campaigns
from tests.fuzz.__main__ import main
from tests.fuzz.campaign import Campaign
from tests.fuzz.mutators import MAXIMUM_BYTES, mutated


class Fragile:
    """Dislikes long inputs, in one of several ways."""

    def __init__(self, way):
        self.way = way

    def make(self, chance):
        return mutated(b"abcdefgh", chance)

    def take(self, data):
        if len(data) > 40:
            self.way()

    def is_well(self):
        pass


def raises():
    raise KeyError("nobody foresaw it")


def logs():
    try:
        raises()
    except KeyError:
        logging.getLogger("dicom_node").exception("A request failed.")


@pytest.mark.parametrize("way", [raises, logs])
def test_what_goes_wrong_is_kept_and_told_again(tmp_path, monkeypatch, way):
    @contextmanager
    def fragile(_folder):
        yield Fragile(way)

    monkeypatch.setattr(campaigns, "TARGETS", {"fragile": fragile})
    campaign = Campaign("fragile", 1, tmp_path)
    with campaign.open() as running:
        running.some(300)
    path, text = campaign.findings[0]
    assert "KeyError" in text
    assert len(path.read_bytes()) > 40
    again = CliRunner().invoke(
        main, ["--replay", str(path), "--keep-in", str(tmp_path)]
    )
    assert again.exit_code == 1
    assert "KeyError" in again.output


def changed(seed):
    chance = random.Random(seed)  # noqa: S311  no secrets
    return mutated(b"abcdefgh", chance, [b"other"])


def test_an_input_follows_from_its_seed():
    made = [[changed(seed) for seed in range(50)] for _ in range(2)]
    assert made[0] == made[1]
    assert len(set(made[0])) > 40
    assert all(len(data) <= MAXIMUM_BYTES for data in made[0])
