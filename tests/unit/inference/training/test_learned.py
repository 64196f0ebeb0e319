"""A model knows its own films, whatever they are called elsewhere."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from inference.errors import TrainingError
from inference.models import BUILTIN_MODELS
from inference.training.checkpoint import learned_of, read_checkpoint
from inference.training.data.dataset import read_picture, read_samples
from inference.training.data.split import split
from inference.training.engine import train
from inference.training.learned import Learned, read_learned, write_learned
from inference.training.recipe.recipe import Recipe


@pytest.fixture
def films(tiny: Recipe):
    """Learned from, and held out."""
    return split(read_samples(tiny.data), (0,))


def test_what_was_learned_from_is_known_and_the_rest_is_not(films) -> None:
    learned, held_out = films
    record = Learned.of(learned, 5, 0)
    assert all(record.knows(one) for one in learned)
    assert [record.knows(one) for one in held_out] == [False] * len(held_out)


def test_a_film_under_another_name_and_patient_is_known(films, tmp_path: Path) -> None:
    learned, _ = films
    record = Learned.of(learned, 5, 0)
    other = tmp_path / "other.png"
    other.write_bytes(learned[0].path.read_bytes())
    assert record.knows(replace(learned[0], key="x", path=other, facts={}))


def test_another_film_of_a_patient_is_known_within_the_source(films) -> None:
    learned, held_out = films
    record = Learned.of(learned, 5, 0)
    again = replace(held_out[0], facts=learned[0].facts)
    assert record.knows(again)
    elsewhere = dict(learned[0].facts) | {"source": "another hospital"}
    assert record.knows(replace(again, facts=elsewhere)) is False


def test_weights_of_unknown_origin_leave_it_open(films) -> None:
    learned, held_out = films
    record = Learned.of(learned, 5, 0).joined(Learned())
    assert record.knows(learned[0])
    assert record.knows(held_out[0]) is None


@pytest.mark.parametrize("held_out", [None, 0, (0, 10)])
def test_a_record_says_which_folds_were_held_out(films, tmp_path, held_out) -> None:
    write_learned(tmp_path, Learned.of(films[0], 5, held_out))
    assert read_learned(tmp_path).held_out == held_out


@pytest.mark.parametrize("held_out", ["0", [0, "x"], {}])
def test_a_record_of_other_folds_is_refused(films, tmp_path, held_out) -> None:
    table = json.loads(Learned.of(films[0], 5, 0).to_json()) | {"held_out": held_out}
    (tmp_path / "learned.json").write_text(json.dumps(table))
    with pytest.raises(TrainingError, match="no record of what was learned"):
        read_learned(tmp_path)


def test_a_record_is_read_as_it_was_written_and_names_no_one(films, tmp_path) -> None:
    record = Learned.of(films[0], 3, 1)
    write_learned(tmp_path, record)
    assert read_learned(tmp_path) == record
    text = (tmp_path / "learned.json").read_text("utf-8")
    assert not any(str(one.facts["patient_id"]) in text.split() for one in films[0])
    assert read_learned(tmp_path / "none") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"folds": "x"}', "null"])
def test_a_broken_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "learned.json").write_text(text, encoding="utf-8")
    with pytest.raises(TrainingError, match="no record of what was learned"):
        read_learned(tmp_path)


def test_the_shipped_model_says_what_it_learned_from() -> None:
    record = learned_of(BUILTIN_MODELS / "default")
    assert record.complete
    assert record.held_out == 0
    assert len(record.films) > 700


def test_a_run_that_goes_on_from_another_remembers_its_films(
    tiny: Recipe, films, tmp_path: Path
) -> None:
    first = tmp_path / "first"
    other = tiny.holding_out(1)
    train(other, read_frame=read_picture, output=first, progress=False, stop_after=1)
    network = tiny.network.model_copy(update={"weights": first / "last.pt"})
    second = tiny.model_copy(update={"network": network})
    output = tmp_path / "second"
    train(second, read_frame=read_picture, output=output, progress=False, stop_after=1)
    _, held_out = films
    assert all(read_checkpoint(output / "last.pt").learned.knows(x) for x in held_out)
    about = json.loads((output / "run.json").read_text("utf-8"))
    assert about["held_out_but_learned_from"] == len(held_out)
