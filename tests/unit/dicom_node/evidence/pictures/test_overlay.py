import dataclasses
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_node.evidence.outline import trace
from dicom_node.evidence.past import Prior
from dicom_node.evidence.pictures.overlay import draw, draw_film, upright
from dicom_node.evidence.pictures.panel import BACKGROUND, COOL, WARM
from inference.findings import Region
from inference.frame import Orientation
from tests.factories.analyses import NOW, a_frame, a_subject, an_analysis, ellipse
from tests.factories.films import films
from tests.factories.radiographs import synthetic_dataset

ORIENTATIONS = st.builds(
    Orientation,
    transpose=st.booleans(),
    flip_rows=st.booleans(),
    flip_columns=st.booleans(),
)


def of_a_film(**changes):
    return a_subject(synthetic_dataset("CR", rows=64, columns=64), **changes)


def near(picture, colour, tolerance=40):
    """Where a picture has about this colour."""
    pixels = np.asarray(picture).astype(int)
    return np.abs(pixels - np.array(colour)).sum(axis=2) < tolerance


def filled(outline, size):
    """Which rows and columns an outline spans, as shares of the picture."""
    rows, columns = np.nonzero(outline)
    return (
        rows.min() / size[1],
        rows.max() / size[1],
        columns.min() / size[0],
        columns.max() / size[0],
    )


@given(ORIENTATIONS, st.integers(2, 9), st.integers(2, 9), st.data())
def test_points_turn_as_pixels_turn(orientation, rows, columns, data):
    row = data.draw(st.integers(0, rows - 1))
    column = data.draw(st.integers(0, columns - 1))
    source = np.zeros((rows, columns), dtype=np.bool_)
    source[row, column] = True
    turned = orientation.upright(source)
    points = upright(trace(Region.of(source)), orientation, *turned.shape)
    box = trace(Region.of(np.ascontiguousarray(turned)))
    assert points.min(axis=0).tolist() == box.min(axis=0).tolist()
    assert points.max(axis=0).tolist() == box.max(axis=0).tolist()


@pytest.mark.parametrize(
    "orientation",
    [Orientation(), Orientation(transpose=True), Orientation(flip_columns=True)],
)
def test_the_outline_lies_where_the_opacity_is(orientation):
    frame = a_frame(500, 400, orientation=orientation)
    opacity = ellipse(500, 400, (0.2, 0.3, 0.2, 0.4))
    picture = draw_film(frame, an_analysis(frame, [opacity]), width_px=800)
    top, bottom, left, right = filled(near(picture, WARM), picture.size)
    # Its number stands just above it.
    assert top == pytest.approx(0.3, abs=0.05)
    assert bottom == pytest.approx(0.7, abs=0.01)
    assert left == pytest.approx(0.2, abs=0.01)
    assert right == pytest.approx(0.4, abs=0.01)


def test_only_thin_lines_and_numbers_cover_the_film():
    frame = a_frame(500, 400)
    plain = draw_film(
        frame,
        dataclasses.replace(an_analysis(frame), findings=(), lungs=()),
        width_px=800,
    )
    drawn = draw_film(frame, an_analysis(frame), width_px=800)
    changed = np.any(np.asarray(plain) != np.asarray(drawn), axis=2)
    assert 0.005 < changed.mean() < 0.06


def test_lungs_are_cool_and_opacities_warm():
    frame = a_frame(500, 400)
    with_finding = draw_film(frame, an_analysis(frame), width_px=800)
    without = draw_film(frame, an_analysis(frame, ()), width_px=800)
    assert near(with_finding, WARM).any()
    assert not near(without, WARM).any()
    # The lung's line lets a fifth of the film through.
    assert near(without, COOL, tolerance=110).any()


def test_bright_stays_bright():
    frame = a_frame(500, 400)
    picture = np.asarray(draw(frame, an_analysis(frame, ()), subject=of_a_film()))
    film = picture[:, :1000]
    assert film[-80:, 300:600].mean() > film[80:160, 300:600].mean() + 80


def test_the_panel_lies_beside_the_film():
    frame = a_frame(500, 400)
    analysis = an_analysis(frame)
    picture = draw(frame, analysis, subject=of_a_film(), width_px=1600)
    assert picture.size[0] == 1600
    column = np.asarray(picture)[:, 1600 - 28 - 420 - 14]
    assert (column == BACKGROUND).all()
    panel = np.asarray(picture)[:, 1600 - 28 - 420 :]
    assert (panel > 200).any()


@pytest.mark.parametrize("width", [480, 1000, 2000])
@pytest.mark.parametrize("size", [(40, 30), (300, 900), (900, 300)])
def test_films_of_any_shape_fit(width, size):
    frame = a_frame(*size)
    picture = draw(frame, an_analysis(frame), subject=of_a_film(), width_px=width)
    assert picture.size[0] == width
    assert width * 0.5 < picture.size[1] < width * 1.2


def test_many_findings_never_reach_the_disclaimer():
    frame = a_frame(300, 300)
    squares = []
    for number in range(40):
        mask = np.zeros((300, 300), dtype=np.bool_)
        row, column = 60 + 20 * (number // 6), 60 + 30 * (number % 6)
        mask[row : row + 8, column : column + 8] = True
        squares.append(mask)
    many = np.asarray(draw(frame, an_analysis(frame, squares), subject=of_a_film()))
    few = np.asarray(draw(frame, an_analysis(frame, squares[:1]), subject=of_a_film()))
    foot = slice(-130, None)
    assert np.array_equal(many[foot, -420:], few[foot, -420:])


def test_the_prior_and_remarks_are_on_the_panel():
    frame = a_frame()
    analysis = an_analysis(frame)
    plain = draw(frame, analysis, subject=of_a_film())
    prior = of_a_film(prior=Prior(NOW - timedelta(days=2), 9.0, 9.0, 9.0))
    remarked = dataclasses.replace(analysis, remarks=("The film is rotated.",))
    for other in (
        draw(frame, analysis, subject=prior),
        draw(frame, remarked, subject=of_a_film()),
    ):
        assert not np.array_equal(np.asarray(plain), np.asarray(other))


@settings(max_examples=8, deadline=None)
@given(film=films(), orientation=ORIENTATIONS)
def test_any_film_can_be_drawn(film, orientation):
    rows, columns, opacities = film
    frame = a_frame(rows, columns, orientation=orientation)
    picture = draw(
        frame, an_analysis(frame, opacities), subject=of_a_film(), width_px=640
    )
    assert picture.mode == "RGB"
