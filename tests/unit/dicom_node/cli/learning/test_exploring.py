"""Recipes are listed, films explored and models compared from the command line."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from dicom_node.cli import cli
from dicom_node.cli.learning.exploring import read_film
from inference.errors import TrainingError
from tests.factories.radiographs import synthetic_dataset
from tests.unit.inference.training.films import write_films

RECIPES = Path(__file__).resolve().parents[5] / "conf" / "recipes"


def run(*arguments):
    return CliRunner().invoke(cli, [str(one) for one in arguments])


def test_a_header_tells_what_an_annotation_does_not(tmp_path):
    dataset = synthetic_dataset()
    dataset.PatientAge, dataset.PatientSex, dataset.ViewPosition = "042Y", "F", "AP"
    dataset.ImagerPixelSpacing = [0.15, 0.15]
    path = tmp_path / "film.dcm"
    dataset.save_as(path, enforce_file_format=True)
    frame, told = read_film(path)
    assert (told["age"], told["sex"], told["view"]) == (42.0, "F", "AP")
    assert told["pixel_spacing_mm"] == pytest.approx(0.15)
    assert frame.rows == dataset.Rows


def test_what_is_no_film_is_named(tmp_path):
    path = tmp_path / "film.dcm"
    path.write_bytes(b"nothing")
    with pytest.raises(TrainingError, match=r"film\.dcm: "):
        read_film(path)


def test_recipes_are_listed_and_a_folder_without_any_is_named(tmp_path):
    told = run("recipes", "--recipes", RECIPES)
    assert told.exit_code == 0
    assert "gate-ensemble: classifier densenet121" in told.output
    missing = run("recipes", "--recipes", tmp_path / "none")
    assert missing.exit_code == 1
    assert "none: no such folder of recipes" in missing.output


def test_films_are_explored_and_the_page_is_named(tmp_path):
    folder = write_films(tmp_path / "films")
    told = run("explore", folder, "--output", tmp_path / "page")
    assert told.exit_code == 0
    assert (tmp_path / "page" / "explore.html").is_file()
    assert "explore.html" in told.output


def test_a_model_that_there_is_not_is_not_compared(tmp_path):
    folder = write_films(tmp_path / "films")
    where = ("--data", folder, "--output", tmp_path / "out", "--recipes", RECIPES)
    told = run("bench-models", *where, "--budget", "1", "--only", "unknown")
    assert told.exit_code == 1
    assert "no recipe 'unknown'" in told.output


def test_a_recipe_is_trained_on_the_films_that_are_named(tmp_path):
    folder = write_films(tmp_path / "films")
    recipe = RECIPES / "columns-svc.toml"
    where = ("--data", folder, "--output", tmp_path / "run")
    told = run("train", "--recipe", recipe, *where, "--fold", "1")
    assert told.exit_code == 0
    assert "report.md" in told.output
    assert run("train", "--recipe", recipe, "--output", tmp_path / "bare").exit_code
