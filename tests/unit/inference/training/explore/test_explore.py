"""The page tells what is wrong with a data set before anybody learns from it."""

import re
import shutil

import numpy as np
import pytest

from inference.errors import TrainingError
from inference.training.commands.explore import explore
from inference.training.data.dataset import read_picture, read_samples
from inference.training.evaluation.films import data_of
from inference.training.explore.gather import glance_all
from inference.training.explore.shortcuts import Shortcut, shortcuts
from inference.training.explore.twins import find_twins
from tests.unit.inference.training.data.test_dataset import write_rsna
from tests.unit.inference.training.films import write_films


def read_film(path):
    return read_picture(path), {}


@pytest.fixture
def folder(tmp_path):
    return write_films(tmp_path / "films")


def seen(folder):
    return glance_all(read_samples(data_of([folder])), read_film)


@pytest.mark.slow
def test_the_page_holds_its_pictures_and_names_the_films(folder, tmp_path):
    page = explore([folder], tmp_path / "page", read_film)
    html = page.read_text("utf-8")
    pictures = sorted(tmp_path.glob("page/*.png"))
    assert len(pictures) == html.count("data:image/png;base64,")
    assert not re.search(r"(src|href)=\"(?!data:)", html)
    for words in ("Missing values", "every normalisation", "every augmentation"):
        assert words in html


def test_a_film_in_two_folds_is_found(folder):
    pictures = folder / "images"
    shutil.copyfile(pictures / "00.png", pictures / "03.png")
    (pair,) = [one for one in find_twins(seen(folder)[0]) if one.exact]
    assert (pair.first, pair.second, pair.folds) == ("00.png", "03.png", (0, 1))
    assert pair.across


@pytest.mark.slow
def test_a_film_that_cannot_be_read_is_told_and_the_rest_is_shown(folder, tmp_path):
    (folder / "images" / "04.png").write_bytes(b"nothing")
    found, broken = seen(folder)
    assert len(found) == 15
    assert [one.key for one in broken] == ["04.png"]
    html = explore([folder], tmp_path / "page", read_film).read_text("utf-8")
    assert "<b>1</b> films could not be read" in html
    for path in (folder / "images").iterdir():
        path.write_bytes(b"nothing")
    with pytest.raises(TrainingError, match="films: no film can be read"):
        explore([folder], tmp_path / "page", read_film)


def test_a_fact_that_gives_the_class_away_is_measured(folder):
    found = [
        one
        for one in seen(folder)[0]
        for _ in range(3)  # thirty films and more
    ]
    telling = {one.sample.key: 0.1 if one.label == "opacity" else 0.2 for one in found}
    for one in found:
        object.__setattr__(one, "spacing_mm", telling[one.sample.key])
    by_fact = {one.fact: one for one in shortcuts(found)}
    assert by_fact["pixel spacing"].auroc == 1.0
    assert by_fact["pixel spacing"].warns
    assert by_fact["sex"].auroc < 0.75


def test_few_films_and_weak_facts_warn_of_nothing():
    assert not Shortcut("age", 0.9, 29).warns
    assert not Shortcut("age", 0.6, 900).warns
    assert Shortcut("age", 0.7, 30).warns


@pytest.mark.slow
def test_the_challenge_layout_is_explored_with_what_headers_tell(tmp_path):
    source = write_rsna(tmp_path / "rsna")
    folder = source.labels.parent
    (folder / "stage_2_train_images").exists() or source.images.rename(
        folder / "stage_2_train_images"
    )
    frame = read_picture(write_films(tmp_path / "films") / "images" / "00.png")

    def with_header(_path):
        large = np.zeros((1024, 1024), np.float32)
        large[:96, :120] = frame.pixels
        return type(frame)(large), {"age": 50, "sex": "F", "view": "AP"}

    page = explore([folder], tmp_path / "page", with_header)
    assert "patients" in page.read_text("utf-8")
