"""Numbers of many films, and what is written about them."""

import csv
import json
import math

import numpy as np
import pytest
from PIL import Image

from inference.errors import TrainingError
from inference.training.commands.evaluate import measure, pool, write
from inference.training.evaluation import metrics, report, summary
from inference.training.evaluation.cases import (
    Boxes,
    Case,
    Stranger,
    read_cases,
    write_cases,
)
from inference.training.evaluation.films import read_data
from inference.training.evaluation.gain import gain

REPLICATES = 40


def case(key, **more):
    given = {"group": key, "fold": 0, "source": "here", "score": 0.5, "called": False}
    return Case(key=key, **(given | more))


def value_of(name, cases):
    metric = next(one for one in metrics.METRICS if one.name == name)
    return summary.summarise(cases, [metric], 0)[name]


def test_films_that_nobody_looked_at_are_no_negatives():
    cases = [
        case("a", positive=True, score=0.9, called=True),
        case("b", positive=False, score=0.1),
        case("c", positive=None, score=0.99, called=True),
    ]
    for name in ("auroc", "auprc", "sensitivity", "specificity"):
        found = value_of(name, cases)
        assert (found.value, found.n) == (1.0, 2)
    assert value_of("false_findings_per_negative", cases).n == 1


def test_a_gain_is_counted_on_the_films_that_both_were_shown(tmp_path):
    before = [case(f"{k}", positive=k % 2 == 1, score=0.5) for k in range(8)]
    after = [
        case(
            f"{k}", positive=k % 2 == 1, score=0.3 + 0.4 * (k % 2), source=f"s{k // 6}"
        )
        for k in range(1, 10)
    ]
    write_cases(tmp_path / "before.json", before, [])
    write_cases(tmp_path / "after.json", after, [])
    places = [tmp_path / "after.json"], tmp_path / "out"
    pool(*places, REPLICATES, against=[tmp_path / "before.json"])
    found = json.loads((tmp_path / "out" / "gain.json").read_text())
    auroc = found["overall"]["auroc"]
    assert (auroc["value"], auroc["low"], auroc["high"], auroc["n"]) == (0.5,) * 3 + (
        7,
    )
    assert found["source"]["s1"]["auroc"]["n"] == 2
    text = (tmp_path / "out" / "gain.md").read_text()
    assert "| s0 | 0.500 | 0.500 to 0.500 | 5 |" in text


def test_two_models_that_err_alike_do_not_differ():
    rng = np.random.default_rng(1)
    told = [(f"{k}", bool(k % 2), float(rng.random())) for k in range(40)]
    both = [case(key, positive=sick, score=score) for key, sick, score in told]
    found = gain(both, both, REPLICATES)["overall"]
    assert (found["auroc"]["low"], found["auroc"]["high"]) == (0, 0)
    assert found["opacity_dice"]["value"] is None


def test_a_score_that_follows_the_source_is_seen_to():
    north = [case(f"n{k}", source="n", positive=True, score=0.9) for k in range(10)]
    south = [case(f"s{k}", source="s", positive=True, score=0.6) for k in range(10)]
    alike = [case(f"a{k}", source="a", positive=True, score=0.6) for k in range(10)]
    few = [case(f"f{k}", source="f", positive=True, score=0.1) for k in range(9)]
    assert value_of("source_told_by_sick", north + south + few).value == 1.0
    assert value_of("source_told_by_sick", south + alike).value == 0.5
    assert value_of("source_told_by_sick", north + south + alike).value == (
        pytest.approx(5 / 6)
    )
    assert math.isnan(value_of("source_told_by_clean", north + south).value)


def test_a_box_where_readers_disagree_is_neither_right_nor_wrong():
    box, other = (0.0, 0.0, 10.0, 10.0), (50.0, 0.0, 10.0, 10.0)
    found = Boxes((other, box), (0.95, 0.9))
    plain = case("a", positive=True, truths=(box,), detections=found)
    told = case("a", positive=True, truths=(box,), detections=found, ignored=(other,))
    assert value_of("ap40", [plain]).value < 1.0
    assert value_of("ap40", [told]).value == 1.0


def test_a_truth_that_is_found_counts_even_where_readers_disagree():
    box = (0.0, 0.0, 10.0, 10.0)
    found = Boxes((box,), (0.9,))
    told = case("a", positive=True, truths=(box,), detections=found, ignored=(box,))
    assert value_of("ap40", [told]).value == 1.0


