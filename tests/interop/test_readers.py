"""Foreign readers see in our objects what we put into them."""

import html
import re
from io import BytesIO

import highdicom
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dicom_node.evidence import encode as evidence
from dicom_node.evidence.kinds import REWRITTEN
from dicom_node.evidence.report.classes import under_class
from dicom_node.evidence.wording.disclaimer import DISCLAIMER
from dicom_node.evidence.wording.sentences import headline
from inference.frame import Orientation
from tests.factories.analyses import a_frame, a_subject, an_analysis, ellipse
from tests.factories.radiographs import synthetic_dataset
from tests.peers.validators import (
    dsr2html,
    dsrdump,
    measurements_read_by_dcmqi,
    rendered_with,
    segments_read_by_dcmqi,
)

pytestmark = pytest.mark.interop

SPACINGS = [
    {"PixelSpacing": ["0.143", "0.143"]},
    {"PixelSpacing": None, "ImagerPixelSpacing": ["0.2", "0.2"]},
    {"PixelSpacing": None, "ImagerPixelSpacing": None},
]


def write(folder, source, frame, analysis, kinds):
    paths = {}
    for item in evidence.encode_all(kinds, a_subject(source), frame, analysis):
        paths[item.kind] = folder / f"{item.kind}.dcm"
        paths[item.kind].write_bytes(item.content)
    return paths


@pytest.mark.parametrize("spacing", SPACINGS, ids=["calibrated", "imager", "none"])
@pytest.mark.parametrize(
    "orientation", [Orientation(), Orientation(transpose=True, flip_rows=True)]
)
def test_dcmqi_reads_the_very_masks(spacing, orientation, tmp_path):
    frame = a_frame(211, 173, orientation=orientation)
    corner = np.zeros((211, 173), dtype=np.bool_)
    corner[:60, :40] = True
    pixel = np.zeros((211, 173), dtype=np.bool_)
    pixel[100, 120] = True
    opacity = ellipse(211, 173, (0.2, 0.5, 0.2, 0.3))
    analysis = an_analysis(frame, [opacity, corner, pixel])
    size = (analysis.rows, analysis.columns)
    source = synthetic_dataset("CR", rows=size[0], columns=size[1], **spacing)
    kinds = ["segmentation", "lung-segmentation"]
    paths = write(tmp_path, source, frame, analysis, kinds)
    wanted = {
        "segmentation": [finding.region for finding in analysis.findings],
        "lung-segmentation": [lung.region for lung in analysis.lungs],
    }
    for kind, path in paths.items():
        read = segments_read_by_dcmqi(path, tmp_path / f"{kind}-read")
        assert len(read) == len(wanted[kind])
        for mask, region in zip(read, wanted[kind], strict=True):
            assert np.array_equal(mask, region.full(*size))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("kind", ["CR", "DX"])
def test_under_the_presentation_state_the_film_looks_as_without(
    photometric, kind, tmp_path
):
    source = synthetic_dataset(kind, rows=300, columns=261, photometric=photometric)
    image = tmp_path / "image.dcm"
    stream = BytesIO()
    source.save_as(stream, enforce_file_format=True)
    image.write_bytes(stream.getvalue())
    frame = a_frame(300, 261)
    analysis = an_analysis(frame)
    paths = write(tmp_path, source, frame, analysis, ["presentation-state"])
    state = paths["presentation-state"]
    with_state = rendered_with(state, image, tmp_path / "with.pgm")
    without = rendered_with(None, image, tmp_path / "without.pgm")
    assert np.ptp(without) > 100
    assert np.array_equal(with_state, without)


@pytest.mark.parametrize("regions", ["outline", "segmentation"])
def test_dcmqi_reads_the_numbers(regions, tmp_path):
    frame = a_frame(211, 173)
    analysis = an_analysis(frame)
    source = synthetic_dataset("CR", rows=211, columns=173)
    (item,) = evidence.encode_all(
        ["measurement-report"],
        a_subject(source, report_regions=regions),
        frame,
        analysis,
    )
    path = tmp_path / "report.dcm"
    path.write_bytes(item.content)
    read = measurements_read_by_dcmqi(path, tmp_path / "read.json")
    assert read["AI both lungs"]["Total opacity"] == pytest.approx(
        analysis.severity.total, abs=0.005
    )
    for number, finding in enumerate(analysis.findings, start=1):
        share = read[f"AI opacity {number}"]["Share of lung"]
        assert share == pytest.approx(finding.percent_of_lung, abs=0.005)


def outlines(state: pydicom.Dataset, layer: str) -> dict[str, NDArray[np.float64]]:
    """Closed polylines of a layer, by tracking identifier (PS3.3 C.10.5)."""
    found = {}
    for annotation in state.GraphicAnnotationSequence:
        if annotation.GraphicLayer != layer:
            continue
        for item in annotation.get("GraphicObjectSequence", []):
            assert item.GraphicType == "POLYLINE"
            assert item.GraphicAnnotationUnits == "PIXEL"
            assert item.GraphicDimensions == 2
            points = np.array(item.GraphicData, dtype=np.float64).reshape(-1, 2)
            assert len(points) == item.NumberOfGraphicPoints
            assert points[0].tolist() == points[-1].tolist()
            found[item.TrackingUID] = points
    return found


