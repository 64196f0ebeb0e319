import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw
from scipy import ndimage

from dicom_node.evidence.outline import MAXIMUM_POINTS, around, simplified, trace
from inference.findings import Region
from tests.factories.analyses import ellipse

masks = arrays(
    np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.booleans()
)


def enclosed_area(closed):
    x, y = closed[:, 0], closed[:, 1]
    return (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2


def region(*rows):
    return Region.of(np.array([[letter == "#" for letter in row] for row in rows]))


def test_one_pixel_is_its_four_corners():
    line = trace(region("   ", "  #"))
    assert line.tolist() == [[2, 1], [3, 1], [3, 2], [2, 2], [2, 1]]


def test_an_outline_runs_along_pixel_edges_with_corners_only():
    line = trace(region("##", "# "))
    assert line.tolist() == [[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2], [0, 0]]


def test_a_hole_is_not_drawn():
    line = trace(region("###", "# #", "###"))
    assert enclosed_area(line) == 9


def test_the_largest_of_several_parts_is_outlined():
    line = trace(region("#  ", "  #", "  #"))
    assert line.min(axis=0).tolist() == [2, 1]


def test_pixels_that_touch_at_a_corner_are_two_parts():
    line = trace(region("# ", " #"))
    assert enclosed_area(line) == 1


@given(masks)
def test_an_outline_is_closed_and_encloses_the_filled_largest_part(mask):
    found = Region.of(mask)
    if found is None:
        return
    line = trace(found)
    labels, count = ndimage.label(mask)
    sizes = [int((labels == label).sum()) for label in range(1, count + 1)]
    filled = {
        int(ndimage.binary_fill_holes(labels == label + 1, np.ones((3, 3))).sum())
        for label, size in enumerate(sizes)
        if size == max(sizes)
    }
    assert line[0].tolist() == line[-1].tolist()
    assert enclosed_area(line) in filled


@settings(max_examples=25)
@given(
    st.integers(30, 300),
    st.integers(30, 300),
    st.tuples(
        st.floats(0, 0.4), st.floats(0, 0.4), st.floats(0.2, 0.6), st.floats(0.2, 0.6)
    ),
)
def test_a_simplified_outline_covers_what_the_mask_covers(rows, columns, box):
    mask = ellipse(rows, columns, box)
    line = simplified(Region.of(mask))
    drawn = Image.new("1", (columns * 4, rows * 4))
    ImageDraw.Draw(drawn).polygon([(x * 4 - 0.5, y * 4 - 0.5) for x, y in line], fill=1)
    covered = np.asarray(drawn)[2::4, 2::4]
    border = ndimage.binary_dilation(mask) & ~ndimage.binary_erosion(mask)
    assert len(line) <= MAXIMUM_POINTS
    # a small mask is nearly all border, where a smooth line may pass on either side
    off = (covered ^ mask) & ~border
    assert off.sum() / (covered | mask).sum() < 0.01


def test_a_ragged_border_still_has_few_points():
    rng = np.random.default_rng(5)
    noise = ndimage.gaussian_filter(rng.standard_normal((1500, 1500)), 3)
    mask = ellipse(1500, 1500, (0.05, 0.05, 0.9, 0.9)) & (noise > -0.05)
    assert len(trace(Region.of(mask))) > 10 * MAXIMUM_POINTS
    assert 4 <= len(simplified(Region.of(mask))) <= MAXIMUM_POINTS


def test_a_box_surrounds_both_outlines_with_room_below():
    lines = [trace(region("#")), trace(region("   #", "    ", "   #"))]
    box = around(lines, rows=100)
    assert box[0].tolist() == box[-1].tolist()
    assert box.min(axis=0).tolist() == [0, 0]
    assert box.max(axis=0).tolist() == [4, 19]
    assert enclosed_area(box) == pytest.approx(4 * 19)


def test_a_box_does_not_leave_the_film():
    box = around([trace(region("#", "#"))], rows=2)
    assert box.max(axis=0).tolist() == [1, 2]
