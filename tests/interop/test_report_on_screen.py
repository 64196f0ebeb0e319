"""The report's texts in OHIF, on films of several shapes and in three window sizes.

OHIF writes a region's first five numbers at the middle of the region's right side, in
letters of one size; an object cannot say otherwise. What can be kept apart and inside
by the regions alone is held here.
"""

import itertools
from collections.abc import Iterator

import pytest

from dicom_node.evidence.encode import encode_all, part_10
from dicom_node.evidence.kinds import EvidenceKind
from tests.factories.analyses import a_frame, a_subject, an_analysis
from tests.factories.radiographs import synthetic_dataset
from tests.interop.test_viewer import GEOMETRY, SEVERITIES, TEXT_BOXES, overlap
from tests.peers import ohif
from tests.peers import toolkits as peers

WINDOWS = ((1280, 720), (1600, 1000), (1920, 1080))
SHAPES = {"portrait": (640, 512), "square": (576, 576), "landscape": (512, 640)}

pytestmark = [pytest.mark.interop, pytest.mark.slow]


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Orthanc]:
    """Run Orthanc with DICOMweb."""
    if not peers.is_installed(peers.ORTHANC):
        pytest.skip("Orthanc is not installed")
    folder = tmp_path_factory.mktemp("on-screen")
    with peers.orthanc(folder, peers.OrthancOptions(dicomweb=True)) as running:
        yield running


def study_of(orthanc: peers.Orthanc, rows: int, columns: int) -> str:
    """Put a synthetic film with its report into Orthanc; gives the study."""
    film = synthetic_dataset("CR", seed=rows, rows=rows, columns=columns)
    frame = a_frame(rows, columns, spacing_mm=(0.6, 0.6))
    report = [EvidenceKind.MEASUREMENT_REPORT]
    (made,) = encode_all(report, a_subject(film), frame, an_analysis(frame))
    orthanc.post("/instances", part_10(film))
    orthanc.post("/instances", made.content)
    return str(film.StudyInstanceUID)


@pytest.mark.parametrize(
    "shape",
    [
        "portrait",
        *(
            pytest.param(each, marks=pytest.mark.big)
            for each in ("square", "landscape")
        ),
    ],
)
def test_the_severities_stand_apart_and_within_in_every_window(orthanc, shape):
    study = study_of(orthanc, *SHAPES[shape])
    with (
        ohif.serving(orthanc.url) as address,
        ohif.browser_page(address, study) as page,
    ):
        ohif.open_series(page, "AI lung opacity report")
        for width, height in WINDOWS:
            page.set_viewport_size({"width": width, "height": height})

            def is_readable() -> None:
                left, top, across, down = page.evaluate(GEOMETRY)["box"]
                assert left + across <= page.viewport_size["width"]
                texts = page.evaluate(TEXT_BOXES)
                three = [one for one in texts if one["words"].startswith(SEVERITIES)]
                assert len(three) == 3
                for one, other in itertools.combinations(three, 2):
                    assert not overlap(one, other), (one, other)
                for one in texts:
                    assert left <= one["left"], one
                    assert top <= one["top"] < one["bottom"] <= top + down, one
                if shape == "portrait":
                    for one in texts:
                        assert one["right"] <= left + across, one

            ohif.look_until(page, is_readable)
