"""A folder of classes tells of whole films, and a poor one is named."""

import pytest

from inference.errors import TrainingError
from inference.training.data.dataset import read_samples
from inference.training.recipe.data import ClassFolderSource, DataRecipe


@pytest.fixture
def folder(tmp_path):
    for name, count in (("Normal", 3), ("Not normal", 2), ("Lung Opacity", 2)):
        (tmp_path / name).mkdir()
        for number in range(count):
            (tmp_path / name / f"{name[:4]}{number}.png").touch()
    return tmp_path


def read(folder, *opacity):
    source = ClassFolderSource(folder=folder, opacity=opacity)
    return read_samples(DataRecipe(classes=(source,)))


def test_the_classes_that_are_named_show_opacity_and_the_others_do_not(folder):
    films = read(folder, "Lung Opacity")
    assert [one.positive for one in films].count(True) == 2
    assert [one.positive for one in films].count(False) == 5
    assert not any(one.opacity_known for one in films)
    assert {one.facts["class"] for one in films if not one.positive} == {
        "Normal",
        "Not normal",
    }
    assert all(one.path.is_file() for one in films)


def test_a_class_that_there_is_not_is_named_with_those_that_there_are(folder):
    with pytest.raises(TrainingError, match=r"no class 'Pneumonia' \(there are: Lung"):
        read(folder, "Pneumonia")


def test_a_class_of_one_picture_is_refused(folder):
    (folder / "Not normal" / "Not 1.png").unlink(missing_ok=True)
    (folder / "Not normal" / "Not 0.png").unlink(missing_ok=True)
    with pytest.raises(TrainingError, match="Not normal: a class wants 2 pictures"):
        read(folder, "Normal")


def test_a_folder_that_there_is_not_is_named(tmp_path):
    with pytest.raises(TrainingError, match="none: no such folder"):
        read(tmp_path / "none", "Normal")
