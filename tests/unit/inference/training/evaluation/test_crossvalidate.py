"""Cross-validation on phantom films: who judges whom, and with which thresholds."""

import json
import shutil

import pytest

from inference.errors import TrainingError
from inference.manifest import read_manifest, write_manifest
from inference.training.commands.crossvalidate import crossvalidate
from inference.training.evaluation.cases import read_cases
from tests.unit.inference.training.evaluation.conftest import PhantomReader

QUICK = {"replicates": 20}


def test_every_film_is_judged_once_by_the_model_of_its_fold(films, tmp_path):
    sure, blind = PhantomReader(0.9), PhantomReader(0.9, blind=True)
    crossvalidate({0: sure, 1: blind}, films, tmp_path / "out", **QUICK)
    cases, _ = read_cases(tmp_path / "out" / "cases.json")
    assert sorted(case.key for case in cases) == [f"film{k:02}.png" for k in range(12)]
    found = {case.fold: [] for case in cases}
    for case in cases:
        if case.positive:
            found[case.fold].append(bool(case.findings.boxes))
    assert found == {0: [True] * 3, 1: [False] * 3}
    assert sure.closed
    assert blind.closed


def test_a_fold_is_judged_with_what_the_others_fixed(films, tmp_path):
    # What is fixed on the sure network's films is too high for the shy one's.
    sure, shy = PhantomReader(0.9), PhantomReader(0.35)
    crossvalidate({0: sure, 1: shy}, films, tmp_path / "out", **QUICK)
    cases, _ = read_cases(tmp_path / "out" / "cases.json")
    sick = [case for case in cases if case.positive]
    assert all(case.findings.boxes for case in sick if case.fold == 0)
    scores = {fold: {c.score for c in sick if c.fold == fold} for fold in (0, 1)}
    assert max(scores[1]) < min(scores[0])


def test_the_report_says_how_it_was_made(films, tmp_path):
    readers = {0: PhantomReader(), 1: PhantomReader()}
    crossvalidate(readers, films, tmp_path / "out", **QUICK)
    about = json.loads((tmp_path / "out" / "metrics.json").read_text())["about"]
    assert about["folds"] == [0, 1]
    assert about["thresholds"] == "fixed on the other folds"
    assert about["cross_validated"]
    assert "sha256" not in about


def test_all_folds_together_fix_the_thresholds_that_are_shipped(films, tmp_path):
    shy = {0: PhantomReader(0.35), 1: PhantomReader(0.35)}
    shipped = tmp_path / "model"
    shipped.mkdir()
    before = shy[0].manifest
    write_manifest(shipped, before)
    crossvalidate(shy, films, tmp_path / "out", fix=shipped, **QUICK)
    after = read_manifest(shipped)
    assert after.thresholds.opacity < 0.35 < before.thresholds.opacity
    assert after.name == before.name


def test_folds_that_are_held_out_together_are_judged_together(films, edit, tmp_path):
    def further(table):
        for image in table["images"][8:]:
            image["fold"] += 10

    edit(further)
    readers = {(0, 10): PhantomReader(), (1, 11): PhantomReader()}
    table = crossvalidate(readers, films, tmp_path / "out", **QUICK)
    assert table["about"]["folds"] == [0, 1, 10, 11]
    assert table["films"] == 12


def test_a_source_is_judged_with_what_the_others_fixed(films, tmp_path):
    sure, shy = PhantomReader(0.9), PhantomReader(0.35)
    models = {"north": sure, "south": shy}
    table = crossvalidate(models, films, tmp_path / "out", **QUICK)
    assert table["about"]["folds"] == ["north", "south"]
    cases, _ = read_cases(tmp_path / "out" / "cases.json")
    scores = {
        source: {c.score for c in cases if c.positive and c.source == source}
        for source in models
    }
    assert max(scores["south"]) < min(scores["north"])


def four_times(films):
    """Every film under four names: enough for intervals."""

    def change(table):
        images, annotations = table["images"], table["annotations"]
        for more in range(1, 4):
            for image in images[:12]:
                name = f"{more}-{image['file_name']}"
                shutil.copy(
                    films / "images" / image["file_name"], films / "images" / name
                )
                number = image["id"] + 100 * more
                images.append({**image, "id": number, "file_name": name})
            annotations += [
                {
                    **one,
                    "id": one["id"] + 1000 * more,
                    "image_id": one["image_id"] + 100 * more,
                }
                for one in annotations
                if one["image_id"] < 100
            ]

    return change


def test_intervals_are_measured_and_shipped_where_films_are_enough(
    films, edit, tmp_path
):
    edit(four_times(films))
    shipped = tmp_path / "model"
    shipped.mkdir()
    write_manifest(shipped, PhantomReader().manifest)
    readers = {fold: PhantomReader() for fold in (0, 1)}
    table = crossvalidate(readers, films, tmp_path / "out", fix=shipped, **QUICK)
    intervals = read_manifest(shipped).severity_intervals
    assert intervals.coverage == 0.9
    # the reader is nearly always right
    assert all(one.below + one.above < 6 for one in intervals.total.bins)
    found = table["overall"]["interval_coverage"]
    assert (found["n"], found["value"] > 0.8) == (48, True)


def test_too_few_films_ship_no_intervals(films, tmp_path):
    shipped = tmp_path / "model"
    shipped.mkdir()
    write_manifest(shipped, PhantomReader().manifest)
    readers = {fold: PhantomReader() for fold in (0, 1)}
    table = crossvalidate(readers, films, tmp_path / "out", fix=shipped, **QUICK)
    assert read_manifest(shipped).severity_intervals is None
    assert table["overall"]["interval_coverage"]["n"] == 0


def test_one_model_is_no_cross_validation(films, tmp_path):
    with pytest.raises(TrainingError, match="two folds or more"):
        crossvalidate({0: PhantomReader()}, films, tmp_path / "out")
