"""Foreign readers see in our objects what we put into them."""

from io import BytesIO

import numpy as np
import pytest

from dicom_node.encoding import evidence
from inference.frame import Orientation
from tests.analyses import a_context, a_frame, an_analysis, ellipse
from tests.interop.validators import rendered_with, segments_read_by_dcmqi
from tests.radiographs import synthetic_dataset

pytestmark = pytest.mark.interop

SPACINGS = [
    {"PixelSpacing": ["0.143", "0.143"]},
    {"PixelSpacing": None, "ImagerPixelSpacing": ["0.2", "0.2"]},
    {"PixelSpacing": None, "ImagerPixelSpacing": None},
]


def write(folder, source, frame, analysis, kinds):
    paths = {}
    for item in evidence.encode_all(kinds, source, frame, analysis, a_context()):
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
