"""Dense maps and instances become lungs and findings by one rule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.errors import UnsuitableImage
from inference.frame import Frame
from inference.manifest import Calibration, Thresholds
from inference.preprocess import Letterbox
from inference.tasks.opacity.segment import segment
from tests.fakes.runner import (
    LEFT_LUNG,
    RIGHT_LUNG,
    chest_prediction,
    ellipse,
    scripted_manifest,
)

SIZE = 128
MANIFEST = scripted_manifest(input_size_px=SIZE)
SPOT = (0.22, 0.5, 0.38, 0.7)


def film(rows: int = 256, columns: int = 256) -> Frame:
    """A grey chest: lungs darker than what surrounds them."""
    side = max(rows, columns)
    lungs = np.maximum(ellipse(side, RIGHT_LUNG), ellipse(side, LEFT_LUNG))
    return Frame((0.8 - 0.6 * lungs)[:rows, :columns].astype(np.float32))


def run(prediction, frame=None, manifest=MANIFEST):
    frame = frame or film()
    box = Letterbox(frame.rows, frame.columns, manifest.input_size_px)
    return segment(prediction, box, frame, manifest)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)


@pytest.mark.parametrize(
    ("rows", "columns"), [(256, 256), (1000, 1000), (1024, 830), (830, 1024), (60, 64)]
)
def test_lungs_are_drawn_where_they_are_at_the_frames_resolution(rows, columns):
    found = run(chest_prediction(MANIFEST), film(rows, columns))

    side = max(rows, columns)
    truth = ellipse(side, RIGHT_LUNG)[:rows, :columns] > 0.5
    assert iou(found.right_lung.full(rows, columns), truth) > 0.93
    truth = ellipse(side, LEFT_LUNG)[:rows, :columns] > 0.5
    assert iou(found.left_lung.full(rows, columns), truth) > 0.93


def test_a_healthy_chest_has_no_findings():
    found = run(chest_prediction(MANIFEST))
    assert found.opacities == ()
    assert found.opacity_score < 0.1


def test_the_dense_map_draws_the_outline():
    (opacity,) = run(chest_prediction(MANIFEST, [(SPOT, 0.85)])).opacities
    truth = ellipse(256, SPOT) > 0.5
    assert iou(opacity.region.full(256, 256), truth) > 0.9


def mean_inside(prediction) -> float:
    return float(prediction.dense[0][prediction.dense[0] > 0.5].mean())


@pytest.mark.parametrize("score", [0.6, 0.99])
def test_a_score_is_the_surer_of_instance_and_dense_map(score):
    prediction = chest_prediction(MANIFEST, [(SPOT, score)])
    (opacity,) = run(prediction).opacities
    expected = max(score, mean_inside(prediction))
    assert opacity.score == pytest.approx(expected, abs=1e-3)


def test_opacity_that_no_instance_claims_is_a_finding_of_its_own():
    prediction = chest_prediction(MANIFEST, [(SPOT, 0.2)])
    (opacity,) = run(prediction).opacities
    assert opacity.score == pytest.approx(mean_inside(prediction), abs=1e-3)


@pytest.mark.parametrize(("core", "count"), [(0.0, 1), (0.7, 1), (0.9, 0)])
def test_an_unclaimed_piece_wants_a_sure_core(core, count):
    manifest = scripted_manifest(input_size_px=SIZE, thresholds=Thresholds(core=core))
    prediction = chest_prediction(manifest, [(SPOT, 0.2)])
    np.clip(prediction.dense[0], 0, 0.8, out=prediction.dense[0])
    assert len(run(prediction, None, manifest).opacities) == count


def test_a_claimed_piece_wants_no_core():
    manifest = scripted_manifest(input_size_px=SIZE, thresholds=Thresholds(core=0.9))
    prediction = chest_prediction(manifest, [(SPOT, 0.8)])
    np.clip(prediction.dense[0], 0, 0.8, out=prediction.dense[0])
    assert len(run(prediction, None, manifest).opacities) == 1


@pytest.mark.parametrize(("film", "count"), [(0.29, 0), (0.31, 1)])
def test_nothing_is_outlined_on_a_film_that_is_clear(film, count):
    manifest = scripted_manifest(input_size_px=SIZE, thresholds=Thresholds(clear=0.3))
    prediction = chest_prediction(manifest, [(SPOT, 0.8)], any_opacity=film)
    found = run(prediction, None, manifest)
    assert len(found.opacities) == count
    assert found.opacity_score == pytest.approx(film)


@pytest.mark.parametrize(("film", "count"), [(0.2, 1), (0.5, 1), (0.9, 0)])
def test_what_is_faint_counts_where_the_network_hesitates(film, count):
    manifest = scripted_manifest(
        input_size_px=SIZE, thresholds=Thresholds(opacity=0.2, opacity_slope=1.0)
    )
    prediction = chest_prediction(manifest, [(SPOT, 0.4)], any_opacity=film)
    # 0.3 lies above the thresholds of 1/17 and 1/5, below that of 9/13
    np.clip(prediction.dense[0], 0, 0.3, out=prediction.dense[0])
    assert len(run(prediction, None, manifest).opacities) == count


def test_a_hesitant_film_is_outlined_further_out():
    areas = []
    for film in (0.8, 0.2):
        manifest = scripted_manifest(
            input_size_px=SIZE, thresholds=Thresholds(opacity_slope=0.5)
        )
        prediction = chest_prediction(manifest, [(SPOT, 0.9)], any_opacity=film)
        (opacity,) = run(prediction, None, manifest).opacities
        areas.append(opacity.region.area_px)
    assert areas[0] < areas[1]


def test_an_instance_without_dense_opacity_is_no_finding():
    prediction = chest_prediction(MANIFEST, [(SPOT, 0.9)])
    prediction.dense[0] = 0
    assert run(prediction).opacities == ()


def test_two_instances_on_one_opacity_divide_it_between_them():
    upper, lower = (0.2, 0.3, 0.4, 0.55), (0.2, 0.5, 0.4, 0.75)
    found = run(chest_prediction(MANIFEST, [(upper, 0.9), (lower, 0.8)]))

    first, second = (item.region.full(256, 256) for item in found.opacities)
    assert not (first & second).any()
    union = (ellipse(256, upper) > 0.5) | (ellipse(256, lower) > 0.5)
    assert iou(first | second, union) > 0.9
    rows = [np.flatnonzero(mask.any(axis=1)).mean() for mask in (first, second)]
    assert rows[0] < rows[1]


def test_opacity_far_from_the_lungs_is_left_out():
    prediction = chest_prediction(MANIFEST)
    prediction.dense[0] = ellipse(SIZE // 2, (0.4, 0.9, 0.6, 1.0))
    assert run(prediction).opacities == ()


def test_what_is_smaller_than_the_least_area_is_left_out():
    tiny = (0.28, 0.5, 0.33, 0.55)
    for least, there in ((0.005, True), (0.02, False)):
        manifest = scripted_manifest(
            input_size_px=SIZE, thresholds=Thresholds(minimum_area=least)
        )
        found = run(chest_prediction(manifest, [(tiny, 0.9)]), None, manifest)
        assert bool(found.opacities) == there


def test_findings_come_highest_score_first():
    boxes = [(SPOT, 0.6), ((0.62, 0.3, 0.76, 0.5), 0.95)]
    scores = [item.score for item in run(chest_prediction(MANIFEST, boxes)).opacities]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 2


def test_scores_are_calibrated():
    manifest = scripted_manifest(
        input_size_px=SIZE,
        calibration=Calibration(image=0.0, instance=1.0, finding_bias=-1.0),
    )
    found = run(chest_prediction(MANIFEST, [(SPOT, 0.98)]), None, manifest)
    assert found.opacity_score == pytest.approx(0.98, abs=1e-3)
    assert found.opacities[0].score == pytest.approx(
        manifest.calibration.finding(0.98), abs=2e-2
    )


def test_only_the_largest_piece_of_each_side_is_lung():
    prediction = chest_prediction(MANIFEST)
    prediction.dense[1] = np.maximum(
        prediction.dense[1], ellipse(SIZE // 2, (0.0, 0.9, 0.1, 1.0))
    )
    mask = run(prediction).right_lung
    assert mask.row + mask.mask.shape[0] < 0.88 * 256


def test_holes_in_a_lung_are_filled():
    prediction = chest_prediction(MANIFEST)
    prediction.dense[1] -= ellipse(SIZE // 2, (0.26, 0.4, 0.36, 0.55))
    np.clip(prediction.dense[1], 0, 1, out=prediction.dense[1])
    truth = ellipse(256, RIGHT_LUNG) > 0.5
    assert iou(run(prediction).right_lung.full(256, 256), truth) > 0.93


def test_a_lung_at_the_edge_of_the_film_is_remarked():
    cut = chest_prediction(MANIFEST, right_lung=(0.1, -0.3, 0.46, 0.6))
    lungs = np.maximum(ellipse(256, (0.1, -0.3, 0.46, 0.6)), ellipse(256, LEFT_LUNG))
    frame = Frame((0.8 - 0.6 * lungs).astype(np.float32))
    assert any("edge" in remark for remark in run(cut, frame).remarks)
    assert run(chest_prediction(MANIFEST)).remarks == ()


def refused(prediction, frame=None) -> str:
    with pytest.raises(UnsuitableImage) as caught:
        run(prediction, frame)
    assert caught.value.text.endswith(".")
    return caught.value.code


def test_an_empty_picture_is_refused():
    blank = Frame(np.full((256, 256), 0.5, np.float32))
    assert refused(chest_prediction(MANIFEST), blank) == "BLANK"


def test_what_the_network_takes_for_another_view_is_refused():
    assert refused(chest_prediction(MANIFEST, frontal=0.2)) == "NOT_FRONTAL"


@pytest.mark.parametrize("channel", [1, 2])
def test_a_picture_without_both_lungs_is_refused(channel):
    prediction = chest_prediction(MANIFEST)
    prediction.dense[channel] = 0
    assert refused(prediction) == "NO_LUNGS"


def test_specks_are_no_lungs():
    speck = chest_prediction(MANIFEST, right_lung=(0.3, 0.4, 0.36, 0.46))
    assert refused(speck) == "NO_LUNGS"


def test_lungs_on_the_wrong_sides_are_refused():
    swapped = chest_prediction(MANIFEST, right_lung=LEFT_LUNG, left_lung=RIGHT_LUNG)
    assert refused(swapped) == "NOT_FRONTAL"


def test_lungs_above_each_other_are_refused():
    lying = chest_prediction(
        MANIFEST, right_lung=(0.2, 0.05, 0.7, 0.45), left_lung=(0.25, 0.55, 0.75, 0.95)
    )
    assert refused(lying) == "NOT_FRONTAL"


def test_a_negative_is_refused():
    negative = Frame(1 - film().pixels)
    assert refused(chest_prediction(MANIFEST), negative) == "INVERTED"


BOXES = st.tuples(
    st.floats(0, 0.9), st.floats(0, 0.9), st.floats(0.05, 0.6), st.floats(0.05, 0.6)
).map(lambda b: (b[0], b[1], min(1.0, b[0] + b[2]), min(1.0, b[1] + b[3])))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(BOXES, st.floats(0.05, 1)), max_size=6),
    st.integers(40, 300),
    st.integers(40, 300),
)
def test_findings_lie_in_the_frame_are_tight_and_never_overlap(boxes, rows, columns):
    prediction = chest_prediction(
        MANIFEST,
        boxes,
        right_lung=(0.02, 0.05, 0.4, 0.9),
        left_lung=(0.42, 0.05, 0.9, 0.9),
    )
    frame = Frame(np.tile(np.linspace(0, 1, columns, dtype=np.float32), (rows, 1)))
    try:
        found = run(prediction, frame)
    except UnsuitableImage:
        return  # a narrow strip of this chest may show one lung only
    count = np.zeros((rows, columns), int)
    for opacity in found.opacities:
        mask = opacity.region.mask
        assert mask[0].any()
        assert mask[-1].any()
        assert mask[:, 0].any()
        assert mask[:, -1].any()
        count += opacity.region.full(rows, columns)
        assert 0 <= opacity.score <= 1
    assert count.max() <= 1
    assert not (
        found.right_lung.full(rows, columns) & found.left_lung.full(rows, columns)
    ).any()


def test_an_18_megapixel_film_costs_no_full_size_map():
    import tracemalloc  # noqa: PLC0415  one test

    frame = Frame(np.zeros((4300, 4300), np.float32))
    frame.pixels[::2] = 0.5
    prediction = chest_prediction(MANIFEST, [(SPOT, 0.9)])
    tracemalloc.start()
    found = run(prediction, frame)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.opacities
    assert most < 4300 * 4300 * 1.5
