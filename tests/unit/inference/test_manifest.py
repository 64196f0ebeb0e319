"""The manifest: read back as written, refused when it lies."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import ManifestInvalid, ModelNotFound
from inference.interval_table import PercentBin, PercentIntervals, SeverityIntervals
from inference.manifest import (
    Calibration,
    Thresholds,
    read_manifest,
    write_manifest,
)
from tests.fakes.runner import scripted_manifest


def test_a_manifest_is_read_back_as_it_was_written(tmp_path):
    manifest = scripted_manifest(
        name="ward-3_v1.2",
        intended_use='a "quoted" use\nover two lines, with ü and \\',
        precision="fp16",
        thresholds=Thresholds(score=0.3, opacity=0.45, minimum_area=0.01),
        calibration=Calibration(bias=-0.5, image=0.8, instance=0.25),
        metrics={"auroc any opacity": 0.93, "lung dice": 1.0},
    )
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest


def measured_intervals() -> SeverityIntervals:
    small, large = PercentBin(12.5, 8.0, 15.25), PercentBin(100.0, 21.0, 30.5)
    lung = PercentIntervals((PercentBin(100.0, 25.0, 35.0),))
    total = PercentIntervals((small, large), clean_percent=4.5)
    return SeverityIntervals(0.9, total=total, right=lung, left=lung)


def test_measured_intervals_are_read_back_as_they_were_written(tmp_path):
    manifest = scripted_manifest(severity_intervals=measured_intervals())
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest


def test_a_model_whose_intervals_nobody_measured_has_none(tmp_path):
    write_manifest(tmp_path, scripted_manifest())
    assert read_manifest(tmp_path).severity_intervals is None


def test_other_intervals_are_other_decisions():
    plain = scripted_manifest()
    told = scripted_manifest(severity_intervals=measured_intervals())
    assert plain.decisions_digest != told.decisions_digest


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("coverage = 0.9", "coverage = 1.0", "coverage is not between 0 and 1"),
        ("coverage = 0.9", "", "missing key severity_intervals.coverage"),
        ("[severity_intervals.left]", "[severity_intervals.heart]", "heart"),
        ("up_to_percent = 12.5", "up_to_percent = 100.0", "do not rise to 100"),
        ("below = 8.0", "below = -8.0", "below is not in [0, 100]"),
        ("below = 8.0", 'below = "8"', "below is not of type float"),
        ("above = 15.25", "above = nan", "above is not in [0, 100]"),
        ("clean_percent = 4.5", "clean_percent = 104.5", "clean_percent is not in"),
        ("bins = [{ up_to_percent = 12.5", "bins = [8, { up_to_percent = 12.5", "bins"),
        ("coverage = 0.9", "coverage = 0.9\nextra = 1", "extra"),
    ],
)
def test_intervals_that_are_wrong_are_refused_with_the_place(
    tmp_path, old, new, sentence
):
    manifest = scripted_manifest(severity_intervals=measured_intervals())
    path = write_manifest(tmp_path, manifest)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ManifestInvalid) as caught:
        read_manifest(tmp_path)
    assert "severity_intervals" in str(caught.value)
    assert sentence in str(caught.value)


def test_a_folder_without_manifest_is_no_model(tmp_path):
    with pytest.raises(ModelNotFound):
        read_manifest(tmp_path)


def rewrite(folder, old: str, new: str) -> None:
    path = write_manifest(folder, scripted_manifest())
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('version = "1"', "", "missing key version"),
        ('version = "1"', "version = 1", "version is not of type str"),
        ('version = "1"', 'version = ""', "version is empty"),
        ('version = "1"', 'version = "1"\ncolour = "red"', "unknown key colour"),
        ('name = "scripted"', 'name = "../secrets"', "name is not a plain name"),
        ('file = "model.onnx"', 'file = "../m.onnx"', "file is not a file name"),
        ("= 128", "= 127", "input_size_px"),
        ("= 128", "= true", "input_size_px is not of type int"),
        ("max_instances = 8", "max_instances = 0", "max_instances"),
        ('["lung_opacity"]', "[]", "labels are empty"),
        ('"dense", "image"]', '"dense", 3]', "outputs is not of type str"),
        ('["lung_opacity"]', "[1]", "labels is not of type str"),
        ('["lung_opacity"]', '"lung_opacity"', "labels is not a list of strings"),
        ("0" * 64, "0" * 63, "sha256"),
        ('precision = "fp32"', 'precision = "fp8"', "precision is unknown"),
        ("percentiles 0.5", "percentiles 1.5", "normalisation is unknown"),
        ('"frontal" = 0.5', '"frontal" = 1.5', "thresholds.frontal"),
        ('"frontal" = 0.5', '"lateral" = 0.5', "unknown key thresholds.lateral"),
        ('"bias" = 0.0', '"bias" = nan', "not finite"),
        ('"bias" = 0.0', '"bias" = "0"', "calibration.bias is not of type float"),
        ("[metrics]", '[metrics]\nauroc = "high"', "metrics is not a table of numbers"),
        ("[thresholds]", "[[thresholds]]", "thresholds is not a table"),
        ("[thresholds]", "[thresholds", "manifest.toml"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_with_the_place(
    tmp_path, old, new, sentence
):
    rewrite(tmp_path, old, new)
    with pytest.raises(ManifestInvalid) as caught:
        read_manifest(tmp_path)
    assert sentence in str(caught.value)
    assert "manifest.toml" in str(caught.value)


def test_a_manifest_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "manifest.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestInvalid):
        read_manifest(tmp_path)


def test_a_manifest_without_a_task_is_of_opacity(tmp_path):
    rewrite(tmp_path, 'task = "opacity"\n', "")
    assert read_manifest(tmp_path) == scripted_manifest()


def test_a_whole_number_will_do_for_a_threshold(tmp_path):
    rewrite(tmp_path, '"frontal" = 0.5', '"frontal" = 0')
    assert read_manifest(tmp_path).thresholds.frontal == 0.0


@pytest.mark.parametrize(
    ("slope", "film", "threshold"),
    [(0, 0.99, 0.2), (1, 0.5, 0.2), (1, 0.8, 0.5), (1, 0.2, 1 / 17), (0.5, 0.8, 1 / 3)],
)
def test_the_odds_of_a_pixel_are_compared_with_those_of_the_film(
    slope, film, threshold
):
    thresholds = Thresholds(opacity=0.2, opacity_slope=slope)
    assert thresholds.opacity_on(film) == pytest.approx(threshold)


def test_a_threshold_stays_one_whatever_the_film():
    thresholds = Thresholds(opacity=1.0, opacity_slope=1.0)
    assert 0 < thresholds.opacity_on(0.0) < thresholds.opacity_on(1.0) <= 1


def test_no_calibration_leaves_the_image_heads_probability_alone():
    film = Calibration().film(image=0.3, instance=0.9, dense=0.9)
    assert film == pytest.approx(0.3)


def test_a_temperature_of_two_halves_the_logit():
    found = Calibration(finding_scale=0.5).finding(0.9)
    assert found == pytest.approx(1 / (1 + math.exp(-math.log(9) / 2)))


@given(
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(-20, 20),
    st.floats(-5, 5),
)
def test_calibrated_scores_are_probabilities(image, instance, dense, bias, weight):
    calibration = Calibration(bias, weight, weight, weight, bias, weight)
    assert 0 <= calibration.film(image=image, instance=instance, dense=dense) <= 1
    assert 0 <= calibration.finding(image) <= 1
