"""What the model gave is what a reader gets: masks, numbers, outlines, and the ties
between them, over every kind of film.

Outlines are simplified by at most 0.75 of a pixel, so that filling one gives the
finding's own pixels but for some that touch its border, and a box's exactly.
"""

from io import BytesIO
from itertools import pairwise

import highdicom
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from scipy import ndimage

from dicom_node.dataset import frames
from dicom_node.evidence import codes
from dicom_node.evidence import encode as evidence
from inference.findings import Region
from tests.factories.analyses import a_subject, an_analysis, ellipse
from tests.factories.radiographs import synthetic_dataset

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
KINDS = ("segmentation", "lung-segmentation", "measurement-report")
EIGHT = np.ones((3, 3), dtype=np.bool_)

SIZES = [(24, 24), (33, 401), (397, 29), (101, 96), (64, 257), (130, 127)]
ORIENTATIONS = [None, ["L", "F"], ["R", "F"], ["P", "F"], ["A", "F"], ["F", "L"]]
ORIENTATIONS += [["R", "H"], ["PL", "F"]]
SPACINGS = [
    {"PixelSpacing": None, "ImagerPixelSpacing": None},
    {"PixelSpacing": None, "ImagerPixelSpacing": ["0.2", "0.2"]},
    {"PixelSpacing": ["3.2", "3.2"]},
    {"PixelSpacing": ["2.5", "4"]},
]
SHARE = st.floats(0, 1, allow_nan=False)


@st.composite
def sources(draw):
    """A film of any size, depth, sign, polarity, class, spacing and orientation."""
    rows, columns = draw(st.sampled_from(SIZES))
    kind = draw(st.sampled_from(["CR", "DX", "SC"]))
    changes = dict(draw(st.sampled_from(SPACINGS)))
    changes["PatientOrientation"] = draw(st.sampled_from(ORIENTATIONS))
    if draw(st.booleans()):
        changes["PixelRepresentation"] = 1
    return synthetic_dataset(
        kind,
        rows=rows,
        columns=columns,
        photometric=draw(st.sampled_from(["MONOCHROME1", "MONOCHROME2"])),
        bits_stored=draw(st.sampled_from([8, 10, 12, 15, 16])),
        **changes,
    )


SHAPES = st.lists(
    st.tuples(st.sampled_from(["pixel", "box", "ellipse"]), SHARE, SHARE, SHARE, SHARE),
    max_size=12,
)
# On a grid, each a pixel from its neighbours: more than a byte of segments would hold.
GRID = [
    ("pixel", 0.2 + 0.04 * column, 0.2 + 0.04 * row, 0, 0)
    for row in range(12)
    for column in range(11)
]


def drawn(shape, rows, columns):
    """One finding as a mask; boxes may leave the film or touch its border."""
    kind, x, y, width, height = shape
    if kind == "ellipse":
        return ellipse(rows, columns, (x - 0.1, y - 0.1, width + 0.05, height + 0.05))
    mask = np.zeros((rows, columns), dtype=np.bool_)
    top, left = int(y * (rows - 1)), int(x * (columns - 1))
    high, wide = (1, 1) if kind == "pixel" else (int(height * rows), int(width * 60))
    mask[top : top + max(1, high), left : left + max(1, wide)] = True
    return mask


def masks_of(content):
    """Tracking UID -> mask, as highdicom reads it."""
    read = highdicom.seg.segread(BytesIO(content))
    (source,) = read.get_source_image_uids()
    numbers = list(read.segment_numbers)
    pixels = read.get_pixels_by_source_instance([source[2]], segment_numbers=numbers)
    return {
        read.get_segment_description(number).tracking_uid: pixels[0, :, :, place] > 0
        for place, number in enumerate(numbers)
    }


def groups_of(content):
    """Tracking UID -> (numbers by code, outline), as highdicom reads it."""
    read = highdicom.sr.srread(BytesIO(content))
    return {
        group.tracking_uid: (
            {item.name.value: item.value for item in group.get_measurements()},
            np.asarray(group.roi.value),
        )
        for group in read.content.get_planar_roi_measurement_groups()
    }


def graphics_of(content):
    """Tracking UID -> outline of the presentation state."""
    return {
        graphic.TrackingUID: np.reshape(graphic.GraphicData, (-1, 2))
        for annotation in dcmread(BytesIO(content)).GraphicAnnotationSequence
        for graphic in annotation.get("GraphicObjectSequence", ())
    }


