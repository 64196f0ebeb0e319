"""One table of every kind of recipe, trained for a step on drawn films."""

import json
import math

import numpy as np
import pytest

from inference.errors import TrainingError
from inference.training.bench.answers import FilmAnswer
from inference.training.bench.row import figures_of, threshold_of
from inference.training.bench.run import Budget, within
from inference.training.commands.bench_models import bench_models
from inference.training.data.dataset import read_picture
from inference.training.recipe.recipe import recipe_of
from tests.unit.inference.training.films import write_films

RECIPES = {
    "plain": 'kind = "classifier"\ninput_px = 64\ntrunks = ["cnn"]',
    "unet": 'kind = "segmenter"\ninput_px = 64\nencoder = "plain"\nfilters = 4',
    "columns": 'kind = "columns"',
    "lost": 'kind = "classifier"\ninput_px = 64\ntrunks = ["cnn"]\nweights = "no.pth"',
}


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "recipes"
    place.mkdir()
    for name, network in RECIPES.items():
        text = f'name = "{name}"\n[network]\n{network}\n[schedule]\nbatch = 2\n'
        (place / f"{name}.toml").write_text(text, encoding="utf-8")
    return place


def bench(folder, tmp_path, **more):
    films = tmp_path / "films"
    data = [films if films.exists() else write_films(films)]
    told = {"folds": (0,), "read_frame": read_picture} | more
    return bench_models(folder, data, tmp_path / "out", Budget(1, steps=1), **told)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_recipe_has_its_row_and_what_fails_says_why(folder, tmp_path):
    text = bench(folder, tmp_path)
    table = json.loads((tmp_path / "out" / "table.json").read_text("utf-8"))
    rows = {one["name"]: one for one in table["rows"]}
    assert rows.keys() == RECIPES.keys()
    assert "no.pth: no such weights file" in rows["lost"]["error"]
    assert rows["columns"]["figures"]["auroc"] == 1.0
    assert {"auroc", "parameters", "ms_a_film"} <= rows["plain"]["figures"].keys()
    assert "ap0.5" not in rows["plain"]["figures"]
    assert {"iou", "dice", "ap0.5", "lung_dice"} <= rows["unet"]["figures"].keys()
    assert "| plain | classifier cnn, 64 px |" in text
    for name in ("roc.png", "confusion.png", "plain/heat-maps.png", "table.md"):
        assert (tmp_path / "out" / name).is_file()
    kept = tmp_path / "out" / "plain" / "row.json"
    again = json.loads(kept.read_text("utf-8")) | {"lacks": "as it was"}
    kept.write_text(json.dumps(again), encoding="utf-8")
    assert "as it was" in bench(folder, tmp_path, only=("plain",))
    kept.write_text("{", encoding="utf-8")
    with pytest.raises(TrainingError, match=r"row\.json: not a row of the table"):
        bench(folder, tmp_path, only=("plain",))


def test_a_recipe_that_there_is_not_is_named(folder, tmp_path):
    with pytest.raises(TrainingError, match=r"recipes: no recipe 'unknown'"):
        bench(folder, tmp_path, only=("unknown",))
    with pytest.raises(TrainingError, match="no such folder of recipes"):
        bench(tmp_path / "nowhere", tmp_path)
    (tmp_path / "bare").mkdir()
    with pytest.raises(TrainingError, match="no recipe"):
        bench(tmp_path / "bare", tmp_path)


def test_a_schedule_is_fitted_into_the_budget():
    stages = [{"learning_rate": 0.006, "epochs": 6}]
    told = {"stages": stages, "frozen_steps": 100, "warmup_steps": 50}
    fitted = within(recipe_of({"schedule": told}, "told"), 40).schedule
    assert (fitted.steps, fitted.stages, fitted.learning_rate) == (40, (), 0.006)
    assert (fitted.frozen_steps, fitted.warmup_steps) == (10, 4)


def answer(score, *, positive, **more):
    told = {
        "group": str(score),
        "truths": None,
        "boxes": np.zeros((0, 4)),
        "scores": np.zeros(0),
        "iou": None,
        "lungs": None,
    }
    return FilmAnswer(positive=positive, score=score, **(told | more))


def test_the_threshold_parts_sick_from_clean():
    films = [answer(0.1, positive=False), answer(0.2, positive=False)]
    films += [answer(0.6, positive=True), answer(0.8, positive=True)]
    assert threshold_of(films) == 0.6
    assert threshold_of(films[:2]) == 0.5


def test_figures_are_of_films_of_which_something_is_known():
    films = [answer(0.1, positive=False), answer(0.9, positive=True, iou=0.5)]
    films += [answer(0.9, positive=False), answer(0.5, positive=None)]
    found = figures_of(films, 0.5, boxed=True, replicates=10)
    assert found["films"] == 3
    assert found["confusion"] == [[1, 1], [0, 1]]
    assert (found["recall"], found["precision"]) == (1.0, 0.5)
    assert math.isclose(found["dice"], 2 / 3)
    assert math.isnan(found["ap0.5"])
