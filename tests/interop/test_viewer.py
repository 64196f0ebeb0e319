"""What a radiologist sees: results of a real film, on the screen, in OHIF.

The film goes in by C-STORE, the node delivers to Orthanc, OHIF shows Orthanc's
study in headless Chromium; then pixels are compared, not exceptions counted.
"""

import itertools
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image

from dicom_node.node.node import Node
from dicom_node.node.settings.load import Settings
from tests.peers import ohif
from tests.peers import toolkits as peers

SEG = "1.2.840.10008.5.1.4.1.1.66.4"
COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"
FILM = "wrapped_07_ieee_lancet-case2b.dcm"
GEOMETRY = """() => {
  const viewport = window.cornerstone.getEnabledElements()[0].viewport;
  const box = viewport.element.getBoundingClientRect();
  const at = (point) => {
    const world = window.cornerstone.utilities.imageToWorldCoords(
      viewport.getCurrentImageId(), point);
    const [x, y] = viewport.worldToCanvas(world);
    return [box.x + x, box.y + y];
  };
  return {origin: at([0, 0]), column: at([100, 0]), row: at([0, 100]),
          box: [box.x, box.y, box.width, box.height]};
}"""

TEXT_BOXES = """() => [...document.querySelectorAll(".svg-layer text")].map((text) => {
  const {left, top, right, bottom} = text.getBoundingClientRect();
  return {words: text.textContent, left, top, right, bottom};
})"""
SEVERITIES = ("Total opacity", "Right opacity", "Left opacity")

pytestmark = [pytest.mark.interop, pytest.mark.slow]


@dataclass(frozen=True)
class View:
    """The viewer's screen, where the film lies on it, and its texts."""

    screen: NDArray[np.uint8]
    geometry: dict
    page: str
    text_boxes: list[dict]


class Study:
    """A film's study as Orthanc holds it once the node is done."""

    def __init__(self, orthanc: peers.Orthanc, film: pydicom.Dataset) -> None:
        self.orthanc = orthanc
        self.film = film

    def result(self, sop_class_uid: str, series: str) -> pydicom.Dataset:
        """The one result object of a class whose series is described so."""
        for uid in self.orthanc.instances():
            dataset = pydicom.dcmread(BytesIO(self.orthanc.file(uid)))
            described = str(dataset.get("SeriesDescription", ""))
            if dataset.SOPClassUID == sop_class_uid and series in described:
                return dataset
        pytest.fail(f"Orthanc holds no {series}")


@pytest.fixture(scope="module")
def study(
    tmp_path_factory: pytest.TempPathFactory, shared_dir: Path
) -> Iterator[Study]:
    """Send a real film through the node into Orthanc."""
    if not peers.is_installed(peers.ORTHANC, "dcmsend"):
        pytest.skip("Orthanc or DCMTK is not installed")
    folder = tmp_path_factory.mktemp("viewer")
    path = shared_dir / "data" / "cxr" / "dicom" / FILM
    with peers.orthanc(folder / "pacs", peers.OrthancOptions(dicomweb=True)) as orthanc:
        config = folder / "node.toml"
        config.write_text(
            f"""
            [node]
            data_dir = {json.dumps(str(folder / "node"))}
            [dimse]
            port = 0
            accept_unknown_peers = true
            [http]
            port = 0
            [eligibility]
            unknown_view = "analyze"
            [[destinations]]
            name = "pacs"
            ae_title = "ORTHANC"
            host = "{orthanc.host}"
            port = {orthanc.port}
            evidence = ["segmentation", "lung-segmentation", "measurement-report"]
            """
        )
        orthanc.post("/instances", path.read_bytes())
        with Node(Settings.load(config)) as node:
            target = ["127.0.0.1", str(node.dimse_port)]
            subprocess.run(
                ["dcmsend", "-aec", "CXR_NODE", *target, str(path)],
                check=True,
                timeout=300,
            )
            await_instances(orthanc, 4)
        yield Study(orthanc, pydicom.dcmread(path))


def await_instances(orthanc: peers.Orthanc, count: int) -> None:
    """Wait until Orthanc holds so many objects."""
    deadline, pause = time.monotonic() + 600, threading.Event()
    while len(orthanc.instances()) < count:
        if time.monotonic() > deadline:
            pytest.fail("the node did not deliver in time")
        pause.wait(0.2)


@pytest.fixture
def look(study: Study, tmp_path: Path) -> Iterator[Callable]:
    """Open a result of the study in the viewer and judge its picture.

    A result comes in pieces; it is judged again until nothing is wrong.
    """
    with (
        ohif.serving(study.orthanc.url) as address,
        ohif.browser_page(address, study.film.StudyInstanceUID) as page,
    ):

        def take() -> View:
            path = tmp_path / "screen.png"
            page.screenshot(path=path)
            screen = np.asarray(Image.open(path).convert("RGB"))
            texts = page.evaluate(TEXT_BOXES)
            return View(screen, page.evaluate(GEOMETRY), page.content(), texts)

        def judge(series: str, judgement: Callable[[View], None]) -> None:
            ohif.open_series(page, series)
            ohif.look_until(page, lambda: judgement(take()))

        yield judge


