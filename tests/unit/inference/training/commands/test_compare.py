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
    return [
        line.strip("| ").split(" | ")
        for line in table.splitlines()[2:]
        if line.startswith("|")
    ]


def test_the_last_look_counts_and_what_differs_is_named(run):
    early = {"step": 100, "opacity_dice": 0.1, "auroc": 0.5}
    late = {"step": 200, "opacity_dice": 0.51, "auroc": float("nan")}
    base = run("base", early, late)
    other = run("large", late, input_px=384, dense=False)
    first, second = rows(compare([base, other]))
    assert [*first[:2], first[4]] == ["base", "-", "200"]
    assert second[1] == "network.input_px = 384, network.dense = false"
    assert first[7] == "0.510"
    assert first[-2:] == ["-", "-"]


def test_a_folder_without_a_run_is_one_line(run, tmp_path):
    with pytest.raises(TrainingError, match="not the recipe of a run"):
        compare([tmp_path / "nothing"])
    with pytest.raises(TrainingError, match="never validated"):
        compare([run("base")])


def told(folder, learned_from, digest):
    about = {
        "films_learned": 8,
        "films_held_out": 4,
        "held_out_digest": digest,
        "held_out_but_learned_from": learned_from,
        "held_out_but_unknown": 0,
    }
    (folder / "run.json").write_text(json.dumps(about))
    return folder


def test_a_run_that_had_learned_from_its_held_out_films_is_told(run):
    look = {"step": 1, "auroc": 0.9}
    fresh = told(run("fresh", look), 0, "a")
    tuned = told(run("tuned", look), 3, "a")
    table = compare([fresh, tuned])
    first, second = rows(table)
    assert first[3] == "no fold, 4 films, held out"
    assert "not held out: 3 learned from" in second[3]
    assert table.endswith("|\n")


def test_runs_looked_at_on_other_films_do_not_compare(run):
    look = {"step": 1, "auroc": 0.9}
    one, two = told(run("one", look), 0, "a"), told(run("two", look), 0, "b")
    assert "Not looked at on the same films" in compare([one, two])
    assert "Not every run tells" in compare([one, run("old", look)])
