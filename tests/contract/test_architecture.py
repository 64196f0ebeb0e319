"""What every architecture owes the training house."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from inference.errors import TrainingError
from inference.runners.onnx import OnnxModelRunner
from inference.tasks.table import TASKS
from inference.training.architectures.table import ARCHITECTURES, architecture_of
from inference.training.data.batches import to_device
from inference.training.data.samples import AnnotatedOpacity, Sample
from inference.training.data.transforms import Example
from inference.training.export.export import Order, build_folder
from inference.training.recipe.recipe import Recipe, recipe_of
from inference.training.recipe.schedule import LossWeights
from tests.fakes.runner import scripted_manifest

SIZE, HALF = 64, 32
SMALL = {
    "mask_rcnn": {
        "backbone": "resnet18",
        "fpn_channels": 16,
        "dense_channels": 16,
        "mask_channels": 8,
        "representation": 16,
        "anchor_sizes": [8, 16, 32],
        "proposals_before_nms": 30,
        "proposals": 12,
        "detections": 4,
    },
    "classifier": {"trunks": ["cnn", "resnet18"]},
    "segmenter": {"encoder": "plain", "filters": 4, "block_layers": 1},
    "ssd": {"candidates": 12, "detections": 4},
}


@pytest.fixture(params=list(ARCHITECTURES))
def recipe(request) -> Recipe:
    network = {"kind": request.param, "input_px": SIZE, **SMALL[request.param]}
    return recipe_of({"network": network}, "small")


@pytest.fixture
def architecture(recipe):
    return architecture_of(recipe.network)


@pytest.fixture
def net(architecture, recipe):
    torch.manual_seed(0)
    return architecture.build(recipe.network)


def an_example() -> Example:
    truth = np.zeros((3, HALF, HALF), np.float32)
    truth[0, 8:16, 6:12] = truth[1, 4:28, 4:14] = truth[2, 4:28, 18:28] = 1
    masks = np.zeros((1, SIZE, SIZE), np.uint8)
    masks[0, 16:32, 12:24] = 1
    noise = np.random.default_rng(0).random((SIZE, SIZE), np.float32)
    return Example(
        image=noise,
        truth=truth,
        weight=np.ones_like(truth),
        overlap=np.ones(3, np.bool_),
        boxes=np.array([[12, 16, 24, 32]], np.float32),
        masks=masks,
        has_mask=np.ones(1, np.bool_),
        known=True,
        exhaustive=True,
        image_truth=np.ones(2, np.float32),
        image_weight=np.ones(2, np.float32),
        ignored=np.zeros((0, 4), np.float32),
    )


def films(count: int) -> np.ndarray:
    return np.random.default_rng(1).random((count, 1, SIZE, SIZE), np.float32)


def test_it_answers_for_a_task_that_there_is(architecture):
    assert architecture.task in TASKS


def test_its_losses_have_weights_in_the_recipe_and_can_be_learned_from(
    architecture, net
):
    batch = architecture.collate([an_example(), an_example()])
    images, targets = to_device(batch, torch.device("cpu"))
    assert images.shape == (2, 1, SIZE, SIZE)
    net.train()
    losses = architecture.losses(net, images, targets)
    assert losses.keys() <= LossWeights.model_fields.keys()
    torch.stack(list(losses.values())).sum().backward()
    assert any(p.grad is not None and p.grad.any() for p in net.parameters())


def test_a_picture_of_which_nothing_is_known_teaches_no_nan(architecture, net):
    blank = an_example()
    nothing = replace(
        blank,
        weight=np.zeros_like(blank.weight),
        overlap=np.zeros(3, np.bool_),
        boxes=np.zeros((0, 4), np.float32),
        masks=np.zeros((0, SIZE, SIZE), np.uint8),
        has_mask=np.zeros(0, np.bool_),
        known=False,
        exhaustive=False,
    )
    net.train()
    losses = architecture.losses(net, *architecture.collate([nothing]))
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_every_parameter_that_learns_is_in_one_group(architecture, net):
    groups = architecture.parameter_groups(net, 0.5)
    grouped = [id(one) for group in groups for one in group["params"]]
    assert len(grouped) == len(set(grouped))
    learning = {id(one) for one in net.parameters() if one.requires_grad}
    assert learning == set(grouped)
    assert {group["factor"] for group in groups} <= {0.5, 1.0}


def test_it_answers_each_image_as_its_task_wants(architecture, recipe, net):
    net.eval()
    with torch.inference_mode():
        answers = architecture.outputs(net, torch.from_numpy(films(2)))
    assert len(answers) == 2
    answering = architecture.answering(recipe.network)
    manifest = scripted_manifest(
        task=architecture.task, input_size_px=SIZE, max_instances=answering.instances
    )
    wanted = TASKS[architecture.task].shapes(manifest)
    for answer in answers:
        assert {name: value.shape for name, value in answer.items()} == wanted
        assert {value.dtype for value in answer.values()} == {np.dtype(np.float32)}
    assert answering.taught <= wanted.keys()


def test_the_weights_of_a_checkpoint_fit_a_network_shaped_anew(
    architecture, recipe, net
):
    again = architecture.shaped(recipe.network)
    again.load_state_dict(net.state_dict())
    image = torch.from_numpy(films(1))
    with torch.inference_mode():
        (one,) = architecture.outputs(net.eval(), image)
        (other,) = architecture.outputs(again.eval(), image)
    for name, value in one.items():
        np.testing.assert_allclose(value, other[name], atol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_its_graph_is_served_and_answers_as_it_does(
    architecture, recipe, net, tmp_path
):
    order = Order(name="small", version="1")
    manifest, parity = build_folder(
        net.eval(), recipe.network, tmp_path, order, list(films(3)), "0" * 64
    )
    assert parity.holds, str(parity)
    assert manifest.task == architecture.task
    with closing(OnnxModelRunner(tmp_path, "cpu", 1)) as runner:
        runner.load()
        assert len(runner.run(films(3))) == 3
    graph = onnx.load(str(tmp_path / "model.onnx")).graph
    assert any(node.name.startswith("/backbone/") for node in graph.node)


def test_a_width_that_does_not_fit_is_refused(architecture, net):
    with pytest.raises(TrainingError):
        architecture.narrowed(net, 4096, list(films(1)))


def test_films_without_its_labels_are_told_apart_from_films_with_them(architecture):
    bare = Sample("a", Path("a"), SIZE, SIZE, "p", 0, "made")
    box = AnnotatedOpacity((8.0, 8.0, 20.0, 20.0), None)
    sick = replace(bare, opacity_known=True, opacities=(box,))
    clean = replace(bare, opacity_known=True)
    assert architecture.lacking([bare])
    assert architecture.lacking([bare, sick, clean]) is None
