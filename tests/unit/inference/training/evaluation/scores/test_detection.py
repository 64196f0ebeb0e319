"""Boxes, against pycocotools and by hand."""

import contextlib
import io
import math

import numpy as np
import pytest

from inference.training.evaluation.scores import detection

coco = pytest.importorskip("pycocotools.coco")
cocoeval = pytest.importorskip("pycocotools.cocoeval")

NONE = np.zeros((0, 4))


def random_film(draw):
    n_truths = int(draw.integers(0, 4))
    truths = np.column_stack(
        [draw.uniform(0, 60, (n_truths, 2)), draw.uniform(10, 40, (n_truths, 2))]
    )
    near = [t + draw.normal(0, 3, 4) for t in truths for _ in range(2)]
    far = np.column_stack([draw.uniform(0, 60, (2, 2)), draw.uniform(10, 40, (2, 2))])
    boxes = np.vstack([*near, far]) if near else far
    boxes[:, 2:] = np.maximum(boxes[:, 2:], 1.0)
    return boxes, draw.uniform(0, 1, boxes.shape[0]), truths


def pycocotools_precision(films, at_iou):
    annotations, results = [], []
    for image_id, (boxes, scores, truths) in enumerate(films, start=1):
        annotations += [
            {
                "id": len(annotations) + k + 1,
                "image_id": image_id,
                "category_id": 1,
                "bbox": t.tolist(),
                "area": float(t[2] * t[3]),
                "iscrowd": 0,
            }
            for k, t in enumerate(truths)
        ]
        results += [
            {
                "image_id": image_id,
                "category_id": 1,
                "bbox": b.tolist(),
                "score": float(s),
            }
            for b, s in zip(boxes, scores, strict=True)
        ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = {
            "info": {},
            "images": [{"id": k + 1} for k in range(len(films))],
            "categories": [{"id": 1, "name": "lung_opacity"}],
            "annotations": annotations,
        }
        truth.createIndex()
        evaluation = cocoeval.COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.params.iouThrs = np.array([at_iou])
        evaluation.evaluate()
        evaluation.accumulate()
    return float(evaluation.eval["precision"][0, :, 0, 0, -1].mean())


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("at_iou", [0.4, 0.5])
def test_average_precision_is_pycocotools(seed, at_iou):
    draw = np.random.default_rng(seed)
    films = [random_film(draw) for _ in range(25)]
    ours = detection.average_precision([detection.match(*f, at_iou) for f in films])
    assert 0.05 < ours < 0.95
    assert ours == pytest.approx(pycocotools_precision(films, at_iou), abs=1e-9)


def test_overlap_by_hand():
    one = np.array([[0.0, 0, 10, 10]])
    other = np.array([[5.0, 0, 10, 10], [20, 20, 5, 5], [0, 0, 10, 10]])
    assert detection.iou(one, other)[0] == pytest.approx([1 / 3, 0.0, 1.0])


def test_an_opacity_is_found_once_and_by_the_surest_detection():
    truths = np.array([[0.0, 0, 10, 10]])
    boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 9]])
    found = detection.match(boxes, np.array([0.3, 0.8]), truths, 0.5)
    assert found.scores.tolist() == [0.8, 0.3]
    assert found.hits.tolist() == [True, False]


def test_average_precision_by_hand():
    truths = np.array([[0.0, 0, 10, 10], [50, 50, 10, 10]])
    boxes = np.array([[0.0, 0, 10, 10], [80, 80, 5, 5], [50, 50, 10, 10]])
    found = detection.match(boxes, np.array([0.9, 0.8, 0.7]), truths, 0.5)
    # precision 1 up to recall 0.5 (51 points), then 2/3 up to recall 1 (50 points)
    expected = (51 + 50 * 2 / 3) / 101
    assert detection.average_precision([found]) == pytest.approx(expected)


def test_without_truths_there_is_no_average_precision():
    found = detection.match(np.array([[0.0, 0, 5, 5]]), np.array([0.5]), NONE, 0.5)
    assert math.isnan(detection.average_precision([found]))


def test_without_detections_average_precision_is_nought():
    truths = np.array([[0.0, 0, 5, 5]])
    found = detection.match(NONE, np.zeros(0), truths, 0.5)
    assert detection.average_precision([found]) == 0.0


def test_the_challenge_score_of_a_film_by_hand():
    truths = np.array([[0.0, 0, 10, 10], [50, 50, 10, 10]])
    # overlaps: 0.62 (a hit at 0.40 0.45 0.50 0.55 0.60) and none
    boxes = np.array([[0.0, 0, 10, 6.2], [80, 80, 5, 5]])
    score = detection.rsna_score(boxes, np.array([0.9, 0.8]), truths)
    assert score == pytest.approx(5 / 8 * 1 / 3)


def test_the_challenge_needs_more_overlap_than_the_threshold():
    truths = np.array([[0.0, 0, 10, 10]])
    boxes = np.array([[0.0, 0, 10, 5]])
    # an overlap of exactly 0.50 counts at 0.40 and 0.45 only
    score = detection.rsna_score(boxes, np.array([0.9]), truths)
    assert score == pytest.approx(2 / 8)


def test_the_challenge_ignores_a_clean_film_left_clean_and_punishes_a_false_alarm():
    assert math.isnan(detection.rsna_score(NONE, np.zeros(0), NONE))
    alarm = np.array([[0.0, 0, 10, 10]])
    assert detection.rsna_score(alarm, np.array([0.9]), NONE) == 0.0
    assert detection.rsna_score(NONE, np.zeros(0), alarm) == 0.0


def test_froc_by_hand():
    truths = np.array([[0.0, 0, 10, 10], [50, 50, 10, 10]])
    boxes = np.array([[0.0, 0, 10, 10], [80, 80, 5, 5], [50, 50, 10, 10]])
    sick = detection.match(boxes, np.array([0.9, 0.8, 0.7]), truths, 0.4)
    well = detection.match(NONE, np.zeros(0), NONE, 0.4)
    # one false positive over two films stands between the first and second opacity
    assert detection.froc([sick, well], (0.25, 0.5)) == (0.5, 1.0)


def test_froc_lets_equal_scores_in_together():
    truths = np.array([[0.0, 0, 10, 10]])
    boxes = np.array([[0.0, 0, 10, 10], [80, 80, 5, 5]])
    found = detection.match(boxes, np.array([0.9, 0.9]), truths, 0.4)
    assert detection.froc([found], (0.5, 1.0)) == (0.0, 1.0)
