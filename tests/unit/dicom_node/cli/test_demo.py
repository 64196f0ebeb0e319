from pathlib import Path

from dicom_node.cli.demo import show
from dicom_node.cli.demonstration import Delivered
from dicom_node.worklist.result import Result
from tests.factories.results import a_row

SHOWN = """
Analysed in 1.2 s by the model scripted 1

Findings: 2
  1  right middle  score 0.95   19.4 % of the lung  box [36, 128, 40, 64]
  2  left upper    score 0.55   11.6 % of the lung  box [124, 51, 30, 51]

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
