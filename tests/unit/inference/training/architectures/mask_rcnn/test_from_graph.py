"""A model's weights come back out of its graph, and answer as the graph does."""

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.errors import TrainingError
from inference.models import BUILTIN_MODELS
from inference.runners.onnx import OnnxModelRunner
from inference.training.architectures.mask_rcnn.architecture import MaskRcnn
from inference.training.architectures.mask_rcnn.from_graph import load_model, model_of
from inference.training.architectures.mask_rcnn.network import CxrNet, build
from inference.training.export.export import Order, build_folder
from inference.training.recipe.recipe import RECIPE_FILE, Recipe, read_recipe, recipe_of

SHIPPED = BUILTIN_MODELS / "default"


def test_every_parameter_comes_back(tiny: Recipe, tmp_path: Path) -> None:
    # at random: biases are equal to each other, and group norms do nothing yet
    torch.manual_seed(3)
    net = CxrNet(tiny.network).eval()
    blank = [np.random.default_rng(1).random((1, 64, 64)).astype(np.float32)]
    build_folder(net, tiny.network, tmp_path, Order(name="m", version="1"), blank, "")
    other = CxrNet(tiny.network)
    load_model(other, tmp_path)
    for name, value in net.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


def test_the_shipped_model_can_be_gone_on_from(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('[network]\nweights = "model:default"\ninput_px = 384\n')
    recipe = read_recipe(path)
    net = build(recipe.network).eval()
    films = np.random.default_rng(7).random((1, 1, 384, 384)).astype(np.float32)
    with closing(OnnxModelRunner(SHIPPED, "cpu", 1)) as runner:
        runner.load()
        (served,) = runner.run(films)
    with torch.inference_mode():
        (rebuilt,) = MaskRcnn().outputs(net, torch.from_numpy(films))
    for name in ("dense", "image", "scores"):
        np.testing.assert_allclose(rebuilt[name], served[name], atol=1e-4)


def test_a_network_of_another_shape_is_told_where_it_differs() -> None:
    text = (SHIPPED / RECIPE_FILE).read_text("utf-8")
    network = recipe_of(json.loads(text), "r").network
    wider = network.model_copy(update={"width_per_group": 64})
    with pytest.raises(TrainingError, match="the recipe's network wants"):
        load_model(CxrNet(wider), SHIPPED)


def test_a_model_is_named_or_is_a_folder_with_a_manifest(tmp_path: Path) -> None:
    assert model_of(Path("model:default")) == SHIPPED
    assert model_of(SHIPPED) == SHIPPED
    assert model_of(tmp_path / "last.pt") is None
    with pytest.raises(TrainingError, match="no model named 'x'"):
        model_of(Path("model:x"))


def test_a_shipped_recipe_holds_no_path_of_the_machine() -> None:
    text = (SHIPPED / RECIPE_FILE).read_text("utf-8")
    assert "/work" not in text
    assert ".." not in text
