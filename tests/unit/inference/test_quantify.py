"""Severity and measurements, by hand and by law."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inference.findings import Region, Side, Zone
from inference.frame import Frame, Orientation
from inference.quantify import extent, quantify, severity
from inference.tasks.opacity.segment import Opacity, Segmentation
from tests.fakes.runner import scripted_manifest

ROWS, COLUMNS = 40, 60
MANIFEST = scripted_manifest()


def rectangle(row: int, column: int, height: int, width: int) -> Region:
    return Region(row, column, np.ones((height, width), dtype=np.bool_))


# 30 x 20 = 600 pixels; its thirds are rows 5-14, 15-24, 25-34.
RIGHT = rectangle(5, 5, 30, 20)
# 30 x 10 = 300 pixels.
LEFT = rectangle(5, 35, 30, 10)
LUNGS = {Side.RIGHT: RIGHT, Side.LEFT: LEFT}


def analyse(*regions: Region, frame: Frame | None = None):
    segmentation = Segmentation(
        ROWS,
        COLUMNS,
        RIGHT,
        LEFT,
        tuple(Opacity(0.9, region) for region in regions),
        0.8,
        ("seen from afar",),
    )
    frame = frame or Frame(np.zeros((ROWS, COLUMNS), np.float32), remarks=("grainy",))
    return quantify(segmentation, frame, MANIFEST)


def test_healthy_lungs_have_no_severity():
    found = severity(LUNGS, [])
    assert (found.total, found.right, found.left) == (0, 0, 0)
    assert set(found.zones) == set(Zone)
    assert set(found.zones.values()) == {0}
    assert found.extent_score == 0


def test_percentages_are_shares_of_each_lung_and_of_both():
    # 10 x 12 = 120 of 600 right; 5 x 10 = 50 of 300 left; 170 of 900 in all.
    found = severity(LUNGS, [rectangle(5, 5, 10, 12), rectangle(30, 35, 5, 10)])
    assert (found.right, found.left, found.total) == (20, 16.67, 18.89)


def test_a_pixel_of_opacity_in_a_large_lung_is_not_nothing():
    lungs = LUNGS | {Side.RIGHT: rectangle(0, 0, 400, 400)}
    found = severity(lungs, [rectangle(5, 5, 1, 1)])
    assert (found.right, found.left, found.extent_score) == (0.01, 0, 1)


def test_zones_are_thirds_of_the_lungs_height():
    # All of the right upper third, half of the left lower one.
    found = severity(LUNGS, [rectangle(5, 5, 10, 20), rectangle(30, 35, 5, 10)])
    assert found.zones[Zone.RIGHT_UPPER] == pytest.approx(100)
    assert found.zones[Zone.RIGHT_MIDDLE] == 0
    assert found.zones[Zone.LEFT_LOWER] == pytest.approx(50)
    assert found.zones[Zone.LEFT_MIDDLE] == 0


def test_opacity_outside_the_lungs_does_not_count():
    found = severity(LUNGS, [rectangle(0, 26, 40, 8)])
    assert found.total == 0


def test_overlapping_opacities_count_once():
    same = rectangle(5, 5, 10, 12)
    assert severity(LUNGS, [same, same]).right == pytest.approx(20)


@pytest.mark.parametrize(
    ("percent", "score"),
    [
        (0, 0),
        (0.1, 1),
        (24.9, 1),
        (25, 2),
        (49.9, 2),
        (50, 3),
        (74.9, 3),
        (75, 4),
        (100, 4),
    ],
)
def test_extent_is_scored_per_quarter(percent, score):
    assert extent(percent) == score


def test_the_extent_score_sums_both_lungs():
    whole_left = rectangle(5, 35, 30, 10)
    a_bit_of_right = rectangle(5, 5, 2, 2)
    assert severity(LUNGS, [whole_left, a_bit_of_right]).extent_score == 5


def test_a_finding_lies_in_the_lung_and_zone_that_hold_most_of_it():
    # Rows 13-22 of the right lung: 2 in the upper third, 8 in the middle one.
    (finding,) = analyse(rectangle(13, 20, 10, 10)).findings
    assert finding.side is Side.RIGHT
    assert finding.zone is Zone.RIGHT_MIDDLE
    # Columns 20-24 are inside: 10 x 5 of 600.
    assert finding.percent_of_lung == 8.33
    assert finding.label == "lung_opacity"


def test_a_finding_beside_the_lungs_belongs_to_the_nearer_one():
    (finding,) = analyse(rectangle(30, 46, 6, 4)).findings
    assert finding.side is Side.LEFT
    assert finding.zone is Zone.LEFT_LOWER
    assert finding.percent_of_lung == 0


def test_square_millimetres_need_a_calibrated_spacing():
    (without,) = analyse(rectangle(10, 10, 4, 5)).findings
    assert without.area_mm2 is None

    pixels = np.zeros((ROWS, COLUMNS), np.float32)
    (finding,) = analyse(
        rectangle(10, 10, 4, 5), frame=Frame(pixels, pixel_spacing_mm=(5, 4))
    ).findings
    assert finding.area_mm2 == pytest.approx(20 * 5 * 4)


@pytest.mark.parametrize("spacing", [(0.5, 0.2), (50, 20)])
def test_a_spacing_that_gives_impossible_lungs_gives_no_areas(spacing):
    pixels = np.zeros((ROWS, COLUMNS), np.float32)
    found = analyse(
        rectangle(10, 10, 4, 5), frame=Frame(pixels, pixel_spacing_mm=spacing)
    )
    assert found.findings[0].area_mm2 is None
    assert any("no lung does" in remark for remark in found.remarks)


def test_no_finding_is_surer_than_its_film():
    (finding,) = analyse(rectangle(10, 10, 4, 5)).findings
    assert finding.score == analyse().opacity_score == 0.8


def test_a_finding_names_every_zone_of_which_it_fills_a_quarter():
    # All of the upper third of the right lung, 3 of 10 rows of the middle one.
    (finding,) = analyse(rectangle(5, 5, 13, 20)).findings
    assert finding.zone is Zone.RIGHT_UPPER
    assert finding.zones == (Zone.RIGHT_UPPER, Zone.RIGHT_MIDDLE)
    assert finding.place == "right upper and middle zones"


def test_a_finding_names_every_zone_in_which_a_third_of_it_lies():
    # 2 columns of 20: a tenth of each zone, half of it in each.
    (finding,) = analyse(rectangle(10, 5, 10, 2)).findings
    assert finding.zones == (Zone.RIGHT_UPPER, Zone.RIGHT_MIDDLE)


def test_a_finding_in_all_zones_is_of_the_whole_lung():
    (finding,) = analyse(rectangle(5, 35, 30, 5)).findings
    assert finding.place == "whole left lung"


def test_a_lung_of_which_little_is_seen_is_named():
    small = Segmentation(ROWS, COLUMNS, RIGHT, rectangle(5, 35, 20, 10), (), 0.1)
    found = quantify(small, Frame(np.zeros((ROWS, COLUMNS), np.float32)), MANIFEST)
    (remark,) = found.remarks
    assert remark.startswith("Of the left lung only a part is seen (33 %")


def test_remarks_of_frame_and_segmentation_are_kept():
    assert analyse().remarks == ("grainy", "seen from afar")
    assert analyse().opacity_score == 0.8


ORIENTATIONS = [
    Orientation(transpose, rows, columns)
    for transpose in (False, True)
    for rows in (False, True)
    for columns in (False, True)
]


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
def test_regions_lie_where_the_source_has_them(orientation):
    mask = np.array([[1, 1, 0], [0, 1, 1]], dtype=np.bool_)
    region = Region(7, 11, mask)
    frame = Frame(np.zeros((ROWS, COLUMNS), np.float32), orientation=orientation)

    analysis = analyse(region, frame=frame)

    expected = orientation.to_source(region.full(ROWS, COLUMNS))
    assert (analysis.rows, analysis.columns) == expected.shape
    (finding,) = analysis.findings
    found = finding.region.full(analysis.rows, analysis.columns)
    np.testing.assert_array_equal(found, expected)
    right = analysis.lungs[0].region.full(analysis.rows, analysis.columns)
    expected_lung = orientation.to_source(RIGHT.full(ROWS, COLUMNS))
    np.testing.assert_array_equal(right, expected_lung)


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
def test_turning_the_source_changes_no_percentage(orientation):
    frame = Frame(np.zeros((ROWS, COLUMNS), np.float32), orientation=orientation)
    region = rectangle(8, 8, 10, 10)
    turned = analyse(region, frame=frame)
    assert turned.severity == analyse(region).severity
    assert turned.findings[0].zone == analyse(region).findings[0].zone


MASKS = hnp.arrays(np.bool_, (12, 16))


@settings(max_examples=80, deadline=None)
@given(MASKS, MASKS, st.lists(MASKS, max_size=3))
def test_laws_of_severity(right, left, opacities):
    right[0, 0], left[-1, -1] = True, True
    left &= ~right
    left[-1, -1] = True
    right[-1, -1] = False
    lungs = {Side.RIGHT: Region.of(right), Side.LEFT: Region.of(left)}
    regions = [found for mask in opacities if (found := Region.of(mask)) is not None]

    found = severity(lungs, regions)

    union = np.zeros_like(right)
    for mask in opacities:
        union |= mask
    areas = right.sum(), left.sum()
    assert found.right == pytest.approx(
        100 * (union & right).sum() / areas[0], abs=0.006
    )
    assert found.left == pytest.approx(100 * (union & left).sum() / areas[1], abs=0.006)
    mean = np.average([found.right, found.left], weights=areas)
    assert found.total == pytest.approx(mean, abs=0.012)
    assert all(0 <= value <= 100 for value in found.zones.values())
    assert 0 <= found.extent_score <= 8
    assert (found.extent_score == 0) == (found.total == 0)


@settings(max_examples=40, deadline=None)
@given(MASKS, MASKS)
def test_more_opacity_is_never_less_severe(some, more):
    lungs = {
        Side.RIGHT: rectangle(0, 0, 12, 7),
        Side.LEFT: rectangle(2, 9, 10, 7),
    }
    few = [region for mask in (some,) if (region := Region.of(mask)) is not None]
    many = [region for mask in (some, more) if (region := Region.of(mask)) is not None]
    assert severity(lungs, many).total >= severity(lungs, few).total
    assert severity(lungs, many).extent_score >= severity(lungs, few).extent_score
