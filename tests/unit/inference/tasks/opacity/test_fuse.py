"""Several answers about one film become one; a mirror image turns back."""

import numpy as np
import pytest

from inference.tasks.opacity.fuse import fuse, unflipped
from inference.tasks.opacity.prediction import Prediction
from tests.fakes.runner import (
    LEFT_LUNG,
    RIGHT_LUNG,
    chest_prediction,
    scripted_manifest,
)

MANIFEST = scripted_manifest()
SIZE = MANIFEST.input_size_px


def prediction(*boxes_and_scores):
    count = MANIFEST.max_instances
    boxes, scores = np.zeros((count, 4), np.float32), np.zeros(count, np.float32)
    masks = np.zeros((count, 28, 28), np.float32)
    for place, (box, score) in enumerate(boxes_and_scores):
        boxes[place], scores[place], masks[place] = box, score, 1.0
    dense = np.zeros((3, SIZE // 2, SIZE // 2), np.float32)
    return Prediction(boxes, scores, masks, dense, np.array([0.2, 0.9], np.float32))


def same(one, other):
    return all(
        np.allclose(getattr(one, name), getattr(other, name), atol=1e-5)
        for name in one.__slots__
    )


def test_one_answer_fused_is_itself():
    alone = chest_prediction(MANIFEST, [((0.2, 0.3, 0.4, 0.5), 0.8)])
    assert same(fuse([alone]), alone)


def test_two_that_agree_keep_their_score_and_meet_by_weight():
    one = prediction(((10, 10, 50, 50), 0.9))
    other = prediction(((14, 10, 54, 50), 0.3))
    fused = fuse([one, other])
    assert fused.boxes[0] == pytest.approx([11, 10, 51, 50])
    assert fused.scores[:2] == pytest.approx([0.6, 0.0])


def test_what_only_one_saw_counts_less():
    fused = fuse([prediction(((10, 10, 50, 50), 0.8)), prediction()])
    assert fused.boxes[0] == pytest.approx([10, 10, 50, 50])
    assert fused.scores[0] == pytest.approx(0.4)


def test_boxes_apart_stay_apart_and_the_surest_comes_first():
    one = prediction(((10, 10, 30, 30), 0.4), ((60, 60, 90, 90), 0.2))
    other = prediction(((60, 60, 90, 90), 0.9))
    fused = fuse([one, other])
    assert fused.scores[:3] == pytest.approx([0.55, 0.2, 0.0])
    assert fused.boxes[0] == pytest.approx([60, 60, 90, 90])
    assert fused.boxes[1] == pytest.approx([10, 10, 30, 30])


def test_more_boxes_than_places_lose_the_least_sure():
    boxes = [((10 * k, 0, 10 * k + 8, 8), 0.9 - 0.1 * k) for k in range(8)]
    lower = [((10 * k, 20, 10 * k + 8, 28), 0.85 - 0.1 * k) for k in range(8)]
    fused = fuse([prediction(*boxes), prediction(*lower)])
    assert fused.scores.shape == (8,)
    expected = sorted([s for _, s in boxes + lower], reverse=True)[:8]
    assert fused.scores == pytest.approx([s / 2 for s in expected])


def test_a_mask_keeps_its_place_in_the_fused_box():
    one = prediction(((0, 0, 40, 40), 0.5))
    one.masks[0, :, 14:] = 0.0  # the left half
    other = prediction(((0, 0, 40, 60), 0.5))
    fused = fuse([one, other])  # 0 0 40 50
    assert fused.boxes[0] == pytest.approx([0, 0, 40, 50])
    mask = fused.masks[0]
    assert mask[:20, :13] == pytest.approx(1.0)
    assert mask[:20, 15:] == pytest.approx(0.5)
    # below row 40 of the picture only the other one has anything
    assert mask[24:, :13] == pytest.approx(0.5)


def mirror(box):
    x1, y1, x2, y2 = box
    return (1 - x2, y1, 1 - x1, y2)


CHEST = [((0.2, 0.3, 0.4, 0.5), 0.8)]
# a mirror image as a good network sees it: what lies on the left is the right lung
MIRRORED = chest_prediction(
    MANIFEST,
    [(mirror(box), score) for box, score in CHEST],
    right_lung=mirror(LEFT_LUNG),
    left_lung=mirror(RIGHT_LUNG),
)


def test_the_mirror_image_of_a_chest_turns_back_into_the_chest():
    assert same(unflipped(MIRRORED, SIZE), chest_prediction(MANIFEST, CHEST))


def test_padding_stays_padding_when_turned_back():
    turned = unflipped(prediction(((10, 20, 30, 40), 0.5)), SIZE)
    assert turned.boxes[0] == pytest.approx([SIZE - 30, 20, SIZE - 10, 40])
    assert not turned.boxes[1:].any()


def test_maps_and_film_scores_are_averaged():
    one, other = prediction(), prediction()
    one.dense[0], other.dense[0] = 0.2, 0.6
    other.image[:] = [0.6, 0.5]
    fused = fuse([one, other])
    assert fused.dense[0] == pytest.approx(0.4)
    assert fused.image == pytest.approx([0.4, 0.7])
