"""Thresholds and calibration found on phantom films: the whole tuning folder."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from inference.errors import TrainingError
from inference.training.commands.evaluate import measure
from inference.training.commands.tune import judge_crosswise, see
from inference.training.data.dataset import read_picture
from inference.training.evaluation.films import read_data
from inference.training.evaluation.serving import judge
from inference.training.evaluation.tuning.calibration import frontal_point
from inference.training.evaluation.tuning.rule import film_score, segmented
from inference.training.evaluation.tuning.search import (
    LUNGS,
    _lung_value,
    _outline_value,
)
from inference.training.evaluation.tuning.tune import tune


def looked(reader, folder):
    films, strangers = read_data(folder)
    return see(reader, films, strangers, read_picture)


def test_a_shy_network_gets_a_lower_threshold(shy_reader, films):
    studies, strangers = looked(shy_reader, films)
    before = [judge(one.seen, shy_reader.manifest) for one in studies]
    assert all(not case.findings.boxes for case in before)

    tuned = tune(studies, strangers, shy_reader.manifest)

    assert 0.05 < tuned.thresholds.opacity < 0.32
    start = shy_reader.manifest.thresholds
    for name in ("minimum_area", "core"):  # no search's business
        assert getattr(tuned.thresholds, name) == getattr(start, name)
    assert 0 < tuned.thresholds.clear <= tuned.thresholds.any_opacity
    after = [judge(one.seen, tuned) for one in studies]
    assert all(case.called == case.positive for case in after)
    assert all(case.opacity_dice > 0.9 for case in after if case.positive)


def test_calibration_makes_a_shy_network_sure(shy_reader, films):
    studies, strangers = looked(shy_reader, films)
    tuned = tune(studies, strangers, shy_reader.manifest)
    scores = [judge(one.seen, tuned).score for one in studies]
    assert min(scores[1::2]) > 0.8
    assert max(scores[::2]) < 0.2


def test_tuning_keeps_what_it_does_not_tune(reader, films):
    studies, strangers = looked(reader, films)
    tuned = tune(studies, strangers, reader.manifest)
    kept = replace(
        tuned,
        thresholds=reader.manifest.thresholds,
        calibration=reader.manifest.calibration,
    )
    assert kept == reader.manifest


def test_outlines_fixed_before_are_kept_on_demand(shy_reader, films):
    studies, strangers = looked(shy_reader, films)
    before = shy_reader.manifest
    tuned = tune(studies, strangers, before, outlines=False)
    for name in ("score", "opacity", "opacity_slope", "core", "lung", "minimum_area"):
        assert getattr(tuned.thresholds, name) == getattr(before.thresholds, name)
    assert tuned.calibration != before.calibration
    scores = [judge(one.seen, tuned).score for one in studies]
    assert min(scores[1::2]) > tuned.thresholds.any_opacity > max(scores[::2])


def test_the_faint_is_outlined_below_the_operating_point(reader, films):
    studies, strangers = looked(reader, films)
    faint = [seen_less_surely(studies[1], 0.5 + 0.02 * k) for k in range(20)]
    tuned = tune(faint + studies[::2], strangers, reader.manifest)
    scores = sorted(film_score(one, tuned) for one in faint)
    # 19 of the 20 are outlined, 18 of them are called
    assert scores[0] < tuned.thresholds.clear < scores[1]
    assert scores[1] < tuned.thresholds.any_opacity < scores[2]


def test_hesitant_films_get_a_threshold_of_their_own(reader, films):
    studies, strangers = looked(reader, films)
    # what is opacity on a hesitant film is less than the glare on a sure one
    sick = [
        seen_with_glare(one, 0.95, 0.6) if k % 2 else seen_with_glare(one, 0.4, 0.1)
        for k, one in enumerate(studies[1::2])
    ]
    tuned = tune(sick + studies[::2], strangers, reader.manifest)
    assert tuned.thresholds.opacity_slope > 0
    values = [_outline_value(segmented(one, tuned), one) for one in sick]
    assert min(values) > 0.9


def seen_with_glare(one, sure, glare):
    prediction = one.seen.prediction
    dense = prediction.dense.copy()
    lung = dense[1:].max(axis=0) > 0.5
    dense[0] = np.where(dense[0] > 0.5, sure, np.where(lung, glare, 0.01))
    scores = np.where(prediction.scores > 0, sure, 0).astype(np.float32)
    changed = replace(prediction, dense=dense, scores=scores)
    seen = replace(one.seen, prediction=changed)
    return replace(one, seen=seen, remembered={})


def seen_less_surely(one, share):
    prediction = one.seen.prediction
    dense = prediction.dense * np.array([share, 1, 1], np.float32)[:, None, None]
    seen = replace(one.seen, prediction=replace(prediction, dense=dense))
    return replace(one, seen=seen, remembered={})


def test_tuning_wants_both_sick_and_clean_films(reader, films):
    studies, strangers = looked(reader, films)
    with pytest.raises(TrainingError, match="with opacity and films without"):
        tune(studies[1::2], strangers, reader.manifest)


def test_each_half_is_judged_with_what_the_other_half_fixed(shy_reader, films):
    studies, strangers = looked(shy_reader, films)
    cases, _ = judge_crosswise(studies, strangers, shy_reader.manifest)
    assert sorted(case.key for case in cases) == [f"film{k:02}.png" for k in range(12)]
    assert all(case.called == case.positive for case in cases)


def test_the_frontal_threshold_lies_between_films_and_strangers(reader, films):
    studies, _ = looked(reader, films)
    found, _ = read_data(films)
    _, met = measure(reader, found, [])
    assert {one.refused for one in met if one.kind == "inverted"} == {"NOT_FRONTAL"}
    point = frontal_point(studies, [])
    assert 0.0 < point < 0.95


def test_a_large_film_is_kept_small_and_its_truth_with_it(reader, films, edit):
    path = films / "images" / "film03.png"
    with Image.open(path) as picture:
        picture.resize((800, 640), Image.Resampling.NEAREST).save(path)

    def four_times(table):
        table["images"][3].update(width=800, height=640)
        for one in table["annotations"]:
            if one["image_id"] == 4:
                one["bbox"] = [4 * value for value in one["bbox"]]
                one["segmentation"] = [[4 * v for v in one["segmentation"][0]]]

    edit(four_times)
    one = looked(reader, films)[0][3]
    assert one.opacity.shape == (410, 512)
    assert one.truths[0] == pytest.approx([92.16, 102.4, 66.56, 74.24])
    found = segmented(one, reader.manifest)
    assert _outline_value(found, one) > 0.9
    assert _lung_value(found, one) > 0.93
    with pytest.raises(TrainingError, match="512 x 410 pixels"):
        judge(one.seen, reader.manifest)
    (case,) = judge_crosswise_alone(reader, films, "film03.png")
    assert case.opacity_dice > 0.9


def judge_crosswise_alone(reader, films, key):
    cases, _ = judge_crosswise(*looked(reader, films), reader.manifest)
    return [case for case in cases if case.key == key]


def test_truth_is_drawn_on_the_small_grid(reader, films):
    studies, _ = looked(reader, films)
    one = studies[3]
    assert one.opacity.shape == (160, 200)
    assert one.opacity.sum() == pytest.approx(26 * 29, rel=0.1)
    assert one.truths.tolist() == [[36, 40, 26, 29]]
    assert studies[0].opacity is None
    assert LUNGS.counts(one)
    assert not LUNGS.counts(replace(one, lungs=(None, None)))


def test_a_film_is_segmented_once_for_one_question(reader, films):
    studies, strangers = looked(reader, films)
    first = tune(studies, strangers, reader.manifest)
    asked = {one.seen.sample.key: len(one.remembered) for one in studies}
    again = tune(studies, strangers, reader.manifest)
    assert again == first
    assert asked == {one.seen.sample.key: len(one.remembered) for one in studies}
    assert min(asked.values()) > 0
