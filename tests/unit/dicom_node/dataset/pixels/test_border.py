"""A frame is constant, the brightest, and reaches in from the edges."""

import numpy as np

from dicom_node.dataset.pixels.border import within_white_frame


def picture(rows=100, columns=80):
    values = np.add.outer(np.arange(rows), np.arange(columns)) * 10 % 900
    return values, (values / 1000).astype(np.float32)


def test_lines_are_taken_from_each_side():
    values, pixels = picture()
    for array, white in ((values, 1000), (pixels, 1.0)):
        array[:10] = white
        array[-5:] = white
        array[:, :7] = white
    shown = within_white_frame(pixels, values, exact=True)
    assert shown == (slice(10, 95), slice(7, 80))


def test_white_inside_the_picture_is_no_frame():
    values, pixels = picture()
    values[40:50], pixels[40:50] = 1000, 1.0
    assert within_white_frame(pixels, values, exact=True) is None


def test_noise_of_lossy_compression_is_allowed_for_where_it_can_be():
    values, pixels = picture()
    values[:10] = 1000 - np.arange(80) % 3
    pixels[:10] = values[:10] / 1000
    assert within_white_frame(pixels, values, exact=True) is None
    assert within_white_frame(pixels, values, exact=False) is not None


def test_a_thin_line_is_not_worth_a_word():
    values, pixels = picture(1000, 800)
    values[:2], pixels[:2] = 1000, 1.0
    assert within_white_frame(pixels, values, exact=True) is None
