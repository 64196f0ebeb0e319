"""The cases from the field, each held to what is right."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydicom import dcmread

from dicom_node.cli import cli
from dicom_node.dataset.quiet import quiet

REFERENCE = 18.36
NIH = 15.07
RIGHT = {
    "reference/ref8.dcm": REFERENCE,
    "reference/ref12.dcm": REFERENCE,
    "image-type-derived-secondary/csa_resampled.dcm": REFERENCE,
    "body-part-words/00_T-questionmark-RAX.dcm": REFERENCE,
    "body-part-words/02_TORAX_utf8_in_latin1.dcm": REFERENCE,
    "body-part-words/03_PECHO.dcm": REFERENCE,
    "body-part-words/04_BRUST.dcm": REFERENCE,
    "body-part-words/07_UNKNOWN.dcm": REFERENCE,
    "modality-dr/dx_modality_DR.dcm": REFERENCE,
    "view-code-R-10214/pa_by_srt_code.dcm": REFERENCE,
    "infant-without-study-date/infant_acqdate_only.dcm": "TOO_YOUNG",
    "values-wrap-silently/film08_ref.dcm": NIH,
    "values-wrap-silently/film08_j2ksigned.dcm": NIH,
    "values-wrap-silently/film08_bits10.dcm": "PIXEL_VALUES",
    "two-films-on-one-image/two_frontals.dcm": "TWO_FILMS",
    "voi-lut-narrower-than-declared/data12_declared16.dcm": REFERENCE,
    "voi-lut-useless-window-good/lut_256_of_4096.dcm": REFERENCE,
    "uid-leading-zero/leading_zero.dcm": REFERENCE,
    "rle-padded-by-space/rle_space.dcm": REFERENCE,
    "bot-entry-per-fragment/bot_two_entries_one_frame.dcm": REFERENCE,
    "vr-blank/vr_spaces.dcm": REFERENCE,
    "lut-data-vr-ss/voi_lutdata_SS.dcm": REFERENCE,
}
"""Percent of both lungs, or the coded reason."""


@pytest.fixture(scope="module")
def folder(shared_dir) -> Path:
    place = shared_dir / "cases"
    if not place.is_dir():
        pytest.skip("the folder of cases (../shared/cases) is not on this machine")
    return place


@pytest.fixture(scope="module")
def found(folder, tmp_path_factory) -> dict[str, tuple[dict, Path]]:
    output = tmp_path_factory.mktemp("cases")
    CliRunner().invoke(cli, ["analyze", str(folder), "--output", str(output)])
    by_uid = {place.name: place for place in output.iterdir()}
    results = {}
    for name in RIGHT:
        meta = dcmread(folder / name, specific_tags=[]).file_meta
        place = by_uid[str(meta.MediaStorageSOPInstanceUID)]
        results[name] = (json.loads((place / "result.json").read_text()), place)
    return results


@pytest.mark.parametrize("name", RIGHT)
def test_each_case_ends_as_is_right(name, found):
    result, place = found[name]
    expected = RIGHT[name]
    if isinstance(expected, str):
        assert result["reason"]["code"] == expected
        return
    assert result["state"] == "analyzed"
    assert result["severity"]["total"] == pytest.approx(expected, abs=0.3)
    for kind in ("segmentation", "measurement-report", "presentation-state"):
        assert (place / f"{kind}.dcm").is_file()


def test_what_was_mended_is_said(found):
    for name, word in (
        ("values-wrap-silently/film08_j2ksigned.dcm", "signed"),
        ("voi-lut-useless-window-good/lut_256_of_4096.dcm", "VOI LUT hides"),
    ):
        assert any(word in remark for remark in found[name][0]["remarks"])


def test_uids_with_leading_zeros_are_repeated_as_they_were_sent(found, folder):
    with quiet():
        source = dcmread(folder / "uid-leading-zero" / "leading_zero.dcm")
        _, place = found["uid-leading-zero/leading_zero.dcm"]
        result = dcmread(place / "segmentation.dcm")
        assert str(result.StudyInstanceUID) == str(source.StudyInstanceUID)
        referenced = result.ReferencedSeriesSequence[0]
        assert str(referenced.SeriesInstanceUID) == str(source.SeriesInstanceUID)
        assert result.SOPInstanceUID.is_valid


def test_a_lookup_table_says_the_bits_that_it_has(found):
    _, place = found["voi-lut-narrower-than-declared/data12_declared16.dcm"]
    state = dcmread(place / "presentation-state.dcm")
    table = state.SoftcopyVOILUTSequence[0].VOILUTSequence[0]
    assert list(table.LUTDescriptor)[2] == 12
