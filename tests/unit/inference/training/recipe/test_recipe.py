"""A recipe says what it means, and a mistake in it is named."""

import json
from pathlib import Path

import pytest

from inference.errors import TrainingError
from inference.training.commands.recipes import told_recipes
from inference.training.recipe.recipe import (
    Recipe,
    read_recipe,
    recipe_of,
    variants_of,
)
from inference.training.recipe.schedule import ScheduleRecipe, Stretch
from inference.training.schedule import learning_rate, total_steps

CONF = Path(__file__).resolve().parents[5] / "conf" / "training.toml"
SYSTEMS = sorted((CONF.parent / "recipes").glob("*.toml"))


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_recipe_that_ships_is_valid() -> None:
    assert read_recipe(CONF).name == "reference"


@pytest.mark.parametrize(
    "variant",
    [
        "first",
        "go-on",
        "papers-step",
        "papers-sgd",
        "papers-adam",
        "histogram",
        "random-start",
        "dense-only",
        "mask-rcnn-only",
        "naive-labels",
        "no-synthetic",
        "small-input",
        "large-input",
        "box-shrink",
    ],
)
def test_each_named_choice_is_a_variant(variant: str) -> None:
    recipe = read_recipe(CONF, variant)
    assert recipe.name == variant
    assert recipe != read_recipe(CONF)


@pytest.mark.parametrize(
    ("variant", "held_out", "left_out"),
    [
        (None, (0, 10), 0),
        ("broad", (0, 1, 2, 3, 4, 10), 0),
        ("last", (0, 10), 0),
        ("without-siim", (), 1),
        ("without-vindr", (), 1),
        ("without-nih", (), 2),
    ],
)
def test_the_recipe_for_several_collections_is_valid(
    variant: str | None, held_out: tuple[int, ...], left_out: int
) -> None:
    recipe = read_recipe(CONF.with_name("training-collections.toml"), variant)
    assert recipe.data.held_out == held_out
    assert len(recipe.data.left_out) == left_out
    assert recipe_of(json.loads(recipe.model_dump_json()), "again") == recipe


def test_the_published_step_schedule_is_there() -> None:
    stages = read_recipe(CONF, "papers-step").schedule.stages
    assert [(stage.learning_rate, stage.epochs) for stage in stages] == [
        (0.006, 6),
        (0.001, 10),
        (0.0006, 4),
    ]


def test_the_published_anchors_are_there() -> None:
    assert read_recipe(CONF, "papers-sgd").network.anchor_sizes == (16, 32, 64, 128)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[network]\ninput = 3", r"recipe\.toml: network\.input: unknown key"),
        ("colour = 'blue'", r"recipe\.toml: colour: unknown key"),
        (
            "[data]\ncoco = [{annotations='a', images='b', labels='c'}]",
            r"data\.coco\.0\.labels: unknown key",
        ),
        ("[network]\ninput_px = 100", r"network\.input_px: .*multiple of 64"),
        ("[augmentation]\nflip = 2", r"augmentation\.flip: "),
        ("[schedule]\noptimiser = 'lion'", r"schedule\.optimiser: "),
        ("name = ", r"recipe\.toml: not TOML"),
    ],
)
def test_a_mistake_is_named_with_its_key(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(TrainingError, match=line) as caught:
        read_recipe(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"none\.toml: no such recipe"):
        read_recipe(tmp_path / "none.toml")


def test_an_unknown_variant_is_named_with_those_there_are(tmp_path: Path) -> None:
    path = written(tmp_path, "[variant.small.network]\ninput_px = 64\n")
    with pytest.raises(TrainingError, match=r"no variant 'big' \(there are: small\)"):
        read_recipe(path, "big")


def test_a_variant_changes_only_what_it_names(tmp_path: Path) -> None:
    text = "[network]\nfpn_channels = 8\n[variant.small.network]\ninput_px = 64\n"
    network = read_recipe(written(tmp_path, text), "small").network
    assert (network.input_px, network.fpn_channels) == (64, 8)


def test_a_recipe_survives_being_stored() -> None:
    recipe = read_recipe(CONF)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert recipe_of(recipe.model_dump(mode="json"), "stored") == recipe


def test_a_network_without_a_kind_is_a_mask_rcnn_and_an_unknown_kind_is_refused() -> (
    None
):
    assert recipe_of({"network": {"input_px": 64}}, "x").network.kind == "mask_rcnn"
    with pytest.raises(TrainingError, match=r"x: network\.kind: "):
        recipe_of({"network": {"kind": "mystery"}}, "x")


def test_the_cosine_warms_up_and_falls() -> None:
    schedule = ScheduleRecipe(learning_rate=1.0, warmup_steps=10, steps=100, final=0.1)
    rates = [learning_rate(schedule, step, 100) for step in range(101)]
    assert rates[0] < 0.1
    assert max(rates) == rates[10]
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(0.1)


def test_stages_keep_their_rates_for_their_epochs() -> None:
    stages = (
        Stretch(learning_rate=0.6, epochs=2),
        Stretch(learning_rate=0.1, epochs=1),
    )
    schedule = ScheduleRecipe(stages=stages, batch=4, warmup_steps=0)
    steps = total_steps(schedule, 10)
    assert steps == 9
    rates = [learning_rate(schedule, step, steps) for step in range(steps)]
    assert rates == [0.6] * 6 + [0.1] * 3


@pytest.mark.parametrize("path", SYSTEMS, ids=lambda path: path.stem)
def test_every_system_is_a_recipe_that_tells_of_itself(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    assert recipe.about.source
    assert recipe.about.gives
    for variant in variants_of(path):
        assert read_recipe(path, variant) != recipe


def test_the_systems_are_of_every_kind() -> None:
    kinds = {read_recipe(path).network.kind for path in SYSTEMS}
    assert kinds == {"mask_rcnn", "classifier", "segmenter", "ssd", "columns"}


def test_the_list_of_recipes_tells_source_and_limits() -> None:
    told = told_recipes(CONF.parent / "recipes")
    for words in (
        "gate-ensemble: classifier densenet121 + efficientnet_b0 + vgg19, 224 px",
        "unet-2x16: U-Net 2 x 16 plain, 128 px",
        "maskrcnn-64: Mask R-CNN resnet50, 64 px",
        "ssd-mobilenet: SSDLite MobileNetV3, 320 px",
        "columns-svc: support vector machine on columns, no pixels",
        "  variants clahe, histogram",
    ):
        assert words in told


@pytest.mark.parametrize(
    ("network", "place"),
    [
        ({"kind": "classifier", "trunks": ["alexnet"]}, r"x: network\.trunks\.0: "),
        ({"kind": "segmenter", "filter": 3}, r"x: network\.filter: unknown key"),
        ({"kind": "ssd", "input_px": 65}, r"x: network\.input_px: "),
    ],
)
def test_a_mistake_in_any_kind_names_its_key(network: object, place: str) -> None:
    with pytest.raises(TrainingError, match=place):
        recipe_of({"network": network}, "x")