def filled(outline, rows, columns):
    """Pixels whose centre lies inside a closed outline (even-odd rule)."""
    down, across = np.mgrid[:rows, :columns] + 0.5
    inside = np.zeros((rows, columns), dtype=np.bool_)
    for (x1, y1), (x2, y2) in pairwise(outline):
        if y1 == y2:
            continue
        beside = (down >= min(y1, y2)) & (down < max(y1, y2))
        inside ^= beside & (across < x1 + (down - y1) * (x2 - x1) / (y2 - y1))
    return inside


def outlined(mask):
    """What an outline can show: the largest part, its holes filled."""
    labels, count = ndimage.label(mask)
    sizes = ndimage.sum_labels(mask, labels, range(1, count + 1))
    part = labels == 1 + int(np.argmax(sizes))
    return ndimage.binary_fill_holes(part, structure=EIGHT)


def assert_outlines(outline, mask):
    wanted, got = outlined(mask), filled(outline, *mask.shape)
    if Region.of(wanted).mask.all():
        assert np.array_equal(got, wanted)
    assert not (got & ~ndimage.binary_dilation(wanted, EIGHT)).any()
    assert not (ndimage.binary_erosion(wanted, EIGHT) & ~got).any()


def encoded(source, shapes):
    _, frame = frames.read(source)
    masks = [drawn(shape, frame.rows, frame.columns) for shape in shapes]
    analysis = an_analysis(frame, masks)
    items = evidence.encode_all(
        (*KINDS, "presentation-state"), a_subject(source), frame, analysis
    )
    return analysis, {item.kind: item.content for item in items}


@settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(source=sources(), shapes=SHAPES)
@example(source=synthetic_dataset("CR", rows=201, columns=197), shapes=GRID)
def test_a_reader_gets_what_the_model_gave(source, shapes):
    analysis, contents = encoded(source, shapes)
    size = (analysis.rows, analysis.columns)
    found = masks_of(contents["segmentation"]) if analysis.findings else {}
    lungs = masks_of(contents["lung-segmentation"])
    groups = groups_of(contents["measurement-report"])
    graphics = graphics_of(contents["presentation-state"])

    # The same things under the same names everywhere; the report has the sum besides.
    assert set(graphics) == set(found) | set(lungs)
    assert set(graphics) < set(groups)
    (total,) = set(groups) - set(graphics)

    for finding, uid in zip(analysis.findings, found, strict=True):
        assert np.array_equal(found[uid], finding.region.full(*size))
        assert_says(groups[uid][0], finding, found[uid], analysis, lungs)
    for lung, uid in zip(analysis.lungs, lungs, strict=True):
        assert np.array_equal(lungs[uid], lung.region.full(*size))
    for uid, outline in graphics.items():
        assert_outlines(outline, (found | lungs)[uid])
        assert np.allclose(groups[uid][1], outline, atol=1e-3)

    opaque = np.any([*found.values()], axis=0) if found else np.zeros(size, np.bool_)
    both = np.any([*lungs.values()], axis=0)
    numbers = groups[total][0]
    assert numbers[codes.TOTAL_OPACITY.value] == pytest.approx(
        100 * (opaque & both).sum() / both.sum(), abs=0.0051
    )
    extent = numbers.get(codes.EXTENT_SCORE.value, 0)
    assert extent == analysis.severity.extent_score


def assert_says(numbers, finding, mask, analysis, lungs):
    """A finding's numbers are the model's, and those that its mask counts up to."""
    lung = [*lungs.values()][[each.side for each in analysis.lungs].index(finding.side)]
    assert numbers[codes.FINDING_OPACITY.value] == pytest.approx(
        100 * (mask & lung).sum() / lung.sum(), abs=0.0051
    )
    assert numbers[codes.CERTAINTY.value] == pytest.approx(
        100 * finding.score, abs=0.0051
    )
    area = numbers.get(codes.AREA.value)
    assert (area is None) == (finding.area_mm2 is None)
    if area is not None:
        assert area == pytest.approx(finding.area_mm2, abs=0.0051)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_square_millimetres_only_where_the_film_is_calibrated(spacing):
    source = synthetic_dataset("CR", rows=101, columns=96, **spacing)
    analysis, contents = encoded(source, [("box", 0.2, 0.3, 0.1, 0.2)])
    (uid,) = masks_of(contents["segmentation"])
    numbers, _ = groups_of(contents["measurement-report"])[uid]
    given_mm = spacing.get("PixelSpacing")
    if given_mm is None:
        assert codes.AREA.value not in numbers
    else:
        pixels = analysis.findings[0].region.area_px
        wanted = pixels * float(given_mm[0]) * float(given_mm[1])
        assert numbers[codes.AREA.value] == pytest.approx(wanted, abs=0.0051)
