"""The serving path on phantom films with known truth."""

import numpy as np
import pytest

from inference.errors import TrainingError
from inference.frame import Frame, Orientation
from inference.training.commands.evaluate import measure
from inference.training.data.dataset import read_picture
from inference.training.evaluation import serving
from inference.training.evaluation.films import read_data


def judged(reader, folder, folds=()):
    films, strangers = read_data(folder, folds)
    return measure(reader, films, strangers)


def test_a_reader_that_sees_all_is_right_about_all(reader, films):
    cases, _ = judged(reader, films)
    assert [case.positive for case in cases] == [k % 2 == 1 for k in range(12)]
    assert [case.called for case in cases] == [case.positive for case in cases]
    assert all(case.refused is None for case in cases)
    for case in cases:
        assert min(case.lung_dice) > 0.93
        assert case.percent == pytest.approx(case.true_percent, abs=3.0)
        assert len(case.findings.boxes) == len(case.truths)
    sick = [case for case in cases if case.positive]
    assert all(case.opacity_dice > 0.9 for case in sick)
    assert all(case.opacity_dice is None for case in cases if not case.positive)


def test_detections_lie_in_source_pixels(reader, films):
    cases, _ = judged(reader, films)
    for case in cases:
        for found, truth in zip(case.detections.boxes, case.truths, strict=True):
            assert found == pytest.approx(truth, abs=4.0)


def test_facts_of_the_film_come_along(reader, films):
    case = judged(reader, films)[0][4]
    assert (case.key, case.group, case.fold) == ("film04.png", "g2", 0)
    assert (case.source, case.sex, case.age, case.view) == ("north", "F", 40.0, "PA")
    assert case.reader_extent == 0.0


def test_an_unknown_film_is_not_a_negative(reader, films, edit):
    edit(lambda table: table["images"][0].update(opacity_annotated=False))
    case = judged(reader, films)[0][0]
    assert case.positive is None


def test_lungs_that_nobody_drew_are_not_scored(reader, films, edit):
    def without_left_lungs(table):
        kept = [a for a in table["annotations"] if a["category_id"] != 3]
        table["annotations"] = kept

    edit(without_left_lungs)
    for case in judged(reader, films)[0]:
        assert case.lung_dice[0] > 0.9
        assert case.lung_dice[1] is None


def test_a_box_without_outline_has_no_dice(reader, films, edit):
    def without_outlines(table):
        for one in table["annotations"]:
            if one["category_id"] == 1:
                one["segmentation"] = []

    edit(without_outlines)
    cases, _ = judged(reader, films)
    assert all(case.opacity_dice is None for case in cases)
    assert sum(len(case.truths) for case in cases) == 6


@pytest.mark.parametrize("facts", [{"machine": True}, {"segmentation": []}])
def test_what_no_person_drew_is_no_truth_of_outlines(reader, films, edit, facts):
    def spoil(table):
        opacities = [one for one in table["annotations"] if one["category_id"] == 1]
        opacities[0].update(facts)

    edit(spoil)
    cases, _ = judged(reader, films)
    told = [case.opacity_dice is not None for case in cases if case.positive]
    assert told == [False] + [True] * 5


def test_a_mask_that_is_only_part_of_an_opacity_has_no_dice(reader, films, edit):
    edit(lambda table: table["images"][1].update(opacity_pixel_complete=False))
    cases, _ = judged(reader, films)
    assert [case.opacity_dice is None for case in cases[1::2]] == [True] + [False] * 5


def test_films_of_one_source_can_be_asked_for(films):
    chosen, _ = read_data(films, sources=["south"])
    assert [one.key for one in chosen] == [f"film{k:02}.png" for k in range(6, 12)]
    with pytest.raises(TrainingError, match="films: no frontal film in west"):
        read_data(films, sources=["west"])


def test_what_must_be_refused_may_lie_in_two_folders(films):
    for name in ("lateral", "not_analysable"):
        (films / name).mkdir()
        (films / name / "x.png").write_bytes((films / "images/film00.png").read_bytes())
    _, strangers = read_data(films)
    assert {one.source for one in strangers} == {"lateral", "not_analysable"}


def test_films_that_arrive_the_wrong_way_are_refused(reader, films):
    _, met = judged(reader, films)
    for kind in ("inverted", "upside down"):
        codes = [one.refused for one in met if one.kind == kind]
        assert len(codes) == 12
        assert set(codes) == {"NOT_FRONTAL"}


def test_a_refused_film_is_a_missed_film(reader, films):
    seen = next(serving.look(reader, read_data(films)[0][1:2], read_picture))
    upset = Frame(np.full_like(seen.frame.pixels, 0.5))
    blank = serving.Look(seen.sample, upset, seen.letterbox, seen.prediction)
    case = serving.judge(blank, reader.manifest)
    assert case.refused == "BLANK"
    assert case.score > 0.5
    assert not case.called
    assert case.opacity_dice == 0.0
    assert case.lung_dice == (0.0, 0.0)
    assert case.percent is None
    assert case.detections.boxes == ()


def test_a_film_of_another_size_than_annotated_is_named(reader, films, edit):
    edit(lambda table: table["images"][2].update(width=COLUMNS_TOLD, height=ROWS_TOLD))
    with pytest.raises(
        TrainingError, match=r"film02\.png: 200 x 160 pixels.*220 x 170"
    ):
        judged(reader, films)


COLUMNS_TOLD, ROWS_TOLD = 220, 170


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("flip_rows", [False, True])
@pytest.mark.parametrize("flip_columns", [False, True])
def test_a_box_finds_its_way_back_to_the_source(transpose, flip_rows, flip_columns):
    orientation = Orientation(transpose, flip_rows, flip_columns)
    source = np.zeros((30, 40), np.float32)
    source[5:9, 10:22] = 1  # x 10, y 5, width 12, height 4
    upright = np.ascontiguousarray(orientation.upright(source))
    rows, columns = np.nonzero(upright)
    corners = np.array(
        [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float64
    )
    frame = Frame(upright, orientation=orientation)
    assert serving._to_source(corners, frame) == (10, 5, 12, 4)
    assert serving.source_size(frame) == (30, 40)
