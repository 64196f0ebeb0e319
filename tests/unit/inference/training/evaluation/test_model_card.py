"""The model card says what was measured, and nothing else."""

import json
from dataclasses import replace

import pytest

from inference.errors import TrainingError
from inference.interval_table import PercentBin, PercentIntervals, SeverityIntervals
from inference.manifest import read_manifest, write_manifest
from inference.training.commands.card import write_card
from inference.training.evaluation.model_card import model_card
from inference.training.recipe.recipe import Recipe


@pytest.fixture
def table(written):
    return json.loads((written / "metrics.json").read_text())


def test_the_card_names_model_data_thresholds_and_results(reader, table):
    card = model_card(table, Recipe(), reader.manifest, "Heron films, CC BY 4.0.")
    for text in (
        "# Model card: phantom 1",
        "not for clinical use",
        reader.manifest.sha256,
        "12 frontal films of\n6 patients",
        "| threshold, any opacity | 0.5 |",
        "| AUROC | 1.000 | 1.000 to 1.000 | 12 |",
        "- inverted: 1.000 of 12",
        "| source: north | 6 |",
        "Heron films, CC BY 4.0.",
        "fewer than 30 films: auroc (n = 12)",
    ):
        assert text in card
    assert "None" not in card
    assert "nan" not in card.split()


def test_the_card_tells_how_far_percentages_may_be_off(reader, table):
    plain = model_card(table, Recipe(), reader.manifest)
    assert "split conformal" not in plain
    lung = PercentIntervals((PercentBin(100, 20.5, 31),))
    total = PercentIntervals((PercentBin(12.5, 8, 15), PercentBin(100, 21, 30)), 4.5)
    told = SeverityIntervals(0.9, total=total, right=lung, left=lung)
    card = model_card(
        table, Recipe(), replace(reader.manifest, severity_intervals=told)
    )
    assert "Of 90 in 100 films" in card
    assert "| total | 12.5 | 8 | 15 | 4.5 |" in card
    assert "| left | 100 | 20.5 | 31 | 0 |" in card


def test_the_card_tells_of_refused_films(reader, table):
    card = model_card(
        table | {"refusals": {"a.png": "NO_LUNGS"}}, Recipe(), reader.manifest
    )
    assert "1 frontal film(s) were refused" in card


def test_the_card_says_that_a_recipe_was_cross_validated(reader, table):
    plain = model_card(table, Recipe(), reader.manifest)
    table["about"] = {"folds": [0, 1], "cross_validated": True}
    card = model_card(table, Recipe(), reader.manifest)
    assert "fixed\non the other folds" in card
    assert "cross-validation" not in plain.lower()


@pytest.fixture
def folder(reader, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    write_manifest(model, reader.manifest)
    (tmp_path / "recipe.json").write_text(Recipe().model_dump_json())
    return model


def test_writing_the_card_puts_the_metrics_into_the_manifest(
    folder, written, table, tmp_path
):
    metrics, recipe = written / "metrics.json", tmp_path / "recipe.json"
    path = write_card(folder, metrics, recipe)
    assert path.read_text().startswith("# Model card: phantom")
    manifest = read_manifest(folder)
    assert manifest.metrics["auroc"] == 1.0
    assert manifest.metrics["severity_mae"] == pytest.approx(
        table["overall"]["severity_mae"]["value"], abs=1e-6
    )


def test_a_card_is_not_written_with_another_models_numbers(folder, table, tmp_path):
    metrics = tmp_path / "metrics.json"
    other = table | {"about": {"sha256": "f" * 64}}
    metrics.write_text(json.dumps(other))
    with pytest.raises(TrainingError, match="measured on another model"):
        write_card(folder, metrics, tmp_path / "recipe.json")
    assert not (folder / "MODEL_CARD.md").exists()


@pytest.mark.parametrize(
    ("text", "message"), [(None, "no such file"), ("{", "not JSON")]
)
def test_a_bad_file_of_metrics_is_named(folder, tmp_path, text, message):
    metrics = tmp_path / "numbers.json"
    if text is not None:
        metrics.write_text(text)
    with pytest.raises(TrainingError, match=rf"numbers\.json: {message}"):
        write_card(folder, metrics, tmp_path / "recipe.json")
