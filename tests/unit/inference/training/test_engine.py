"""A run is repeatable, resumable and leaves behind what it should."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from inference.errors import TrainingError
from inference.frame import Frame
from inference.training.__main__ import main
from inference.training.checkpoint import Checkpoint, load, read_checkpoint
from inference.training.data.dataset import read_picture, read_samples
from inference.training.data.split import some, split
from inference.training.engine import train
from inference.training.recipe.recipe import Recipe, recipe_of
from tests.unit.inference.training.conftest import tiny_table
from tests.unit.inference.training.data.test_dataset import read_dicom, write_rsna


def run(recipe: Recipe, output: Path, **more) -> Path:
    return train(recipe, read_frame=read_picture, output=output, progress=False, **more)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(path).model


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, two[name]) for name, value in one.items())


def changed(recipe: Recipe, table: str, **values) -> Recipe:
    part = getattr(recipe, table).model_copy(update=values)
    return recipe.model_copy(update={table: part})


def test_a_run_leaves_everything_it_promises(tiny: Recipe, tmp_path: Path) -> None:
    best = run(tiny, tmp_path / "run")
    assert best == tmp_path / "run" / "best.pt"
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {
        "best.pt",
        "last.pt",
        "recipe.json",
        "run.json",
        "validation.csv",
        "curves.png",
        "overlays.png",
    }
    with (tmp_path / "run" / "validation.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["step"]) for row in rows] == [2, 4]
    kept = read_checkpoint(best)
    assert kept.recipe == tiny
    assert len(kept.data_digest) == 64
    assert len(kept.git_sha) in {40, len("unknown")}
    about = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))
    assert about["data_digest"] == kept.data_digest
    assert about["git_sha"] == kept.git_sha
    assert (about["films_learned"], about["films_held_out"]) == (5, 1)
    assert not math.isnan(kept.scores["right_lung_dice"])


def test_losses_are_written_down_now_and_then(tiny: Recipe, tmp_path: Path) -> None:
    recipe = changed(tiny, "schedule", steps=10, batch=1, validate_every=100)
    run(recipe, tmp_path / "run")
    with (tmp_path / "run" / "losses.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["step"]) for row in rows] == [10]
    assert float(rows[0]["total"]) > 0


def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(
    tiny: Recipe, tmp_path: Path
) -> None:
    run(tiny, tmp_path / "whole")
    run(tiny, tmp_path / "parts", stop_after=2)
    assert read_checkpoint(tmp_path / "parts" / "last.pt").step == 2
    run(tiny, tmp_path / "parts", resume=True)
    whole = read_checkpoint(tmp_path / "whole" / "last.pt")
    parts = read_checkpoint(tmp_path / "parts" / "last.pt")
    assert (whole.step, parts.step) == (4, 4)
    assert same(whole.model, parts.model)
    assert same(whole.ema, parts.ema)


def test_the_seed_decides_the_weights(tiny: Recipe, tmp_path: Path) -> None:
    short = changed(tiny, "schedule", steps=1)
    other = changed(short, "schedule", seed=9)
    for name, recipe in (("a", short), ("b", short), ("c", other)):
        run(recipe, tmp_path / name)
    first = weights(tmp_path / "a" / "last.pt")
    assert same(first, weights(tmp_path / "b" / "last.pt"))
    assert not same(first, weights(tmp_path / "c" / "last.pt"))


def test_training_makes_the_loss_fall(tiny: Recipe, tmp_path: Path) -> None:
    recipe = changed(tiny, "schedule", steps=30, validate_every=99, learning_rate=5e-3)
    run(recipe, tmp_path / "run")
    with (tmp_path / "run" / "losses.csv").open(encoding="utf-8") as stream:
        totals = [float(row["total"]) for row in csv.DictReader(stream)]
    assert totals[-1] < 0.8 * totals[0]


def test_a_loaded_network_answers_as_the_averaged_one(
    tiny: Recipe, tmp_path: Path
) -> None:
    net, recipe = load(run(tiny, tmp_path / "run"))
    assert recipe == tiny
    assert not net.training
    kept = read_checkpoint(tmp_path / "run" / "best.pt")
    assert same(kept.ema, net.state_dict())


def test_resuming_with_another_network_is_refused(tiny: Recipe, tmp_path: Path) -> None:
    run(tiny, tmp_path / "run", stop_after=1)
    other = changed(tiny, "network", representation=8)
    with pytest.raises(TrainingError, match=r"last\.pt: recipe: network"):
        run(other, tmp_path / "run", resume=True)


def test_resuming_on_changed_data_is_refused(
    tiny: Recipe, tmp_path: Path, made: Path
) -> None:
    run(tiny, tmp_path / "run", stop_after=1)
    picture = made.parent / "0-mask.png"
    picture.write_bytes((made.parent / "1-box.png").read_bytes())
    with pytest.raises(TrainingError, match=r"last\.pt: the data changed"):
        run(tiny, tmp_path / "run", resume=True)


def fields(kept: Checkpoint) -> dict[str, object]:
    """A checkpoint as it lies in its file."""
    table = {name: getattr(kept, name) for name in Checkpoint.__slots__}
    texts = {"recipe": kept.recipe.model_dump_json()}
    return table | texts | {"learned": kept.learned.to_json()}


def test_a_corrupt_or_foreign_checkpoint_gets_one_line(
    tiny: Recipe, tmp_path: Path
) -> None:
    run(tiny, tmp_path / "run", stop_after=1)
    last = tmp_path / "run" / "last.pt"
    last.with_name("whole.pt").write_bytes(last.read_bytes())
    last.write_bytes(last.read_bytes()[:-5000])
    with pytest.raises(TrainingError, match=r"last\.pt: corrupt checkpoint"):
        run(tiny, tmp_path / "run", resume=True)
    last.write_text("not a checkpoint", encoding="utf-8")
    with pytest.raises(TrainingError, match=r"last\.pt: corrupt checkpoint"):
        load(last)
    kept = read_checkpoint(tmp_path / "run" / "whole.pt")
    foreign = [
        {"weights": 1},
        fields(kept) | {"surplus": 1},
        fields(kept) | {"recipe": "{"},
        fields(kept) | {"recipe": 3},
    ]
    for table in foreign:
        torch.save(table, last)
        with pytest.raises(TrainingError, match="not a checkpoint of this program"):
            load(last)
    last.unlink()
    with pytest.raises(TrainingError, match=r"last\.pt: no such checkpoint"):
        run(tiny, tmp_path / "run", resume=True)


def test_a_checkpoint_that_misses_weights_is_refused(
    tiny: Recipe, tmp_path: Path
) -> None:
    best = run(tiny, tmp_path / "run")
    table = torch.load(best, weights_only=True)
    table["ema"].pop("dense_head.logits.weight")
    torch.save(table, best)
    with pytest.raises(TrainingError, match="weights do not fit their recipe"):
        load(best)


def test_the_published_optimisers_and_stages_train(
    tiny: Recipe, tmp_path: Path
) -> None:
    stages = [{"learning_rate": 0.006, "epochs": 1}]
    for optimiser in ("sgd", "adam"):
        table = tiny.model_dump(mode="json")
        table["schedule"] |= {"optimiser": optimiser, "stages": stages}
        run(recipe_of(table, "tiny"), tmp_path / optimiser)
        assert read_checkpoint(tmp_path / optimiser / "last.pt").step == 3


@pytest.mark.parametrize("missing", ["mask_rcnn", "dense"])
def test_a_head_can_be_left_out(tiny: Recipe, tmp_path: Path, missing: str) -> None:
    recipe = changed(
        changed(tiny, "network", **{missing: False}), "schedule", weight_decay=0.0
    )
    run(recipe, tmp_path / "run", stop_after=1)
    start = torch.manual_seed(recipe.schedule.seed)
    assert start is not None
    kept = read_checkpoint(tmp_path / "run" / "last.pt").optimiser["state"]
    run(changed(tiny, "schedule", weight_decay=0.0), tmp_path / "all", stop_after=1)
    both = read_checkpoint(tmp_path / "all" / "last.pt").optimiser["state"]
    assert len(kept) < len(both)


def test_a_run_on_bfloat16_is_finite(tiny: Recipe, tmp_path: Path) -> None:
    run(changed(tiny, "schedule", amp=True, steps=2), tmp_path / "run")
    values = weights(tmp_path / "run" / "last.pt").values()
    assert all(bool(torch.isfinite(value).all()) for value in values)


def test_a_fold_that_no_image_is_in_is_refused(tiny: Recipe, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no image is in fold 7"):
        run(tiny.holding_out(7), tmp_path / "run")


def test_everything_held_out_leaves_nothing_to_learn_from(made: Path) -> None:
    recipe = recipe_of(tiny_table(made), "tiny")
    samples = read_samples(recipe.data)
    learned, held_out = split(samples, (0,))
    assert {sample.patient for sample in learned}.isdisjoint(
        sample.patient for sample in held_out
    )
    with pytest.raises(TrainingError, match=r"data\.validation_fold"):
        split(held_out, (0,))


def test_several_folds_are_held_out_together(made: Path) -> None:
    recipe = recipe_of(tiny_table(made), "tiny").holding_out((0, 10))
    samples = read_samples(recipe.data)
    further = [replace(samples[0], key="further", fold=10)]
    learned, held_out = split([*samples, *further], recipe.data.held_out)
    assert {sample.fold for sample in held_out} == {0, 10}
    assert {sample.fold for sample in learned} == {1}
    with pytest.raises(TrainingError, match="no image is in fold 10"):
        split(samples, recipe.data.held_out)


def test_a_film_that_is_held_out_is_not_learned_from_under_another_name(
    tiny: Recipe, tmp_path: Path
) -> None:
    folder = tiny.data.coco[0].images
    held_out = cv2.imread(str(folder / "5-mask.png"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(folder / "1-box.png"), held_out)
    run(tiny, tmp_path / "run")
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (about["films_learned"], about["films_held_out"]) == (4, 1)
    run(changed(tiny, "data", near_duplicates="kept"), tmp_path / "kept")
    about = json.loads((tmp_path / "kept" / "run.json").read_text())
    assert about["films_learned"] == 5


def test_films_are_kept_where_the_recipe_says(tiny: Recipe, tmp_path: Path) -> None:
    run(changed(tiny, "data", cache=tmp_path / "films"), tmp_path / "run")
    assert len(list((tmp_path / "films").glob("*.npz"))) > 0
    assert not (tmp_path / "run" / "cache").exists()


def test_as_many_held_out_films_are_looked_at_as_asked_for(made: Path) -> None:
    samples = read_samples(recipe_of(tiny_table(made), "tiny").data)
    assert some(samples, 0) == samples
    assert len(some(samples, 2)) == 2
    assert some(samples[::-1], 2) == some(samples, 2)


def test_without_a_held_out_fold_the_last_weights_are_kept(
    tiny: Recipe, tmp_path: Path
) -> None:
    recipe = changed(tiny, "data", validation_fold=None)
    best = run(recipe, tmp_path / "run")
    assert read_checkpoint(best).step == 4
    assert read_checkpoint(best).scores == {}


def test_the_challenge_layout_trains_through_an_injected_reader(
    tiny: Recipe, tmp_path: Path
) -> None:
    source = write_rsna(tmp_path / "rsna")
    seen: list[Path] = []

    def read_frame(path: Path) -> Frame:
        seen.append(path)
        return read_dicom(path)

    table = tiny.model_dump(mode="json")
    table["data"] = {
        "rsna": [source.model_dump(mode="json")],
        "validation_fold": None,
    }
    output = tmp_path / "run"
    recipe = recipe_of(table, "rsna")
    train(recipe, read_frame=read_frame, output=output, progress=False)
    assert read_checkpoint(output / "last.pt").step == 4
    assert seen
    assert {path.suffix for path in seen} == {".dcm"}


def test_the_command_trains_and_says_where_it_wrote(
    tmp_path: Path, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(
        f"""
        [data]
        coco = [{{annotations = "{made}", images = "{made.parent}"}}]
        [network]
        input_px = 64
        backbone = "resnet18"
        fpn_channels = 16
        dense_channels = 16
        mask_channels = 8
        representation = 16
        [schedule]
        steps = 1
        batch = 1
        """,
        encoding="utf-8",
    )
    output = tmp_path / "run"
    arguments = ["--recipe", str(path), "--output", str(output)]
    assert main(arguments) == 0
    assert capsys.readouterr().out.strip() == str(output / "best.pt")
    assert main(["--recipe", str(tmp_path / "no.toml"), "--output", str(output)]) == 1
    assert "no such recipe" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_stops_the_run(tiny: Recipe, tmp_path: Path) -> None:
    recipe = changed(tiny, "losses", image_frontal=float("inf"))
    with pytest.raises(TrainingError, match="step 0: the loss is not finite"):
        run(recipe, tmp_path / "run")


def test_pictures_are_read_as_they_are(tmp_path: Path) -> None:
    from PIL import Image  # noqa: PLC0415  one test

    deep = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.fromarray((deep // 257).astype(np.uint8)).save(tmp_path / "flat.png")
    first = read_picture(tmp_path / "deep.png").pixels
    second = read_picture(tmp_path / "flat.png").pixels
    assert np.allclose(first, second, atol=1e-4)
    assert first.dtype == np.float32
    assert (first.min(), first.max()) == (0, 1)


def test_a_folder_that_is_not_empty_is_refused(tiny: Recipe, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(TrainingError, match=r"not empty: --resume .* --overwrite"):
        run(tiny, tmp_path)
    with pytest.raises(TrainingError, match="not both"):
        run(tiny, tmp_path, resume=True, overwrite=True)
    assert not (tmp_path / "recipe.json").exists()


def test_an_overwritten_run_starts_anew_and_leaves_what_is_not_its_own(
    tiny: Recipe, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    output.mkdir()
    (output / "notes.txt").write_text("mine", encoding="utf-8")
    (output / "validation.csv").write_text("step\n900\n", encoding="utf-8")
    run(tiny, output, overwrite=True, stop_after=2)
    assert (output / "notes.txt").is_file()
    assert "900" not in (output / "validation.csv").read_text("utf-8")


def test_what_was_pretrained_rests_while_the_heads_catch_up(
    tiny: Recipe, tmp_path: Path
) -> None:
    table = tiny.model_dump(mode="json")
    table["network"] = {"kind": "classifier", "input_px": 64, "trunks": ["resnet18"]}
    recipe = recipe_of(table, "tiny")
    run(recipe, tmp_path / "first", stop_after=1)
    started = changed(recipe, "network", weights=tmp_path / "first" / "last.pt")
    resting = changed(started, "schedule", frozen_steps=2, steps=3, validate_every=9)
    before = read_checkpoint(tmp_path / "first" / "last.pt").ema
    run(resting, tmp_path / "second", stop_after=2)
    after = weights(tmp_path / "second" / "last.pt")
    trunk = "backbone.resnet18.layer4.1.conv2.weight"
    assert torch.equal(before[trunk], after[trunk])
    assert not torch.equal(before["head.weight"], after["head.weight"])
    run(resting, tmp_path / "second", resume=True)
    assert not torch.equal(
        before[trunk], weights(tmp_path / "second" / "last.pt")[trunk]
    )