def test_the_ranking_within_each_source_comes_first(reader, films, tmp_path):
    cases, strangers = measure(reader, *read_data(films))
    write(tmp_path / "out", cases, strangers, {}, REPLICATES)
    text = (tmp_path / "out" / "report.md").read_text()
    first = text.index("## Within each source")
    assert first < text.index("## Any opacity, per film")
    assert "| north | 1.000 |" in text[first:]


def test_where_no_source_shows_both_the_report_says_so():
    table = report.tabulate([case("a", positive=True)], [], {}, 0)
    assert report.within_sources(table) == [
        "No source shows films with opacity and films without."
    ]


def test_a_false_alarm_lowers_specificity_only():
    cases = [
        case("a", positive=True, called=True),
        case("b", positive=False, called=True),
        case("c", positive=False),
    ]
    assert value_of("sensitivity", cases).value == 1.0
    assert value_of("specificity", cases).value == 0.5


def test_films_whose_boxes_are_not_all_there_have_no_false_positives():
    box = (0.0, 0.0, 10.0, 10.0)
    whole = case("a", positive=True, truths=(box,), detections=Boxes((box,), (0.9,)))
    other = Boxes(((50.0, 50.0, 9.0, 9.0),), (0.95,))
    part = case("b", positive=True, truths=(box,), detections=other, exhaustive=False)
    found = value_of("ap50", [whole, part])
    assert (found.value, found.n) == (pytest.approx(1.0), 1)
    assert value_of("sensitivity", [whole, part]).n == 2


def test_only_boxes_above_the_threshold_count_for_the_challenge():
    box, other = (0.0, 0.0, 10.0, 10.0), (50.0, 50.0, 9.0, 9.0)
    found = Boxes((box, other), (0.9, 0.2))
    sick = case("a", positive=True, truths=(box,), detections=found, accepted=1)
    assert value_of("rsna_score_of_boxes", [sick]).value == pytest.approx(1.0)
    bold = case("a", positive=True, truths=(box,), detections=found, accepted=2)
    assert value_of("rsna_score_of_boxes", [bold]).value == pytest.approx(0.5)


def test_lungs_drawn_without_the_heart_are_counted_apart():
    cases = [
        case("a", lung_dice=(0.9, 0.8)),
        case("b", lung_dice=(0.7, 0.5), heart_excluded=True),
        case("c", lung_dice=(None, 0.6)),
    ]
    assert value_of("left_lung_dice", cases).value == pytest.approx(0.7)
    assert value_of("right_lung_dice", cases).n == 1
    assert value_of("left_lung_dice_no_heart", cases).value == pytest.approx(0.5)


def test_severity_is_compared_in_points():
    cases = [
        case(str(k), percent=(0, 0, p), true_percent=(0, 10, t))
        for k, (p, t) in enumerate([(10, 12), (20, 26), (35, 34)])
    ]
    assert value_of("severity_mae", cases).value == pytest.approx(3.0)
    assert value_of("severity_bias", cases).value == pytest.approx(-7 / 3)
    assert value_of("severity_mae_by_lung", cases).value == pytest.approx(5.0)
    expected = np.corrcoef([10, 20, 35], [12, 26, 34])[0, 1]
    assert value_of("severity_pearson", cases).value == pytest.approx(expected)


def test_the_extent_is_compared_with_the_readers():
    cases = [
        case(str(k), extent=mine, reader_extent=theirs, percent=(0, 0, 9.0 * mine))
        for k, (mine, theirs) in enumerate([(2, 2.7), (4, 3.3), (8, 6.0), (0, 0.0)])
    ]
    assert value_of("reader_extent_mae", cases).value == pytest.approx(3.4 / 4)
    assert value_of("reader_extent_spearman", cases).value == pytest.approx(1.0)
    assert value_of("reader_percent_spearman", cases).n == 4


@pytest.mark.parametrize(
    ("age", "band"),
    [
        (0.5, "under 18"),
        (17.0, "under 18"),
        (18.0, "18 to 39"),
        (64.0, "40 to 64"),
        (65.0, "65 and over"),
        (None, "not told"),
    ],
)
def test_age_bands(age, band):
    assert summary.age_band(age) == band