def on_screen(mask: NDArray[np.bool_], geometry: dict, shape: tuple[int, int]):
    """Map a mask on the film's pixels to the screen's, by the viewer's own geometry."""
    origin = np.array(geometry["origin"])
    across = (np.array(geometry["column"]) - origin) / 100
    down = (np.array(geometry["row"]) - origin) / 100
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    points = np.stack([columns - origin[0], rows - origin[1]])
    column, row = np.einsum(
        "ij,jrc->irc", np.linalg.inv(np.array([across, down]).T), points
    )
    # imageToWorldCoords puts (0, 0) at the centre of the first pixel
    row, column = np.floor(row + 0.5).astype(int), np.floor(column + 0.5).astype(int)
    inside = (row >= 0) & (row < mask.shape[0]) & (column >= 0)
    inside &= column < mask.shape[1]
    out = np.zeros(shape, dtype=bool)
    out[inside] = mask[row[inside], column[inside]]
    return out


def coloured(screen: NDArray[np.uint8], geometry: dict) -> NDArray[np.bool_]:
    """Pixels of the viewport that are not grey."""
    x, y, width, height = (round(value) for value in geometry["box"])
    spread = screen.max(axis=2).astype(int) - screen.min(axis=2)
    out = spread > 45
    keep = np.zeros_like(out)
    # the viewport's first rows hold the viewer's own buttons
    keep[y + 40 : y + height - 40, x : x + width] = True
    return out & keep


def test_the_coloured_pixels_on_the_screen_are_the_opacities_of_the_seg(study, look):
    seg = hd.seg.Segmentation.from_dataset(study.result(SEG, "opacit"))
    mask = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns).any(axis=0)

    def is_coloured(view: View) -> None:
        expected = on_screen(mask, view.geometry, view.screen.shape[:2])
        seen = coloured(view.screen, view.geometry)
        iou = (seen & expected).sum() / (seen | expected).sum()
        assert expected.sum() > 1000
        assert iou > 0.85, f"IoU of colour and mask is {iou:.3f}"

    look("AI lung opacities", is_coloured)


def test_the_report_draws_every_outline_with_its_percentage(study, look):
    report = study.result(COMPREHENSIVE_3D_SR, "report")
    outlines = [
        np.array(item.GraphicData).reshape(-1, 2)
        for item in walk(report)
        if item.get("ValueType") == "SCOORD"
    ]
    assert len(outlines) >= 3

    def shows_the_report(view: View) -> None:
        seen = coloured(view.screen, view.geometry)
        for outline in outlines:  # OHIF's lines are dashed
            assert share_drawn(outline, seen, view.geometry) > 0.3
        # the viewer prints the first five numbers of a group, and no zeros
        for group in groups_of(report):
            for name, value, unit in numbers_of(group)[:5]:
                assert value == 0 or f"{name}: {value:.2f} {unit}" in view.page
        texts = [one for one in view.text_boxes if one["words"].startswith(SEVERITIES)]
        assert len(texts) == 3
        for one, other in itertools.combinations(texts, 2):
            assert not overlap(one, other), (one, other)
        x, y, width, height = view.geometry["box"]
        for one in texts:
            assert x <= one["left"] < x + width
            assert y <= one["top"] < one["bottom"] <= y + height

    look("AI lung opacity report", shows_the_report)


def groups_of(report: pydicom.Dataset) -> list[pydicom.Dataset]:
    """Measurement groups (TID 1410)."""
    return [
        item
        for item in walk(report)
        if item.get("ValueType") == "CONTAINER"
        and item.ConceptNameCodeSequence[0].CodeValue == "125007"
    ]


def numbers_of(group: pydicom.Dataset) -> list[tuple[str, float, str]]:
    """Names, values and units of a group's numbers, in order."""
    found = []
    for item in group.ContentSequence:
        if item.ValueType == "NUM":
            (measured,) = item.MeasuredValueSequence
            name = item.ConceptNameCodeSequence[0].CodeMeaning
            unit = measured.MeasurementUnitsCodeSequence[0].CodeValue
            found.append((name, float(measured.NumericValue), unit))
    return found


def overlap(one: dict, other: dict) -> bool:
    """Tell whether two texts lie on one another."""
    across = one["left"] < other["right"] and other["left"] < one["right"]
    down = one["top"] < other["bottom"] and other["top"] < one["bottom"]
    return across and down


def walk(item: pydicom.Dataset) -> Iterator[pydicom.Dataset]:
    """Every content item below this one."""
    for child in item.get("ContentSequence", []):
        yield child
        yield from walk(child)


def share_drawn(outline, seen: NDArray[np.bool_], geometry: dict) -> float:
    """How much of an outline has a coloured pixel within three pixels."""
    origin = np.array(geometry["origin"])
    across = (np.array(geometry["column"]) - origin) / 100
    down = (np.array(geometry["row"]) - origin) / 100
    dense = np.concatenate(
        [np.linspace(one, other, 20) for one, other in itertools.pairwise(outline)]
    )
    points = origin + dense[:, :1] * across + dense[:, 1:] * down
    hits = [
        seen[max(0, int(y) - 3) : int(y) + 4, max(0, int(x) - 3) : int(x) + 4].any()
        for x, y in points
    ]
    return float(np.mean(hits))
