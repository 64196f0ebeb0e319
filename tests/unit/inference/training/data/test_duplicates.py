"""One film in two collections is found; two films of like shape are not one."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.errors import TrainingError
from inference.training.data.dataset import Sample, read_picture, read_samples
from inference.training.data.duplicates import apart, fingerprint, twins
from inference.training.data.render import Grey, RenderCache
from inference.training.recipe.recipe import Recipe
from tests.factories.radiographs import synthetic_radiograph

SIDE = 256


def film(seed: int) -> Grey:
    """A drawn radiograph: they share their shading, and differ in what is fine."""
    pixels, _ = synthetic_radiograph(seed, SIDE, SIDE, opacities=2, bits_stored=8)
    return pixels.astype(np.uint8)


def compressed(grey: Grey) -> Grey:
    _, coded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 30])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)


CHANGES = {
    "compressed": compressed,
    "squeezed": lambda grey: cv2.resize(grey, (180, 256), interpolation=cv2.INTER_AREA),
    "small": lambda grey: cv2.resize(grey, (96, 96), interpolation=cv2.INTER_AREA),
    "framed": lambda grey: np.pad(grey, 40),
    "toned": lambda grey: np.rint((grey / 255.0) ** 1.3 * 200 + 20).astype(np.uint8),
    "trimmed": lambda grey: grey[3:-3, 3:-3],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_film_is_recognised_however_a_collection_changed_it(change: str) -> None:
    changed = fingerprint(CHANGES[change](film(2)))
    films = [fingerprint(film(seed)) for seed in range(4)]
    assert twins(films, [changed]).tolist() == [False, False, True, False]


def test_no_two_patients_are_taken_for_one() -> None:
    prints = [fingerprint(film(seed)) for seed in range(24)]
    assert not twins(prints[:12], prints[12:]).any()


def test_the_border_of_a_shutter_makes_no_twins() -> None:
    bordered = [np.pad(film(seed), 60) for seed in (0, 1)]
    films = [fingerprint(one) for one in bordered]
    assert twins(films, films[:1]).tolist() == [True, False]
    assert twins(films[:1], [fingerprint(film(0))]).all()


def test_a_blank_film_is_like_none() -> None:
    blank = fingerprint(np.zeros((20, 30), np.uint8))
    assert not twins([blank, fingerprint(film(0))], [blank]).any()


def test_without_others_there_are_no_twins() -> None:
    assert twins([], []).tolist() == []
    assert twins([fingerprint(film(0))], []).tolist() == [False]


def write_films(folder: Path, films: dict[str, Grey]) -> list[Sample]:
    folder.mkdir()
    samples = []
    for place, (name, grey) in enumerate(films.items()):
        cv2.imwrite(str(folder / name), grey)
        samples.append(
            Sample(name, folder / name, *grey.shape, name, fold=place, source="made")
        )
    return samples


def test_a_held_out_film_of_another_collection_is_not_learned_from(
    tiny: Recipe, tmp_path: Path
) -> None:
    pictures = {
        "held out.png": film(0),
        "its twin.png": CHANGES["squeezed"](film(0)),
        "another.png": film(1),
    }
    held_out, *learned = write_films(tmp_path / "films", pictures)
    cache = RenderCache(tmp_path / "cache", read_picture, "none")
    kept = apart(learned, [held_out], cache, tiny)
    assert [one.key for one in kept] == ["another.png"]
    assert apart(learned, [], cache, tiny) == learned
    with pytest.raises(TrainingError, match="every film is like one that is held out"):
        apart(learned[:1], [held_out], cache, tiny)


def test_films_of_patients_nobody_knows_are_left_out_unless_asked_for(
    tiny: Recipe, tmp_path: Path
) -> None:
    learned = read_samples(tiny.data)
    strange = replace(learned[2], patient_known=False)
    told = [*learned[:2], strange, *learned[3:5]]
    cache = RenderCache(tmp_path / "cache", read_picture, "none")
    assert strange not in apart(told, learned[5:], cache, tiny)
    assert strange in apart(told, [], cache, tiny)  # nothing is held out
    data = tiny.data.model_copy(update={"unknown_patients": True})
    asked = tiny.model_copy(update={"data": data})
    assert strange in apart(told, learned[5:], cache, asked)