def test_cases_come_back_as_they_were_kept(tmp_path):
    box = (1.5, 2.0, 3.0, 4.0)
    cases = [
        case("plain"),
        case(
            "full",
            sex="F",
            view="PA",
            age=41.0,
            positive=True,
            exhaustive=False,
            truths=(box, box),
            refused="NO_LUNGS",
            detections=Boxes((box,), (0.25,)),
            accepted=1,
            findings=Boxes((box,), (0.75,)),
            opacity_dice=0.0,
            lung_dice=(0.5, None),
            heart_excluded=True,
            percent=(1.0, 2.0, 1.5),
            true_percent=(3.0, 4.0, 3.5),
            extent=2,
            reader_extent=2.5,
        ),
        case("clean", positive=False),
    ]
    strangers = [
        Stranger("lateral", "x", "NOT_FRONTAL"),
        Stranger("lateral", "y", None),
    ]
    write_cases(tmp_path / "cases.json", cases, strangers)
    assert read_cases(tmp_path / "cases.json") == (cases, strangers)


@pytest.mark.parametrize("text", ["", "[]", '{"cases": [{}], "strangers": []}'])
def test_a_file_that_holds_no_cases_is_named(tmp_path, text):
    path = tmp_path / "cases.json"
    path.write_text(text)
    with pytest.raises(TrainingError, match=r"cases\.json: not the cases"):
        read_cases(path)
    with pytest.raises(TrainingError, match=r"absent\.json: no such file"):
        pool([tmp_path / "absent.json"], tmp_path / "out")


def test_a_report_leaves_json_tables_plots_and_the_challenge_file(written):
    names = {path.name for path in written.iterdir()}
    assert names == {
        "cases.json",
        "metrics.json",
        "report.md",
        "submission.csv",
        "films.png",
        "severity.png",
    }
    for name in ("films.png", "severity.png"):
        with Image.open(written / name) as picture:
            assert min(picture.size) > 300
            assert len(picture.convert("L").getcolors(256)) > 10


def test_the_json_is_strict_and_holds_every_metric_and_group(written):
    def refuse(text):
        raise AssertionError(text)

    table = json.loads((written / "metrics.json").read_text(), parse_constant=refuse)
    assert table["overall"]["auroc"] == {"value": 1, "low": 1, "high": 1, "n": 12}
    assert set(table["overall"]) == {one.name for one in metrics.METRICS}
    assert set(table["by"]) == {"source", "sex", "view", "age", "fold"}
    assert table["by"]["source"]["north"]["films"] == 6
    assert table["by"]["sex"]["not told"]["films"] == 4
    assert table["not_analysable_refused"]["inverted"]["value"] == 1
    assert (table["films"], table["with_opacity"], table["groups"]) == (12, 6, 6)


def test_every_metric_has_a_row_in_the_report(written):
    named = [name for names in report.SECTIONS.values() for name in names]
    assert sorted(named) == sorted(one.name for one in metrics.METRICS)
    text = (written / "report.md").read_text()
    for names in report.SECTIONS.values():
        for title in names.values():
            assert f"| {title} |" in text
    assert "| AUROC | 1.000 | 1.000 to 1.000 | 12 |" in text


def test_the_challenge_file_holds_score_and_box_of_each_finding(written):
    with (written / "submission.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["patientId"] for row in rows] == [f"film{k:02}" for k in range(12)]
    assert rows[0]["PredictionString"] == ""
    numbers = [float(word) for word in rows[1]["PredictionString"].split()]
    assert len(numbers) == 5
    assert 0 < numbers[0] <= 1
    assert numbers[1:] == pytest.approx([36, 40, 22, 23], abs=4)


def test_folds_measured_apart_are_pooled(reader, films, tmp_path):
    for fold in (0, 1):
        cases, met = measure(reader, *read_data(films, [fold]))
        write(tmp_path / f"fold{fold}", cases, met, {}, 0)
    files = [tmp_path / f"fold{fold}" / "cases.json" for fold in (0, 1)]
    table = pool(files, tmp_path / "all", REPLICATES)
    assert table["films"] == 12
    assert {name: one["films"] for name, one in table["by"]["fold"].items()} == {
        "0": 6,
        "1": 6,
    }


def test_what_is_not_defined_is_null_not_nan(blind_reader, films, edit, tmp_path):
    def nobody_looked(table):
        for image in table["images"]:
            image["opacity_annotated"] = False

    edit(nobody_looked)
    cases, met = measure(blind_reader, *read_data(films))
    table = write(tmp_path / "out", cases, met, {}, REPLICATES)
    assert table["overall"]["auroc"]["value"] is None
    assert "auroc" not in report.headline(table)
    assert all(math.isfinite(value) for value in report.headline(table).values())
    assert "| AUROC | - | - | 0 |" in (tmp_path / "out" / "report.md").read_text()
