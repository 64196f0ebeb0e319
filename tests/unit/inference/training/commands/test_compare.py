"""Runs side by side."""

import json

import pytest

from inference.errors import TrainingError
from inference.training.commands.compare import compare
from inference.training.curves import append_row


@pytest.fixture
def run(tmp_path):
    """Write what a finished run leaves."""

    def write(name, *looks, **network):
        folder = tmp_path / name
        folder.mkdir()
        recipe = {"name": name, "network": {"input_px": 256} | network}
        (folder / "recipe.json").write_text(json.dumps(recipe))
        for look in looks:
            append_row(folder / "validation.csv", look)
        return folder

    return write


def rows(table):
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


def test_the_last_look_counts_and_what_differs_is_named(run):
    early = {"step": 100, "opacity_dice": 0.1, "auroc": 0.5}
    late = {"step": 200, "opacity_dice": 0.51, "auroc": float("nan")}
    base = run("base", early, late)
    other = run("large", late, input_px=384, dense=False)
    first, second = rows(compare([base, other]))
    assert first[:3] == ["base", "-", "200"]
    assert second[1] == "network.input_px = 384, network.dense = false"
    assert first[5] == "0.510"
    assert first[-2:] == ["-", "-"]


def test_a_folder_without_a_run_is_one_line(run, tmp_path):
    with pytest.raises(TrainingError, match="not the recipe of a run"):
        compare([tmp_path / "nothing"])
    with pytest.raises(TrainingError, match="never validated"):
        compare([run("base")])
