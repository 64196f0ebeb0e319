"""The walk-through for data scientists, command by command, on a small data set."""

import csv
import json
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from dicom_node.cli import cli
from inference.manifest import read_manifest
from inference.models import BUILTIN_MODELS
from inference.training.checkpoint import read_checkpoint
from inference.training.recipe.recipe import recipe_of
from tests.factories.nodes import save
from tests.factories.radiographs import synthetic_dataset

pytestmark = [pytest.mark.slow, pytest.mark.big]

PAGE = Path(__file__).parents[2] / "docs" / "training.md"
SIDE_PX = 96
FOLDS = 2
# What the page leaves to the reader's patience is made small here.
SMALL = {
    "network": {
        "input_px": 64,
        "backbone": "resnet18",
        "weights": "",
        "fpn_channels": 16,
        "dense_channels": 16,
        "mask_channels": 8,
        "representation": 16,
        "anchor_sizes": [8, 16, 32],
        "proposals_before_nms": 30,
        "proposals": 12,
        "detections": 4,
    },
    "schedule": {"steps": 2, "batch": 2, "warmup_steps": 0, "validate_every": 2},
}


def blocks(language):
    """Code blocks of the page: (what stands behind the language, text)."""
    shape = rf"^```{language} ?([^\n]*)\n(.*?)^```$"
    block = re.compile(shape, re.MULTILINE | re.DOTALL)
    found = block.findall(PAGE.read_text("utf-8"))
    assert found
    return found


def commands():
    lines = [line for _, text in blocks("sh") for line in text.splitlines() if line]
    return [shlex.split(line) for line in lines]


def test_the_page_names_every_command_for_building_models():
    named = {words[1] for words in commands()}
    building = {"train", "evaluate", "export", "tune", "card", "model"}
    assert named == building | {"compare", "crossvalidate"}


def draw(path, seed):
    grey = np.random.default_rng(seed).integers(20, 90, (SIDE_PX, SIDE_PX), np.uint8)
    grey[15:75, 10:85] += 60
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), grey)


def outline(x, y, width, height):
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def write_films(folder):
    """Outlined, boxed, clean and unknown films of six patients in each fold."""
    table = {"images": [], "annotations": [], "categories": []}
    for number, name in enumerate(("lung_opacity", "right_lung", "left_lung"), 1):
        table["categories"].append({"id": number, "name": name})
    for number in range(6 * FOLDS):
        kind = ("mask", "clean", "box", "clean", "unknown", "clean")[number % 6]
        name = f"{number}.png"
        draw(folder / "images" / name, number)
        table["images"].append(
            {
                "id": number,
                "file_name": name,
                "width": SIDE_PX,
                "height": SIDE_PX,
                "patient_id": f"p{number}",
                "fold": number // 6,
                "opacity_annotated": kind != "unknown",
            }
        )
        shapes = [(2, (10, 15, 30, 60), True), (3, (55, 15, 30, 60), True)]
        if kind in {"mask", "box"}:
            shapes.append((1, (15, 30, 20, 20), kind == "mask"))
        table["annotations"] += [
            {
                "id": 10 * number + category,
                "image_id": number,
                "category_id": category,
                "bbox": list(box),
                "segmentation": outline(*box) if outlined else [],
            }
            for category, box, outlined in shapes
        ]
    (folder / "annotations.json").write_text(json.dumps(table), encoding="utf-8")
    for number in range(4):
        draw(folder / "lateral" / f"{number}.png", 100 + number)


