"""From a model and a folder of films to a report, or one clear line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from inference.errors import InferenceError, TrainingError
from inference.training.architectures.mask_rcnn.network import CxrNet
from inference.training.checkpoint import Checkpoint, read_checkpoint
from inference.training.commands.evaluate import evaluate, open_models
from inference.training.data.dataset import read_picture
from inference.training.evaluation.films import read_data
from tests.factories.tiny_model import write_tiny_model


@pytest.fixture
def checkpoint(tiny, tmp_path: Path) -> Path:
    """A network that has learned nothing."""
    torch.manual_seed(0)
    weights = CxrNet(tiny.network).state_dict()
    path = tmp_path / "best.pt"
    Checkpoint(weights, weights, {}, 0, tiny, "0" * 64, "unknown").write(path)
    return path


@pytest.fixture
def data(made: Path) -> Path:
    """The small COCO file in the layout of a data folder."""
    folder = made.parent
    (folder / "images").mkdir()
    for picture in folder.glob("*.png"):
        picture.rename(folder / "images" / picture.name)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model folder whose network answers nonsense, quickly."""
    write_tiny_model(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_a_checkpoint_is_measured_on_the_chosen_fold(checkpoint, data, tmp_path):
    table = evaluate(checkpoint, data, tmp_path / "out", folds=[1], replicates=10)
    assert table["films"] == 5
    assert (table["with_opacity"], table["without_opacity"]) == (2, 1)
    assert table["overall"]["frontal_refused"]["n"] == 5
    assert table["about"]["model"] == "best"
    assert len(table["about"]["data_digest"]) == 64
    kept = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert kept == json.loads(json.dumps(table))


def test_the_report_is_written_to_be_read(model, data, tmp_path):
    evaluate(model, data, tmp_path / "out", replicates=5)
    written = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert written.startswith("# Evaluation\n")
    assert "6 frontal films" in written


def refusal(model, data, output) -> str:
    """What is said when a measurement cannot be made; one line."""
    with pytest.raises(TrainingError) as raised:
        evaluate(model, data, output)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: (data / "annotations.json").unlink(), "no such file"),
        (lambda data: (data / "annotations.json").write_text("{"), "not JSON"),
        (lambda data: next(data.glob("images/0-*")).unlink(), "no such image"),
        (
            lambda data: next(data.glob("images/0-*")).write_text("no picture"),
            "not a readable JPEG or PNG",
        ),
    ],
)
def test_bad_data_get_one_line(model, data, tmp_path, spoil, message):
    spoil(data)
    assert message in refusal(model, data, tmp_path / "out")


def test_a_bad_checkpoint_gets_one_line(data, tmp_path):
    path = tmp_path / "broken.pt"
    path.write_bytes(b"not a checkpoint")
    assert "broken.pt: corrupt checkpoint" in refusal(path, data, tmp_path / "out")


def test_a_network_that_learned_on_equalised_films_is_not_measured_on_others(
    checkpoint, tiny, data, tmp_path
):
    clahe = tiny.data.model_copy(update={"normalisation": "clahe"})
    kept = read_checkpoint(checkpoint)
    replace(kept, recipe=tiny.model_copy(update={"data": clahe})).write(checkpoint)
    error = refusal(checkpoint, data, tmp_path / "out")
    assert "normalisation 'clahe', which serving does not do" in error


def test_a_fold_without_films_is_an_error(data):
    with pytest.raises(TrainingError, match=r"no frontal film in folds \[7\]"):
        read_data(data, [7])


def test_lateral_films_and_other_dicom_are_found_beside_the_films(data):
    (data / "lateral").mkdir()
    source = next(data.glob("images/0-*"))
    for k in range(5):
        (data / "lateral" / f"side{k}.png").write_bytes(source.read_bytes())
    (data / "dicom").mkdir()
    rows = "file,is_chest_xray\nleg.dcm,no\nchest.dcm,yes\n"
    (data / "dicom" / "index.csv").write_text(rows)
    films, strangers = read_data(data)
    assert len(films) == 6
    assert [one.source for one in strangers] == ["lateral"] * 5
    _, of_one_fold = read_data(data, [0])
    assert len(of_one_fold) == 1
    _, with_dicom = read_data(data, [0], dicom=True)
    assert [one.path.name for one in with_dicom[1:]] == ["leg.dcm"]
    assert with_dicom[1].source == "not a chest radiograph"


def test_the_challenges_own_layout_is_measured(model, tmp_path, data):
    folder = tmp_path / "rsna"
    images = folder / "stage_2_train_images"
    images.mkdir(parents=True)
    labels = ["patientId,x,y,width,height,Target"]
    classes = ["patientId,class"]
    for k, picture in enumerate(sorted(data.glob("images/*"))[:4]):
        (images / f"p{k}.dcm").write_bytes(picture.read_bytes())
        labels.append(f"p{k},20,30,24,24,1" if k % 2 else f"p{k},,,,,0")
        classes.append(f"p{k},{'Lung Opacity' if k % 2 else 'Normal'}")
    (folder / "stage_2_train_labels.csv").write_text("\n".join(labels))
    (folder / "stage_2_detailed_class_info.csv").write_text("\n".join(classes))

    # PIL looks at the content, not the name: stands for the node's DICOM reader
    table = evaluate(
        model,
        folder,
        tmp_path / "out",
        read_frame=read_picture,
        replicates=10,
    )
    assert (table["films"], table["with_opacity"]) == (4, 2)
    submitted = (tmp_path / "out" / "submission.csv").read_text().splitlines()
    assert submitted[0] == "patientId,PredictionString"
    assert [line.split(",")[0] for line in submitted[1:]] == ["p0", "p1", "p2", "p3"]


def test_model_folders_are_fused_with_mirror_images(data, tmp_path):
    write_tiny_model(tmp_path / "one", name="one")
    write_tiny_model(tmp_path / "two", name="two")
    folders = [tmp_path / "one", tmp_path / "two"]
    fused = open_models(folders, "cpu", flip=True)
    table = evaluate(fused, data, tmp_path / "out", replicates=0)
    assert table["about"]["model"] == "one.two.flip"
    written = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "| model | one.two.flip |" in written


def test_a_folder_without_a_model_gets_one_line(data, tmp_path):
    with pytest.raises(InferenceError, match=r"no manifest\.toml"):
        evaluate(tmp_path / "none", data, tmp_path / "out")
