"""Every reason and every key has its line where an administrator looks."""

import re
from pathlib import Path

import pytest

from dicom_node.node.settings.load import Settings

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
SOURCES = (
    "dicom_node/worklist/eligibility.py",
    "dicom_node/dataset/pixels/sample_values.py",
    "inference/suitability.py",
)
_CODE = re.compile(r'"([A-Z]{2,}(?:_[A-Z]+)+|INVERTED|BLANK|MODALITY|PHOTOMETRIC)"')


@pytest.mark.parametrize("source", SOURCES)
def test_every_reason_is_explained(source):
    text = (ROOT / source).read_text(encoding="utf-8")
    codes = set(_CODE.findall(text))
    assert codes
    for code in codes:
        assert f"`{code}`" in PAGE, code


def test_every_key_is_named():
    for key in type(Settings.load(None).eligibility).model_fields:
        assert f"`{key}`" in PAGE, key
