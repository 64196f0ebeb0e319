"""The drawn films are valid objects and look enough like a chest to be useful."""

import numpy as np
import pytest
from pydicom import dcmread, uid

from dicom_node.phantom.dataset import KINDS, synthetic_dataset, synthetic_radiograph
from dicom_node.worklist.eligibility import check
from tests.factories.choices import rules

SIZE = {"rows": 192, "columns": 176}


def mean_inside(pixels, mask):
    return float(pixels[mask].mean())


def test_the_same_seed_gives_the_same_film():
    first, second = (synthetic_dataset("DX", 7, **SIZE) for _ in range(2))
    assert first == second


def test_another_seed_is_another_patient_study_and_film():
    first, second = (synthetic_dataset("CR", seed, **SIZE) for seed in (1, 2))
    for keyword in (
        *("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
        *("AccessionNumber", "PixelData"),
    ):
        assert first[keyword].value != second[keyword].value


def test_films_of_one_seed_in_different_kinds_share_their_study():
    films = [synthetic_dataset(kind, 3, **SIZE) for kind in KINDS]
    assert len({film.StudyInstanceUID for film in films}) == 1
    assert len({film.SOPInstanceUID for film in films}) == len(KINDS)
    for film in films:
        assert uid.UID(film.SOPInstanceUID).is_valid


@pytest.mark.parametrize("kind", ["CR", "DX", "SC"])
def test_a_synthetic_film_is_eligible(kind):
    check(synthetic_dataset(kind, rows=400, columns=400), rules())


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_a_film_survives_a_file(tmp_path, kind, bits):
    film = synthetic_dataset(kind, bits_stored=bits, **SIZE)
    film.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    read = dcmread(tmp_path / "film.dcm")
    assert read == film
    assert read.file_meta.MediaStorageSOPInstanceUID == film.SOPInstanceUID
    assert read.BitsAllocated == (8 if bits == 8 else 16)


def test_overrides_come_last_and_none_removes():
    film = synthetic_dataset(
        SpecificCharacterSet="ISO_IR 100",
        PatientName="Müller^Jürgen",
        ViewPosition=None,
        SOPInstanceUID="1.2.3",
        **SIZE,
    )
    assert film.PatientName == "Müller^Jürgen"
    assert "ViewPosition" not in film
    assert film.file_meta.MediaStorageSOPInstanceUID == "1.2.3"


def test_monochrome1_is_the_negative_of_monochrome2():
    negative = synthetic_dataset(photometric="MONOCHROME1", **SIZE)
    positive = synthetic_dataset(photometric="MONOCHROME2", **SIZE)
    total = np.frombuffer(negative.PixelData, "<u2") + np.frombuffer(
        positive.PixelData, "<u2"
    )
    assert set(total) == {4095}


@pytest.mark.parametrize("seed", range(4))
def test_lungs_are_dark_the_middle_is_bright_and_sides_are_right(seed):
    pixels, truth = synthetic_radiograph(seed, 256, 240, opacities=0)
    for lung in (truth.right_lung, truth.left_lung):
        assert 0.08 < lung.mean() < 0.25
    assert not (truth.right_lung & truth.left_lung).any()
    columns = np.arange(240)
    right, left = (
        (mask * columns).sum() / mask.sum()
        for mask in (truth.right_lung, truth.left_lung)
    )
    assert right < 120 < left
    # The heart lies to the patient's left and covers more of that lung.
    assert mean_inside(pixels, truth.left_lung) > mean_inside(pixels, truth.right_lung)
    middle = pixels[100:180, 115:125]
    assert middle.mean() > 1.3 * mean_inside(pixels, truth.right_lung)


@pytest.mark.parametrize("seed", range(3))
def test_opacities_are_where_the_truth_says_and_nowhere_else(seed):
    healthy, _ = synthetic_radiograph(seed, 256, 240, opacities=0)
    ill, truth = synthetic_radiograph(seed, 256, 240, opacities=3)
    assert len(truth.opacities) == 3
    painted = np.any(truth.opacities, axis=0)
    added = ill.astype(float) - healthy
    assert added[painted].mean() > 0.08 * 4095
    far = ~np.any([np.abs(added) > 0.02 * 4095], axis=0)
    assert far.mean() > 0.75
    lungs = truth.right_lung | truth.left_lung
    for opacity in truth.opacities:
        assert 0.005 < opacity.mean() < 0.1
        assert (opacity & ~lungs).mean() < 0.001


def test_no_opacities_when_none_are_asked_for():
    _, truth = synthetic_radiograph(0, 64, 64, opacities=0)
    assert truth.opacities == ()


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_the_whole_depth_is_used(bits):
    pixels, _ = synthetic_radiograph(0, 128, 128, bits_stored=bits)
    assert pixels.dtype == np.uint16
    assert pixels.max() > 0.8 * 2**bits
    assert pixels.max() < 2**bits
    assert pixels.min() == 0


def test_films_may_be_large_and_not_square():
    pixels, truth = synthetic_radiograph(0, 1500, 1200)
    assert pixels.shape == truth.right_lung.shape == (1500, 1200)