def write_challenge(folder):
    """The challenge's layout: DICOM files and two tables."""
    images = folder / "stage_2_train_images"
    images.mkdir(parents=True)
    labels = [("patientId", "x", "y", "width", "height", "Target")]
    classes = [("patientId", "class")]
    for number in range(12):
        name = f"patient{number}"
        dataset = synthetic_dataset("CR", number, rows=128, columns=128)
        save(dataset, images).rename(images / f"{name}.dcm")
        sick = number % 3 == 0
        box = ("20.0", "30.0", "24.0", "40.0") if sick else ("", "", "", "")
        labels.append((name, *box, str(int(sick))))
        classes.append((name, "Lung Opacity" if sick else "Normal"))
    for name, rows in (("train_labels", labels), ("detailed_class_info", classes)):
        with (folder / f"stage_2_{name}.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows(rows)


def toml(table):
    """Write a recipe's tables; JSON's scalars and lists are TOML's too."""
    lines = [f"{k} = {json.dumps(v)}" for k, v in table.items() if not is_table(v)]
    for name, inner in table.items():
        if is_table(inner):
            lines.append(f"[{name}]")
            lines += [f"{key} = {inline(value)}" for key, value in inner.items()]
    return "\n".join(lines) + "\n"


def is_table(value):
    return isinstance(value, dict)


def inline(value):
    if is_table(value):
        return "{" + ", ".join(f"{k} = {inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """Follow the page; gives the folder and what each command printed."""
    folder = tmp_path_factory.mktemp("walk")
    write_films(folder / "films")
    write_challenge(folder / "rsna")
    for name, text in blocks("toml"):
        table = tomllib.loads(text)
        if name == "node.toml":
            (folder / name).write_text(text, encoding="utf-8")
            continue
        recipe_of(table, name)
        for key, change in SMALL.items():
            table[key] = table.get(key, {}) | change
        (folder / name).write_text(toml(table), encoding="utf-8")
    printed = []
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CXR_NODE_SECRETS_DIR", str(folder / "none"))
        for words in commands():
            more = ["--replicates", "10"] if words[1] == "evaluate" else []
            result = CliRunner().invoke(cli, [*words[1:], *more])
            if words[1:3] == ["model", "use"] and result.exit_code:
                # two steps of training teach nothing, and the node says so
                assert "refuses drawn radiograph" in result.stderr
                continue
            assert result.exit_code == 0, (words, result.output, result.exception)
            printed.append((words, result.stdout))
    torch.set_num_threads(threads)
    return folder, printed


def test_every_command_of_the_page_works(walked):
    _, printed = walked
    refused = [words for words in commands() if words[1:3] == ["model", "use"]]
    assert len(printed) >= len(commands()) - len(refused)


def test_a_run_holds_what_the_page_says(walked):
    folder, _ = walked
    rows = re.findall(r"^\| (`.*?) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    names = [
        name
        for row in rows
        for name in re.findall(r"`([^`]+)`", row)
        if name.endswith((".pt", ".json", ".png", "/"))
    ]
    assert len(names) == 8
    for name in names:
        assert (folder / "runs" / "fold0" / name).exists(), name


def test_a_fold_is_held_out_by_its_number(walked):
    folder, _ = walked
    for fold in range(FOLDS):
        recipe = read_checkpoint(folder / "runs" / f"fold{fold}" / "best.pt").recipe
        assert recipe.data.validation_fold == fold
        report = folder / "runs" / f"fold{fold}" / "report" / "metrics.json"
        assert json.loads(report.read_text("utf-8"))["films"] == 6


def test_the_folds_are_put_together(walked):
    folder, _ = walked
    table = json.loads(
        (folder / "runs" / "cross-validation" / "metrics.json").read_text("utf-8")
    )
    assert table["films"] == 6 * FOLDS


def test_an_ensembles_report_says_so_and_makes_no_card(walked, monkeypatch):
    folder, _ = walked
    monkeypatch.chdir(folder)
    words = (
        "crossvalidate --model 0=runs/fold0/last.pt --model 0=runs/fold0/best.pt"
        " --model 1=runs/fold1/last.pt --flip --data films --output runs/fused"
        " --remember runs/answers --replicates 10"
    )
    assert CliRunner().invoke(cli, words.split()).exit_code == 0
    table = json.loads((folder / "runs/fused/metrics.json").read_text("utf-8"))
    assert table["films"] == 6 * FOLDS
    assert table["about"]["model"] == (
        "3 networks of one recipe, each on its held-out fold, those of a fold as one,"
        " mirror images too"
    )
    words = (
        "card --model models/site --metrics runs/fused/metrics.json"
        " --recipe runs/fold0/recipe.json"
    )
    result = CliRunner().invoke(cli, words.split())
    assert result.exit_code == 1
    assert "measured on an ensemble" in result.stderr


def test_the_model_is_tuned_measured_described_and_in_use(walked):
    folder, printed = walked
    manifest = read_manifest(folder / "models" / "site")
    assert (manifest.name, manifest.version) == ("site", "1.0.0")
    assert manifest.metrics
    assert (folder / "models" / "site" / "MODEL_CARD.md").is_file()
    verified = next(out for words, out in printed if words[1:3] == ["model", "verify"])
    assert verified == "site: as its manifest says\n"
    rough = read_manifest(folder / "models" / "site-int8")
    assert (rough.name, rough.version) == ("site-int8", "1.0.0")
    assert rough.precision == "int8"
    tuned = next(out for words, out in printed if words[1] == "tune")
    assert set(tomllib.loads(tuned)) == {"thresholds", "calibration"}


def test_a_model_that_has_learned_is_put_to_use(walked, monkeypatch):
    folder, _ = walked
    monkeypatch.chdir(folder)
    shutil.copytree(BUILTIN_MODELS / "default", folder / "models" / "whole")
    words = ["model", "use", "whole", "--config", "node.toml"]
    assert CliRunner().invoke(cli, words).exit_code == 0
    node = tomllib.loads((folder / "node.toml").read_text("utf-8"))
    assert node["model"]["name"] == "whole"


def test_reports_say_which_films_were_learned_from(walked, monkeypatch):
    folder, _ = walked
    own = folder / "runs" / "fold0" / "report" / "metrics.json"
    both = folder / "runs" / "both" / "metrics.json"
    assert json.loads(own.read_text("utf-8"))["held_out"] is True
    table = json.loads(both.read_text("utf-8"))
    assert table["held_out"] is False
    assert len(table["learned_from"]) == 6 * FOLDS
    text = (both.parent / "report.md").read_text("utf-8")
    assert "**Not held out: the model learned from 12 of these 12 films" in text
    monkeypatch.chdir(folder)
    words = (
        "crossvalidate --model 0=runs/fold1/last.pt --model 1=runs/fold0/last.pt"
        " --data films --output runs/x"
    )
    result = CliRunner().invoke(cli, words.split())
    assert result.exit_code == 1
    assert "fold 0: its model learned from 6 of its 6 films" in result.stderr


def test_a_card_holds_the_thresholds_that_were_fixed(walked):
    folder, _ = walked
    card = (folder / "models" / "site" / "MODEL_CARD.md").read_text("utf-8")
    point = read_manifest(folder / "models" / "site").thresholds.any_opacity
    assert f"| threshold, any opacity | {point:.4g} |" in card


def test_the_challenges_files_are_read_by_the_nodes_reader(walked):
    folder, _ = walked
    report = folder / "runs" / "rsna" / "report" / "metrics.json"
    assert json.loads(report.read_text("utf-8"))["films"] == 12
    with (report.parent / "submission.csv").open(encoding="utf-8") as stream:
        assert next(csv.reader(stream)) == ["patientId", "PredictionString"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("train --recipe site.toml --fold 7 --output runs/x", 1, "no image is in fold"),
        ("train --recipe site.toml --fold two --output runs/x", 2, "neither a fold"),
        ("train --recipe site.toml --variant x --output runs/x", 1, "no variant 'x'"),
        ("train --recipe none.toml --output runs/x", 1, "no such recipe"),
        ("train --recipe site.toml --output runs/x --resume", 1, "no such checkpoint"),
        ("train --recipe site.toml --output runs/fold0", 1, "is not empty"),
        ("evaluate --model nameless --data films --output runs/x", 2, "does not exist"),
        ("evaluate --output runs/x", 2, "either --model and --data"),
        ("evaluate --pool --output runs/x", 2, "--pool takes CASES"),
        ("evaluate --output runs/x runs/fold0/report/cases.json", 2, "--pool takes"),
        ("evaluate --pool runs/none.json --output runs/x", 1, "none.json"),
        ("evaluate --model models/site --data none --output runs/x", 1, "no such file"),
        (
            "evaluate --model models/site --data films --folds 0,x --output runs/x",
            2,
            "not a list of fold",
        ),
        (
            "evaluate --model models/site --data films --folds 9 --output runs/x",
            1,
            "no frontal film in folds",
        ),
        ("tune --model models/site --data films --folds 9", 1, "no frontal film"),
        ("export --checkpoint site.toml --films films --output x", 1, "corrupt"),
        ("export --films films --output x", 2, "one of --checkpoint and --model"),
        (
            "export --model models/site --films films --output x",
            2,
            "only --precision int8",
        ),
        (
            "export --model films --precision int8 --films films --output x",
            1,
            "no manifest.toml in films",
        ),
        (
            "export --checkpoint runs/fold0/best.pt --films runs/rsna/cache --output x",
            1,
            "no pictures",
        ),
        ("crossvalidate --model runs/x --data films --output o", 2, "not FOLD=PATH"),
        ("crossvalidate --model 0=none --data films --output o", 2, "does not exist"),
        (
            "crossvalidate --model 0=runs/fold0/last.pt --data films --output runs/x",
            1,
            "two folds or more",
        ),
        ("compare films", 1, "not the recipe of a run"),
        (
            "card --model models --metrics runs/none.json --recipe runs/none.json",
            1,
            "no such file",
        ),
    ],
)
def test_a_mistake_gets_one_line(walked, monkeypatch, words, code, message):
    folder, _ = walked
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(cli, words.split())
    assert result.exit_code == code, result.output
    last = result.stderr.splitlines()[-1]
    assert message in last
    assert "Traceback" not in result.output
