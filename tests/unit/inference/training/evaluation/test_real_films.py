"""The films at hand: what is measured on them, and that their truth means ours."""

import pytest

from inference.findings import Region, Side
from inference.quantify import severity
from inference.training.data.dataset import read_picture
from inference.training.evaluation.films import read_data
from inference.training.evaluation.serving import union


@pytest.fixture(scope="module")
def fold(shared_dir):
    return read_data(shared_dir / "data" / "cxr", [0], dicom=True)


def test_the_held_out_fold_has_its_films_and_the_lateral_ones_kept_apart(fold):
    films, strangers = fold
    known = [film for film in films if film.opacity_known]
    assert len(films) == 183
    assert (len(known), sum(bool(film.opacities) for film in known)) == (110, 23)
    kinds = [one.source for one in strangers]
    assert kinds.count("lateral") == 4
    assert kinds.count("not a chest radiograph") == 6


def test_percentages_of_the_outlines_are_those_that_the_films_tell(fold):
    films = [film for film in fold[0] if film.kind == "mask"]
    assert len(films) == 7
    for film in films:
        frame = read_picture(film.path)
        size = (frame.rows, frame.columns)
        lungs = {
            Side.RIGHT: Region.of(union([film.right_lung], *size)),
            Side.LEFT: Region.of(union([film.left_lung], *size)),
        }
        opacities = [
            Region.of(union([one.segmentation], *size)) for one in film.opacities
        ]
        measured = severity(lungs, opacities)
        told = film.facts["affected_lung_pct"]
        assert measured.right == pytest.approx(told["right"], abs=1.0)
        assert measured.left == pytest.approx(told["left"], abs=1.0)
        assert measured.total == pytest.approx(told["total"], abs=1.0)
