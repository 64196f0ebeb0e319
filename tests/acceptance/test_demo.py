"""The README's first promise: one command shows what a radiologist would get."""

import re
import subprocess
import sys
from pathlib import Path

import highdicom as hd
import pydicom
import pytest
from PIL import Image

from tests.radiographs import synthetic_dataset

CXR_NODE = Path(sys.executable).with_name("cxr-node")
LAST_LINE = re.compile(
    r"demo: delivered SEG=(?P<seg>\S+) SR=(?P<sr>\S+) "
    r"severity_total=(?P<total>[0-9]+\.[0-9])%"
)


def demo(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CXR_NODE, "demo", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.slow
def test_the_demonstration_delivers_findings_on_a_drawn_film(tmp_path):
    answer = demo("--output", tmp_path)

    assert answer.returncode == 0, answer.stderr
    said = LAST_LINE.fullmatch(answer.stdout.splitlines()[-1])
    assert said is not None, answer.stdout
    assert 0 < float(said["total"]) < 100
    seg = hd.seg.segread(said["seg"])
    report = pydicom.dcmread(said["sr"])
    assert seg.pixel_array.any()
    assert report.StudyInstanceUID == seg.StudyInstanceUID
    with Image.open(tmp_path / "overlay.png") as overlay:
        assert min(overlay.size) > 500


@pytest.mark.slow
def test_the_demonstration_says_why_a_film_of_the_users_is_unsuitable(tmp_path):
    film = synthetic_dataset("CR", rows=512, columns=512, ViewPosition="LL")
    path = tmp_path / "film.dcm"
    film.save_as(path, enforce_file_format=True)

    answer = demo("--image", path, "--output", tmp_path / "out")

    assert answer.returncode == 1
    assert "VIEW_LATERAL" in answer.stderr
    assert "Traceback" not in answer.stderr
