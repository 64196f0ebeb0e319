"""A teacher's word counts where no person's does, and nowhere else."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.errors import TrainingError
from inference.manifest import ModelManifest
from inference.runner import Prediction
from inference.training.batches import Batches
from inference.training.dataset import Sample, read_picture, read_samples
from inference.training.recipe import AugmentationRecipe, Recipe
from inference.training.render import RenderCache, Rendered, render
from inference.training.synthesis import add_opacity
from inference.training.teacher import Teacher, teach
from inference.training.transforms import example

SIZE = 64
HALF = SIZE // 2


class Certain:
    """A teacher that sees opacity everywhere, and the lungs left and right."""

    manifest = ModelManifest(
        name="certain",
        version="1",
        sha256="1" * 64,
        input_size_px=SIZE,
        max_instances=1,
        intended_use="tests",
        licence="Apache-2.0",
        training_data_digest="",
    )

    def load(self) -> None: ...

    def close(self) -> None: ...

    def run(self, batch):
        dense = np.zeros((3, HALF, HALF), np.float32)
        dense[0] = 0.6
        dense[1, :, : HALF // 2] = 1
        dense[2, :, HALF // 2 :] = 0.8
        none = np.zeros((1, 28, 28), np.float32)
        one = Prediction(none[0, :1, :4], none[0, 0, :1], none, dense, none[0, 0, :2])
        return [one] * len(batch)


@pytest.fixture
def samples(tiny: Recipe) -> list[Sample]:
    return [one for one in read_samples(tiny.data) if one.fold == 1]


@pytest.fixture
def folder(samples: list[Sample], tmp_path: Path) -> Path:
    frontal = [one for one in samples if one.frontal]
    teach(Certain(), frontal, read_picture, tmp_path / "teacher")
    return tmp_path / "teacher"


@pytest.fixture
def taught(folder: Path) -> Callable[[Sample], Rendered]:
    teacher = Teacher(folder)

    def rendered(sample: Sample) -> Rendered:
        plain = render(sample, read_picture(sample.path), SIZE, "none")
        return replace(plain, taught=teacher.planes(sample, SIZE))

    return rendered


def of_kind(samples: list[Sample], kind: str) -> Sample:
    return next(one for one in samples if one.kind == kind)


def test_the_maps_can_be_looked_at(folder: Path, samples: list[Sample]) -> None:
    path = folder / f"{of_kind(samples, 'unknown').key}.png"
    blue, green, red = cv2.imread(str(path)).transpose(2, 0, 1)
    assert np.unique(red).tolist() == [153]
    assert green[:, : HALF // 2].min() == 255
    assert not green[:, HALF // 2 :].any()
    assert blue[:, HALF // 2 :].min() == 204


def test_what_no_person_said_is_learned_from_the_teacher(
    taught: Callable[[Sample], Rendered], samples: list[Sample], tiny: Recipe
) -> None:
    sample = of_kind(samples, "unknown")
    shown = example(sample, taught(sample), SIZE, tiny.data)
    assert np.unique(shown.weight).tolist() == [tiny.data.teacher_weight]
    assert np.allclose(shown.truth[0], 0.6, atol=0.01)
    assert shown.truth[1, HALF // 2, 2] == 1
    assert shown.truth[1, HALF // 2, -2] == 0
    assert shown.truth[2, HALF // 2, -2] == pytest.approx(0.8)
    assert not shown.overlap.any()


@pytest.mark.parametrize("kind", ["mask", "box", "negative", "lungs"])
def test_what_a_person_said_stays(
    taught: Callable[[Sample], Rendered],
    samples: list[Sample],
    tiny: Recipe,
    kind: str,
) -> None:
    sample = of_kind(samples, kind)
    with_teacher = taught(sample)
    plain = example(sample, replace(with_teacher, taught=None), SIZE, tiny.data)
    shown = example(sample, with_teacher, SIZE, tiny.data)
    said = plain.weight > 0
    assert said.any()
    assert bool(said.all()) == (kind == "mask")  # all of it was annotated
    assert np.array_equal(shown.weight[said], plain.weight[said])
    assert np.array_equal(shown.truth[said], plain.truth[said])
    assert (shown.weight[~said] == tiny.data.teacher_weight).all()
    # Instances and the film's score learn from people alone.
    assert (shown.known, shown.exhaustive) == (plain.known, plain.exhaustive)
    assert np.array_equal(shown.boxes, plain.boxes)
    assert np.array_equal(shown.image_weight, plain.image_weight)
    assert np.array_equal(shown.image_truth, plain.image_truth)


def test_a_mirror_image_swaps_the_taught_lungs(
    taught: Callable[[Sample], Rendered], samples: list[Sample], tiny: Recipe
) -> None:
    sample = of_kind(samples, "unknown")
    steady = {
        name: 0
        for name, field in AugmentationRecipe.model_fields.items()
        if field.annotation is float
    }
    still = AugmentationRecipe(**(steady | {"scale": (1, 1)}))
    mirror = still.model_copy(update={"flip": 1.0})
    rng = np.random.default_rng(0)
    shown = example(sample, taught(sample), SIZE, tiny.data, mirror, rng)
    straight = example(sample, taught(sample), SIZE, tiny.data)
    assert np.allclose(shown.truth[1], straight.truth[2][:, ::-1])
    assert np.allclose(shown.truth[2], straight.truth[1][:, ::-1])


def test_a_clean_film_gets_synthetic_opacities_inside_taught_lungs(
    taught: Callable[[Sample], Rendered], samples: list[Sample]
) -> None:
    sample = of_kind(samples, "negative")
    rendered = taught(sample)
    bare = replace(rendered, taught=None)
    assert add_opacity(sample, bare, np.random.default_rng(0))[0] is bare
    drawn, told = add_opacity(sample, rendered, np.random.default_rng(0))
    assert told.opacities
    assert (drawn.image != rendered.image).any()


def test_batches_ask_the_teacher_of_the_recipe(
    folder: Path, samples: list[Sample], tiny: Recipe, tmp_path: Path
) -> None:
    data = tiny.data.model_copy(update={"teacher": folder})
    recipe = tiny.model_copy(update={"data": data})
    cache = RenderCache(tmp_path / "cache", read_picture, "none")
    unknown = [of_kind(samples, "unknown")]
    _, plain = Batches(unknown, tiny, cache).at(1)
    _, shown = Batches(unknown, recipe, cache).at(1)
    assert not plain["dense"]["weight"].any()
    assert shown["dense"]["weight"].any()


def test_a_film_that_the_teacher_was_not_asked_about_stays_unknown(
    folder: Path, samples: list[Sample]
) -> None:
    stranger = replace(samples[0], key="../another")
    assert Teacher(folder).planes(stranger, SIZE) is None


def test_a_teacher_that_knows_the_held_out_fold_is_refused(folder: Path) -> None:
    assert Teacher(folder, held_out=0).sha256 == "1" * 64
    with pytest.raises(TrainingError, match="holds films of fold 1, which is held out"):
        Teacher(folder, held_out=1)


def test_what_is_no_teachers_folder_gets_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no such file; cxr-node teach makes it"):
        Teacher(tmp_path)
    about = folder / "teacher.json"
    for text in ("[]", "{}", "films", json.dumps({"folds": 3})):
        about.write_text(text, encoding="utf-8")
        with pytest.raises(TrainingError, match="not what cxr-node teach writes"):
            Teacher(folder)


def test_a_spoilt_map_and_an_endless_name_are_refused(
    folder: Path, samples: list[Sample]
) -> None:
    sample = samples[0]
    (folder / f"{sample.key}.png").write_bytes(b"no picture")
    with pytest.raises(TrainingError, match="not a readable PNG"):
        Teacher(folder).planes(sample, SIZE)
    with pytest.raises(TrainingError, match="too long"):
        Teacher(folder).planes(replace(sample, key="x" * 300), SIZE)
