"""The report of the baseline without pixels shows its leak."""

import json

import pytest

from inference.errors import TrainingError
from inference.training.columns.learn import learn_columns
from inference.training.commands.train import run_recipe
from inference.training.data.dataset import read_picture
from inference.training.evaluation.films import on_data
from inference.training.recipe.recipe import recipe_of
from tests.unit.inference.training.films import write_films


@pytest.fixture
def recipe(tmp_path):
    folder = write_films(tmp_path / "films")
    return on_data(recipe_of({"network": {"kind": "columns"}}, "columns"), [folder])


@pytest.mark.slow
def test_the_box_columns_are_the_answer_and_nothing_else_is(recipe, tmp_path):
    report = learn_columns(recipe, tmp_path / "run", replicates=10)
    found = json.loads((tmp_path / "run" / "columns.json").read_text("utf-8"))
    area = {one["columns"]: one["auroc"]["value"] for one in found["scores"]}
    assert area["all columns"] == 1.0
    assert area["without the box columns"] < 0.9
    assert area["age, sex and view alone"] < 0.9
    lost = found["importance"]
    assert lost["all box columns"] > 0.2
    others = [value for name, value in lost.items() if "box" not in name]
    assert lost["all box columns"] > max(others)
    assert "a leak, not a diagnosis" in report.read_text("utf-8")


@pytest.mark.slow
def test_it_is_trained_by_the_same_command_and_has_nothing_to_resume(recipe, tmp_path):
    told = {"read_frame": read_picture, "output": tmp_path / "run"}
    assert run_recipe(recipe, **told) == tmp_path / "run" / "report.md"
    with pytest.raises(TrainingError, match="is not empty"):
        run_recipe(recipe, **told)
    with pytest.raises(TrainingError, match="nothing to resume"):
        run_recipe(recipe, **told, resume=True)


def test_films_of_one_class_are_refused(recipe, tmp_path):
    path = recipe.data.coco[0].annotations
    table = json.loads(path.read_text("utf-8"))
    table["annotations"] = [
        one for one in table["annotations"] if one["category_id"] != 1
    ]
    path.write_text(json.dumps(table), encoding="utf-8")
    with pytest.raises(TrainingError, match="learned from do not show both"):
        learn_columns(recipe, tmp_path / "run", replicates=10)
