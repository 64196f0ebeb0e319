"""Every real and every broken sample ends in its one right state.

The samples lie beside the project; ``dicom/index.csv`` there says what they are.
"""

import csv
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dicom_node.dataset import frames
from dicom_node.errors import DatasetInvalid, NotEligible, PixelsUndecodable
from dicom_node.worklist.eligibility import check
from inference.preprocess import normalise
from tests.factories.choices import rules

NOT_ELIGIBLE = {
    "RG3_J2KI.dcm": "NOT_CHEST",
    "RG3_JLSN.dcm": "NOT_CHEST",
    "RG3_JPLL.dcm": "NOT_CHEST",
    "RG3_RLE.dcm": "NOT_CHEST",
    "sc_ct_scout_abdomen.dcm": "MODALITY",
    "ct_bigendian.dcm": "SOP_CLASS",
    "broken/RG3_JPLY_undecodable.dcm": "NOT_CHEST",
}
"""Readable, but no frontal chest radiograph."""

UNREADABLE = {
    "broken/udacity_test1_is_html.dcm": DatasetInvalid,
    "broken/dx_agfa_nopixeldata.dcm": PixelsUndecodable,
    "broken/sc_65535x65535_tiny_pixeldata.dcm": PixelsUndecodable,
    "broken/no_pixel_data.dcm": PixelsUndecodable,
    "broken/RG1_JLSN_truncated_half.dcm": PixelsUndecodable,
}

MISTAGGED = "rsna_16d7f894_mistagged_MONOCHROME1.dcm"

SAME_FILM = (
    "RG1_J2KR_derived.dcm",
    "RG1_JLSL_derived.dcm",
    "RG1_JLSN.dcm",
    "RG1_RLE_derived.dcm",
    "RG1_explicitLE_derived.dcm",
)
"""One near-lossless original, transcoded without further loss."""


@pytest.fixture(scope="module")
def folder(shared_dir) -> Path:
    return shared_dir / "data" / "cxr" / "dicom"


@pytest.fixture(scope="module")
def index(folder):
    with (folder / "index.csv").open(newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def state_of(path: Path) -> str:
    """Read and judge a file as the node does."""
    try:
        dataset, _ = frames.read(path)
    except (DatasetInvalid, PixelsUndecodable) as error:
        return type(error).__name__
    try:
        check(dataset, rules())
    except NotEligible as error:
        return error.code
    return "eligible"


def test_every_file_ends_in_its_one_right_state(folder, index):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        states = {name: state_of(folder / name) for name in index}
    expected = {
        name: NOT_ELIGIBLE.get(name)
        or (UNREADABLE[name].__name__ if name in UNREADABLE else "eligible")
        for name in index
    }
    assert states == expected


def test_exactly_the_chest_films_are_eligible(index):
    refused = NOT_ELIGIBLE.keys() | UNREADABLE.keys()
    for name, row in index.items():
        assert (row["is_chest_xray"] == "yes") is (name not in refused)


def test_one_film_is_the_same_in_all_its_transfer_syntaxes(folder):
    first, *others = (frames.read(folder / name)[1] for name in SAME_FILM)
    for other in others:
        assert np.array_equal(first.pixels, other.pixels)
    _, lossy = frames.read(folder / "RG1_J2KI.dcm")
    assert np.abs(lossy.pixels - first.pixels).mean() < 0.005


def test_pixels_agree_with_the_pictures_they_were_made_from(folder, index):
    pictures = folder.parent / "images"
    for name in index:
        if not name.startswith("wrapped_"):
            continue
        picture = pictures / f"{Path(name).stem.split('_', maxsplit=2)[2]}.jpg"
        expected = normalise(np.asarray(Image.open(picture), dtype=np.float32))
        _, frame = frames.read(folder / name)
        found = normalise(frame.pixels)
        assert np.abs(found - expected).mean() < 0.02, name
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.995, name


def test_a_mistagged_polarity_gives_the_negative_as_its_header_asks(folder):
    _, right = frames.read(folder / "rsna_16d7f894_cr_jpegbaseline.dcm")
    _, wrong = frames.read(folder / MISTAGGED)
    assert np.allclose(right.pixels, 1 - wrong.pixels, atol=1e-6)


def test_a_lossy_film_that_other_decoders_refuse_is_read(folder):
    _, frame = frames.read(folder / "broken" / "RG3_JPLY_undecodable.dcm")
    _, lossless = frames.read(folder / "RG3_JPLL.dcm")
    assert np.abs(frame.pixels - lossless.pixels).mean() < 0.01