def filled(
    points: NDArray[np.float64], rows: int, columns: int, *, scale: int = 8
) -> NDArray[np.bool_]:
    """Pixels whose centre lies in a polygon; (0, 0) is the first pixel's corner."""
    canvas = Image.new("1", (columns * scale, rows * scale))
    corners = [(x * scale - 0.5, y * scale - 0.5) for x, y in points]
    ImageDraw.Draw(canvas).polygon(corners, fill=1)
    return np.asarray(canvas)[scale // 2 :: scale, scale // 2 :: scale]


@pytest.mark.parametrize("size", [(1024, 1024), (611, 473)])
@pytest.mark.parametrize(
    "orientation", [Orientation(), Orientation(transpose=True, flip_rows=True)]
)
def test_the_outlines_of_the_presentation_state_enclose_the_segments(
    size, orientation, tmp_path
):
    frame = a_frame(*size, orientation=orientation)
    analysis = an_analysis(frame)
    rows, columns = analysis.rows, analysis.columns
    source = synthetic_dataset("DX", rows=rows, columns=columns)
    kinds = ["segmentation", "lung-segmentation", "presentation-state"]
    paths = write(tmp_path, source, frame, analysis, kinds)
    state = pydicom.dcmread(paths["presentation-state"])
    for kind, layer in (
        ("segmentation", "AI_OPACITY"),
        ("lung-segmentation", "AI_LUNGS"),
    ):
        seg = highdicom.seg.segread(paths[kind])
        masks = seg.get_pixels_by_source_instance([source.SOPInstanceUID])[0]
        drawn = outlines(state, layer)
        assert len(drawn) == seg.number_of_segments
        for number in seg.segment_numbers:
            mask = masks[..., number - 1] != 0
            uid = seg.get_segment_description(number).tracking_uid
            seen = filled(drawn[uid], rows, columns)
            iou = (seen & mask).sum() / (seen | mask).sum()
            assert iou > 0.95, (kind, number, iou)


def test_the_caption_of_the_presentation_state_lies_on_the_display(tmp_path):
    source = synthetic_dataset("CR", rows=300, columns=261)
    frame = a_frame(300, 261)
    analysis = an_analysis(frame)
    paths = write(tmp_path, source, frame, analysis, ["presentation-state"])
    state = pydicom.dcmread(paths["presentation-state"])
    caption, *_ = [
        item
        for annotation in state.GraphicAnnotationSequence
        for item in annotation.get("TextObjectSequence", [])
    ]
    first, *_ = caption.UnformattedTextValue.split("\r\n")
    assert first.endswith(headline(analysis))
    assert caption.BoundingBoxAnnotationUnits == "DISPLAY"
    left, top = caption.BoundingBoxTopLeftHandCorner
    right, bottom = caption.BoundingBoxBottomRightHandCorner
    assert 0 <= left < right <= 1
    assert 0 <= top < bottom <= 1


def complaints_of_dcmtk(said):
    """Errors and warnings, but that it cannot check UTF-8 for valid characters."""
    assert said.rstrip().endswith("exit status 0")
    return [
        line
        for line in said.splitlines()
        if re.match("[WEF]: ", line) and "VR checker does not support" not in line
    ]


REPORTS = ["measurement-report", *REWRITTEN]


def report_as(kind, folder, source, frame, analysis):
    """Write the report under one of the SR classes."""
    path = write(folder, source, frame, analysis, ["measurement-report"])[
        "measurement-report"
    ]
    if kind in REWRITTEN:
        with path.open("rb") as stream:
            _, content = under_class(stream, kind)
        path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", REPORTS)
def test_dcmtk_shows_the_report_as_a_page(kind, tmp_path):
    source = synthetic_dataset("CR", rows=300, columns=261)
    frame = a_frame(300, 261, remarks=("The film is rotated.",))
    analysis = an_analysis(frame)
    path = report_as(kind, tmp_path, source, frame, analysis)

    page, said = dsr2html(path, tmp_path / "report.html")

    assert complaints_of_dcmtk(said) == []
    words = html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page)))
    severity = analysis.severity
    wanted = {
        "Total opacity": severity.total,
        "Right opacity": severity.right,
        "Left opacity": severity.left,
        "Extent score (0-8)": severity.extent_score,
    }
    wanted |= {
        f"Opacity of {zone.value} zone": value for zone, value in severity.zones.items()
    }
    for name, value in wanted.items():
        found = re.search(re.escape(name) + r"\s*:?\s*([-0-9.]+)", words)
        assert found, name
        assert float(found[1]) == pytest.approx(value, abs=0.005)
    assert headline(analysis) in words
    assert DISCLAIMER in words
    assert "The film is rotated." in words


@pytest.mark.parametrize("kind", REPORTS)
def test_dcmtk_reads_the_tree_without_a_complaint(kind, tmp_path):
    source = synthetic_dataset("DX", rows=300, columns=261)
    frame = a_frame(300, 261)
    path = report_as(kind, tmp_path, source, frame, an_analysis(frame))
    assert complaints_of_dcmtk(dsrdump(path)) == []
