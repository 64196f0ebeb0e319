"""A folder of headers against the rules: counts by reason, and no more than that."""

import json

import pytest
from click.testing import CliRunner
from pydicom import dcmwrite

from dicom_node.cli import cli
from tests.factories.radiographs import synthetic_dataset


def run(*arguments):
    return CliRunner().invoke(cli, ("eligibility", *arguments), prog_name="cxr-node")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("CXR_NODE_SECRETS_DIR", str(tmp_path / "no-secrets"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def folder(tmp_path):
    """Headers without pixels: two films, a knee, a child, and what is no DICOM."""
    place = tmp_path / "headers"
    changes = (
        {},
        {"Modality": "DR"},
        {"BodyPartExamined": "KNEE"},
        {"PatientAge": "007Y", "PatientName": "Doe^Jane"},
    )
    for number, change in enumerate(changes):
        dataset = synthetic_dataset("DX", rows=512, columns=512)
        del dataset.PixelData
        for keyword, value in change.items():
            setattr(dataset, keyword, value)
        file = place / "2026" / f"doe-jane-{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        dcmwrite(file, dataset, enforce_file_format=True)
    (place / "notes.txt").write_text("no header")
    (place / "empty").write_bytes(b"")
    return place


def test_reasons_are_counted_and_nobody_is_named(folder):
    result = run(str(folder))
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    counts = {words[0]: words[1] for words in lines if words[0].isupper()}
    assert counts == {
        "ELIGIBLE": "2",
        "NOT_CHEST": "1",
        "TOO_YOUNG": "1",
        "NOT_DICOM": "2",
    }
    assert lines[-1] == ["in", "all", "6"]
    assert "KNEE" in result.stdout
    assert "doe" not in result.stdout.lower()


def test_files_are_named_only_when_asked_for(folder):
    assert "doe-jane-2" in run(str(folder), "--files").stdout


def test_programs_get_json(folder):
    found = json.loads(run(str(folder), "--json").stdout)
    assert found["files"] == 6
    assert {row["code"]: row["count"] for row in found["reasons"]}["ELIGIBLE"] == 2
    assert all("files" not in row for row in found["reasons"])
    assert (
        "files"
        in json.loads(run(str(folder), "--json", "--files").stdout)["reasons"][0]
    )


def test_the_rules_are_those_of_the_configuration(folder, tmp_path):
    config = tmp_path / "node.toml"
    config.write_text(
        '[eligibility]\nminimum_age_years = 0\nbody_part_words = ["KNEE"]\n'
    )
    found = json.loads(run(str(folder), "--json", "--config", str(config)).stdout)
    assert {row["code"]: row["count"] for row in found["reasons"]}["ELIGIBLE"] == 4


def test_an_empty_folder_is_no_error(tmp_path):
    (tmp_path / "none").mkdir()
    result = run(str(tmp_path / "none"))
    assert result.exit_code == 0
    assert result.stdout.split() == ["in", "all", "0"]


def test_a_folder_that_is_not_there_is_said(tmp_path):
    assert run(str(tmp_path / "absent")).exit_code == 2
