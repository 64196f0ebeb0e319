"""The command that fixes a model's thresholds."""

import pytest

from inference.errors import TrainingError
from inference.manifest import read_manifest
from inference.training.commands import tune
from inference.training.data.dataset import Sample
from tests.factories.tiny_model import write_tiny_model


@pytest.fixture
def model(tmp_path):
    write_tiny_model(tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture
def data(made):
    folder = made.parent
    (folder / "images").mkdir()
    for picture in folder.glob("*.png"):
        picture.rename(folder / "images" / picture.name)
    return folder


def test_what_was_found_is_written_into_the_manifest(model, data):
    before = read_manifest(model)
    tuned = tune.tune_model(model, data, folds=[0, 1])
    after = read_manifest(model)
    assert after != before
    assert (after.sha256, after.name) == (before.sha256, before.name)
    printed = tune.told(tuned).splitlines()
    assert f"opacity = {after.thresholds.opacity:.4f}" in printed
    assert f"bias = {after.calibration.bias:.4f}" in printed


def test_films_of_one_kind_only_are_too_few(model, data):
    before = read_manifest(model)
    wants = "^tuning wants films with opacity and films without$"
    with pytest.raises(TrainingError, match=wants):
        tune.tune_model(model, data, folds=[0])
    assert read_manifest(model) == before


def film(key, source, *, known):
    return Sample(key, key, 0, 0, key, 0, source, opacity_known=known)


def test_a_limit_takes_so_many_of_each_kind_and_source():
    films = [
        film(f"{source}{k}", source, known=k % 2 == 0)
        for source in ("north", "south")
        for k in range(10)
    ]
    kept = tune._some(films, 3)
    assert len(kept) == 12
    assert sum(one.source == "north" and one.opacity_known for one in kept) == 3
    assert tune._some(films, 0) == films
    assert len(tune._some(films, 99)) == 20


def test_halves_share_no_patient_and_are_of_a_size():
    halves = tune._halves({f"p{k}" for k in range(11)})
    assert sorted(halves.values()).count(0) in (5, 6)
    assert set(halves) == {f"p{k}" for k in range(11)}
