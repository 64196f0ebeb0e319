from pathlib import Path

from click.testing import CliRunner

from dicom_node.cli import cli
from dicom_node.cli.demo import show
from dicom_node.cli.demonstration import Delivered, clear
from dicom_node.worklist.result import Result
from tests.factories.results import a_row

SHOWN = """
Analysed in 1.2 s by the model scripted 1

Findings: 2
  1  right middle and lower zones score 0.91   19.4 % of the lung  box [36, 128, 40, 64]
  2  left upper zone              score 0.55   11.6 % of the lung  box [124, 51, 30, 51]

Lung area covered by opacity
  right   19.4 %
  left    11.6 %
  total   15.5 %

At the PACS
  SEG, opacities  pacs/seg.dcm
  SEG, lungs      pacs/lungs.dcm
  SR              pacs/sr.dcm

Overlay
  overlay.png

demo: delivered SEG=pacs/seg.dcm SR=pacs/sr.dcm severity_total=15.5%
"""


def test_the_demo_shows_what_a_radiologist_gets(capsys):
    files = {
        "segmentation": Path("pacs/seg.dcm"),
        "lung-segmentation": Path("pacs/lungs.dcm"),
        "measurement-report": Path("pacs/sr.dcm"),
    }
    show(Delivered(Result.from_json(a_row()), 1.25, files, Path("overlay.png")))
    assert capsys.readouterr().out == SHOWN


def test_what_an_earlier_demo_left_is_cleared_and_nothing_else(tmp_path):
    ours = ("film.dcm", "overlay.png", "pacs/SEG-2.25.7.dcm", "pacs/SR-1.2.dcm")
    theirs = ("notes.txt", "other.dcm", "pacs/holiday.dcm", "pacs/SEG-mine.dcm")
    (tmp_path / "pacs").mkdir()
    for name in (*ours, *theirs):
        (tmp_path / name).write_text(name)
    clear(tmp_path)
    left = {str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*.*")}
    assert left == set(theirs)


def test_a_film_that_was_drawn_earlier_may_be_sent_again(tmp_path):
    film = tmp_path / "film.dcm"
    film.write_text("a film")
    clear(tmp_path, keep=film)
    assert film.exists()


def test_a_film_that_is_missing_is_called_missing(tmp_path):
    result = CliRunner().invoke(cli, ["demo", "--image", str(tmp_path / "a.dcm")])
    assert result.exit_code == 2
    assert f"no such file: {tmp_path / 'a.dcm'}" in result.stderr
    result = CliRunner().invoke(cli, ["demo", "--image", str(tmp_path)])
    assert (result.exit_code, "is a folder" in result.stderr) == (2, True)
