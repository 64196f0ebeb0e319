"""One path from frame to network input, and its geometry."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.frame import Frame
from inference.preprocess import Letterbox, letterbox, normalise, preprocess

SIZE = 64


@settings(max_examples=100)
@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(32, 1024))
def test_the_longer_side_fills_the_square_and_nothing_is_cropped(rows, columns, size):
    box = Letterbox(rows, columns, size)
    assert max(box.inner_rows, box.inner_columns) == size
    assert min(box.inner_rows, box.inner_columns) >= 1
    assert abs(box.inner_rows - max(1, rows * box.scale)) <= 0.5
    assert abs(box.inner_columns - max(1, columns * box.scale)) <= 0.5


@pytest.mark.parametrize(("rows", "columns"), [(200, 100), (100, 200), (30, 20)])
def test_what_is_no_picture_is_zero(rows, columns):
    square, box = letterbox(np.ones((rows, columns), np.float32), SIZE)
    assert square.shape == (SIZE, SIZE)
    assert (square[: box.inner_rows, : box.inner_columns] == 1).all()
    assert square.sum() == box.inner_rows * box.inner_columns


def test_the_percentiles_become_black_and_white():
    pixels = np.linspace(0.3, 0.5, 1001, dtype=np.float32).reshape(7, 143)
    stretched = normalise(pixels)
    assert stretched.dtype == np.float32
    assert stretched.min() == 0
    assert stretched.max() == 1
    assert stretched[3, 71] == pytest.approx(0.5, abs=0.01)


@settings(max_examples=30)
@given(st.floats(0.05, 5), st.floats(-2, 2))
def test_the_window_of_the_modality_makes_no_difference(gain, offset):
    pixels = np.random.default_rng(0).random((20, 20)).astype(np.float32)
    np.testing.assert_allclose(
        normalise((pixels * gain + offset).astype(np.float32)),
        normalise(pixels),
        atol=1e-3,
    )


def test_a_flat_picture_is_not_divided_by_nothing():
    assert np.isfinite(normalise(np.full((4, 4), 0.7, np.float32))).all()


def test_padding_neither_counts_nor_shows():
    pixels = np.random.default_rng(0).random((64, 64)).astype(np.float32) * 0.2
    padded = np.pad(pixels, ((0, 0), (0, 0)))
    padding = np.zeros((64, 64), bool)
    padding[:16] = True
    padded[:16] = 1.0
    image, _ = preprocess(Frame(padded, padding), SIZE)
    assert image.shape == (1, SIZE, SIZE)
    assert (image[0, :16] == 0).all()
    assert image[0, 16:].max() == 1
    expected = normalise(pixels[16:])
    np.testing.assert_allclose(image[0, 16:], expected, atol=1e-6)


def test_a_frame_that_is_all_padding_is_black():
    frame = Frame(np.ones((8, 8), np.float32), np.ones((8, 8), bool))
    image, _ = preprocess(frame, SIZE)
    assert not image.any()


def test_the_frame_itself_is_left_alone():
    pixels = np.random.default_rng(0).random((SIZE, SIZE)).astype(np.float32)
    before = pixels.copy()
    preprocess(Frame(pixels), SIZE)
    np.testing.assert_array_equal(pixels, before)
