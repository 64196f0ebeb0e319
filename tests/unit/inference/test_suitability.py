"""Pictures that are no frontal chest radiograph are refused by their pixels."""

import numpy as np
import pytest

from inference import suitability
from inference.errors import UnsuitableImage
from inference.frame import Frame


def block(rows: slice, columns: slice) -> np.ndarray:
    cells = np.zeros((100, 100), bool)
    cells[rows, columns] = True
    return cells


RIGHT = block(slice(20, 80), slice(10, 40))
LEFT = block(slice(20, 80), slice(60, 90))


def code(call, *arguments) -> str:
    with pytest.raises(UnsuitableImage) as caught:
        call(*arguments)
    return caught.value.code


def test_a_thumbnail_samples_the_whole_picture():
    pixels = np.arange(12.0, dtype=np.float32).reshape(3, 4)
    small = suitability.thumbnail(Frame(np.kron(pixels, np.ones((5, 5)))), (3, 4))
    np.testing.assert_array_equal(small, pixels)


def test_a_picture_smaller_than_the_grid_is_sampled_too():
    small = suitability.thumbnail(Frame(np.eye(2, dtype=np.float32)), (4, 4))
    np.testing.assert_array_equal(small, np.kron(np.eye(2), np.ones((2, 2))))


def test_a_few_bright_pixels_are_no_contrast():
    small = np.zeros((100, 100), np.float32)
    small[0, :20] = 1
    assert code(suitability.require_contrast, small) == "BLANK"


def test_a_frontal_probability_at_the_threshold_will_do():
    suitability.require_frontal(0.5, 0.5)
    assert code(suitability.require_frontal, 0.499, 0.5) == "NOT_FRONTAL"


def lungs_of(*films: tuple[int, int], shape=(100, 100)):
    """Draw films of lungs at (row, column), 100 x 100 cells each: picture and maps."""
    noise = np.random.default_rng(0).random(shape, dtype=np.float32)
    maps = np.zeros((2, *shape), np.float32)
    for row, column in films:
        maps[0, row : row + 100, column : column + 100] += RIGHT
        maps[1, row : row + 100, column : column + 100] += LEFT
    return noise, list(maps)


@pytest.mark.parametrize("frontal", [True, False])
def test_one_film_is_one_film(frontal):
    small, lungs = lungs_of((0, 0))
    suitability.require_one_film(small, lungs, 0.6, frontal=frontal)


@pytest.mark.parametrize(
    ("films", "shape"),
    [
        (((0, 0), (0, 100)), (100, 200)),
        (((0, 0), (100, 0)), (200, 100)),
        (((0, 0),), (100, 200)),
        (((0, 100),), (100, 200)),
        (((0, 0),), (220, 100)),
        (((60, 60), (60, 160)), (220, 320)),
    ],
    ids=["side", "stacked", "lateral right", "lateral left", "below", "on a canvas"],
)
def test_two_films_on_one_image_are_refused(films, shape):
    small, lungs = lungs_of(*films, shape=shape)
    if len(films) == 2 and shape == (220, 320):  # the canvas is plain
        canvas = np.zeros(shape, np.float32)
        canvas[60:160, 60:260] = small[60:160, 60:260]
        small = canvas
    with pytest.raises(UnsuitableImage) as caught:
        suitability.require_one_film(small, lungs, 0.6, frontal=True)
    assert caught.value.code == "TWO_FILMS"


def test_a_wide_background_is_no_second_film():
    small, lungs = lungs_of((0, 0), shape=(100, 200))
    small[:, 100:] = 0
    suitability.require_one_film(small, lungs, 0.6, frontal=True)


def test_what_is_not_frontal_is_two_films_only_when_its_shape_says_so():
    _, lungs = lungs_of((0, 0))
    lungs[0][85:99, 10:80] = 1  # a second piece beside a small one
    lungs[0][20:60] = 0
    small = np.random.default_rng(0).random((100, 100), dtype=np.float32)
    suitability.require_one_film(small, lungs, 0.6, frontal=False)


def test_a_picture_without_lungs_is_left_to_the_other_checks():
    small, (right, _) = lungs_of((0, 0))
    suitability.require_one_film(small, [right, right * 0], 0.6, frontal=True)


def test_a_thumbnail_shows_the_picture_within_its_frame():
    pixels = np.ones((30, 40), np.float32)
    pixels[10:20, 5:35] = 0
    frame = Frame(pixels, picture=(slice(10, 20), slice(5, 35)))
    assert suitability.thumbnail(frame, (7, 9)).max() == 0


def test_a_pair_side_by_side_will_do():
    suitability.require_pair(RIGHT, LEFT)


@pytest.mark.parametrize(
    ("right", "left", "expected"),
    [
        (LEFT, RIGHT, "NOT_FRONTAL"),
        (RIGHT, block(slice(20, 22), slice(60, 65)), "NO_LUNGS"),
        (block(slice(20, 40), slice(10, 20)),) * 2 + ("NO_LUNGS",),
        (
            block(slice(0, 45), slice(10, 60)),
            block(slice(55, 100), slice(15, 65)),
            "NOT_FRONTAL",
        ),
    ],
    ids=["crossed", "a speck", "too small", "one above the other"],
)
def test_implausible_pairs_are_refused(right, left, expected):
    assert code(suitability.require_pair, right, left) == expected


@pytest.mark.parametrize(
    ("right", "left", "side"),
    [(RIGHT, np.zeros_like(LEFT), "left"), (np.zeros_like(RIGHT), LEFT, "right")],
)
def test_the_lung_that_is_not_seen_is_named(right, left, side):
    with pytest.raises(UnsuitableImage, match=f"Of the {side} lung next to nothing"):
        suitability.require_pair(right, left)


def test_dark_lungs_will_do_and_bright_ones_are_a_negative():
    small = np.where(RIGHT | LEFT, 0.2, 0.8).astype(np.float32)
    suitability.require_dark_lungs(small, RIGHT | LEFT)
    assert code(suitability.require_dark_lungs, 1 - small, RIGHT | LEFT) == "INVERTED"


def test_white_lungs_of_the_sick_are_no_negative():
    rng = np.random.default_rng(0)
    small = np.where(RIGHT | LEFT, 0.75, 0.8) + 0.1 * rng.random((100, 100))
    small[:, :5] = 0
    suitability.require_dark_lungs(small.astype(np.float32), RIGHT | LEFT)


def test_a_lung_that_fills_the_picture_has_no_surroundings_to_judge_by():
    everywhere = np.ones((100, 100), bool)
    suitability.require_dark_lungs(np.ones((100, 100), np.float32), everywhere)


def test_a_lung_at_the_edge_is_remarked():
    assert suitability.remarks(RIGHT | LEFT) == ()
    cut = block(slice(0, 50), slice(10, 40))
    (remark,) = suitability.remarks(cut | LEFT)
    assert "cut off" in remark


def test_height_runs_from_the_first_to_the_last_row():
    assert suitability.height(RIGHT) == 60
    assert suitability.height(np.zeros((5, 5), bool)) == 0
