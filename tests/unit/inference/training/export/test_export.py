"""The exported graph: batched, static, and answering as torchvision does.

Tests ``export.parity``, ``export.precision`` and ``architectures.mask_rcnn.graph`` too.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch

from inference.errors import TrainingError
from inference.manifest import ModelManifest, Thresholds, read_manifest
from inference.models import sha256_of
from inference.runners.onnx import OnnxModelRunner
from inference.tasks.opacity.prediction import Prediction
from inference.training.architectures.mask_rcnn.graph import BatchedNet
from inference.training.architectures.mask_rcnn.network import CxrNet
from inference.training.architectures.table import architecture_of
from inference.training.checkpoint import Checkpoint
from inference.training.export.export import (
    Order,
    build_folder,
    export,
    export_quantised,
    find_films,
    read_inputs,
)
from inference.training.export.parity import Parity, compare
from inference.training.export.precision import quantise
from inference.training.recipe.recipe import Recipe, recipe_of

SIZE = 128
TINY = {
    "network": {
        "input_px": SIZE,
        "backbone": "resnet18",
        "fpn_channels": 16,
        "dense_channels": 16,
        "mask_channels": 16,
        "representation": 32,
        "anchor_sizes": [16, 32, 64, 128],
        "proposals_before_nms": 50,
        "proposals": 20,
        "detections": 6,
    }
}


def recipe(**data) -> Recipe:
    return recipe_of(TINY | {"data": data}, "tiny")


def make_net(anchor_sizes: tuple[int, ...] = (16, 32, 64, 128)) -> CxrNet:
    """A network of random weights, drawn so that it finds many different things."""
    torch.manual_seed(0)
    shape = recipe().network.model_copy(update={"anchor_sizes": anchor_sizes})
    net = CxrNet(shape).eval()
    heads = net.roi_heads
    with torch.no_grad():
        net.rpn.head.cls_logits.weight.normal_(0, 3)
        net.rpn.head.bbox_pred.weight.normal_(0, 0.1)
        heads.box_predictor.cls_score.weight.normal_(0, 2)
        heads.box_predictor.bbox_pred.weight.normal_(0, 1)
        heads.mask_predictor.mask_fcn_logits.weight.normal_(0, 2)
    return net


def built(net: CxrNet, *told) -> tuple[ModelManifest, Parity]:
    return build_folder(net, net.recipe, *told)


def films(count: int) -> list[np.ndarray]:
    """Blurred noise: no two anchors see the same."""
    rng = np.random.default_rng(3)
    noise = rng.random((count, SIZE, SIZE), np.float32)
    return [cv2.GaussianBlur(film, (7, 7), 2)[None] for film in noise]


ORDER = Order(name="tiny", version="1")


def compared(net: CxrNet, runner, shown) -> Parity:
    architecture = architecture_of(net.recipe)
    answering = architecture.answering(net.recipe)
    return compare(
        lambda batch: architecture.outputs(net, batch), runner, shown, answering
    )


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """So small a network only waits for its other threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def net() -> CxrNet:
    return make_net()


@pytest.fixture(scope="module")
def folder(net, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("fp32")
    built(net, path, ORDER, films(3), "0" * 64)
    return path


@pytest.fixture(scope="module")
def runner(folder) -> Iterator[OnnxModelRunner]:
    with closing(OnnxModelRunner(folder, "cpu", threads=1)) as made:
        made.load()
        yield made


def test_the_graph_answers_as_torchvision_in_batches_of_1_2_and_8(net, runner):
    found = compared(net, runner, films(3))
    assert found.holds, str(found)
    assert found.instances > 40
    assert found.lonely == 0
    assert found.box_px < 0.01


def test_the_graph_answers_as_torchvision_from_a_finer_pyramid(tmp_path):
    net = make_net((8, 16, 32, 64, 128))
    _, found = built(net, tmp_path, ORDER, films(3), "0" * 64)
    assert found.holds, str(found)
    assert found.instances > 40
    assert found.lonely == 0


def test_the_graph_answers_as_torchvision_where_nothing_is_found(tmp_path):
    net = make_net()
    with torch.no_grad():
        net.roi_heads.box_predictor.cls_score.weight.zero_()
        net.roi_heads.box_predictor.cls_score.bias.copy_(torch.tensor([9.0, -9.0]))
    _, found = built(net, tmp_path, ORDER, films(1), "0" * 64)
    assert found.holds
    assert found.instances == 0
    assert found.empty_images == found.images


def test_a_batch_may_mix_films_with_and_without_instances(runner):
    noise = 0.05 * np.random.default_rng(0).random((1, SIZE, SIZE), np.float32)
    batch = np.stack([films(1)[0], noise, films(2)[1]])
    alone = [runner.run(batch[place : place + 1])[0] for place in range(3)]
    for one, other in zip(runner.run(batch), alone, strict=True):
        np.testing.assert_allclose(one["boxes"], other["boxes"], atol=1e-3)
        np.testing.assert_allclose(one["scores"], other["scores"], atol=1e-4)


def test_padding_is_zero_and_scores_descend(net):
    with torch.no_grad():
        batched = BatchedNet(net)
        boxes, scores, masks, _, _ = batched(torch.from_numpy(np.stack(films(2))))
    assert (scores.diff(dim=1) <= 0).all()
    padding = scores == 0
    assert (boxes[padding] == 0).all()
    assert (masks[padding] == 0).all()


def test_nothing_but_the_batch_is_dynamic(folder):
    model = onnx.load(str(folder / "model.onnx"))
    for value in (*model.graph.input, *model.graph.output):
        first, *rest = value.type.tensor_type.shape.dim
        assert first.dim_param == "N"
        assert all(dim.dim_value > 0 for dim in rest)


def test_one_suppression_serves_a_whole_batch_and_nothing_loops(folder):
    model = onnx.load(str(folder / "model.onnx"))
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("NonMaxSuppression") == 2  # proposals, instances
    assert not {"Loop", "Scan", "If", "SequenceInsert"} & set(kinds)
    assert all(entry.version <= 15 for entry in model.opset_import)


def test_half_precision_halves_the_file_and_still_agrees(net, folder, tmp_path):
    order = replace(ORDER, precision="fp16")
    manifest, found = built(net, tmp_path, order, films(2), "0" * 64)
    assert found.holds
    assert manifest.precision == "fp16"
    small, large = ((path / "model.onnx").stat().st_size for path in (tmp_path, folder))
    assert small < 0.6 * large


def test_an_eight_bit_trunk_quarters_the_file_and_stays_near(
    net, folder, runner, tmp_path
):
    order = replace(ORDER, precision="int8")
    built(net, tmp_path, order, films(6), "0" * 64)
    small, large = ((path / "model.onnx").stat().st_size for path in (tmp_path, folder))
    assert small < 0.4 * large
    assert_near(tmp_path, runner)


def assert_near(folder, runner):
    batch = np.stack(films(6))
    with closing(OnnxModelRunner(folder, "cpu", threads=1)) as rough:
        rough.load()
        pairs = zip(rough.run(batch), runner.run(batch), strict=True)
        assert all(np.abs(a["dense"] - b["dense"]).mean() < 0.02 for a, b in pairs)


def test_only_the_trunk_is_of_eight_bits(net, tmp_path):
    build_folder(
        net, net.recipe, tmp_path, replace(ORDER, precision="int8"), films(6), "0" * 64
    )
    graph = onnx.load(str(tmp_path / "model.onnx")).graph
    dequantised = {
        name
        for node in graph.node
        if node.op_type == "DequantizeLinear"
        for name in node.output
    }
    layers = [node for node in graph.node if node.op_type in {"Conv", "Gemm"}]
    rough = {node.name for node in layers if node.input[1] in dequantised}
    trunk = {node.name for node in layers if node.name.startswith("/backbone/")}
    assert rough < trunk
    first = ("/backbone/conv1/", "/backbone/layer1/layer1.0/")
    assert all(name.startswith(first) for name in trunk - rough)


def test_an_eight_bit_trunk_can_be_had_of_a_model_folder(
    net, runner, pictures, tmp_path
):
    (tmp_path / "fine").mkdir()
    order = replace(ORDER, precision="fp16", metrics={"auroc": 0.9})
    manifest, _ = build_folder(
        net, net.recipe, tmp_path / "fine", order, films(2), "0" * 64
    )
    found = find_films(pictures, 2)
    made = export_quantised(tmp_path / "fine", tmp_path / "rough", found, name="rough")
    assert made == read_manifest(tmp_path / "rough")
    assert made.sha256 == sha256_of(tmp_path / "rough" / "model.onnx")
    assert made == replace(
        manifest, name="rough", precision="int8", sha256=made.sha256, metrics={}
    )
    assert_near(tmp_path / "rough", runner)

    with pytest.raises(TrainingError, match="int8 already"):
        export_quantised(tmp_path / "rough", tmp_path / "x", found, name="x")
    with pytest.raises(TrainingError, match="over itself"):
        export_quantised(tmp_path / "fine", tmp_path / "fine", found, name="x")


def test_eight_bits_want_films(folder):
    with pytest.raises(TrainingError, match="calibrate"):
        quantise(folder / "model.onnx", [])


def test_eight_bits_want_a_trunk(tmp_path):
    nothing = onnx.helper.make_graph([], "nothing", [], [])
    onnx.save(onnx.helper.make_model(nothing), str(tmp_path / "model.onnx"))
    with pytest.raises(TrainingError, match="no convolution under"):
        quantise(tmp_path / "model.onnx", films(1))


class Lying:
    """Passes a runner's answers on, changed."""

    def __init__(self, runner: OnnxModelRunner, change) -> None:
        self._runner, self._change = runner, change
        self.manifest = runner.manifest

    def run(self, batch):
        return [
            self._change(Prediction.of(answer)).outputs
            for answer in self._runner.run(batch)
        ]

    def load(self) -> None: ...

    def describe(self):
        return self._runner.describe()

    def close(self) -> None: ...


@pytest.mark.parametrize(
    "change",
    [
        lambda one: replace(one, boxes=one.boxes + 0.6),
        lambda one: replace(one, scores=np.where(one.scores > 0, one.scores - 0.02, 0)),
        lambda one: replace(one, scores=one.scores * (np.arange(6) > 0)),
        lambda one: replace(one, masks=one.masks * 0.9),
        lambda one: replace(one, dense=one.dense + 0.02),
        lambda one: replace(one, image=one.image + 0.02),
    ],
    ids=["boxes", "scores", "instance lost", "masks", "dense", "image"],
)
def test_a_graph_that_answers_otherwise_is_caught(net, runner, change):
    assert not compared(net, Lying(runner, change), films(2)).holds


def test_parity_sums_counts_and_keeps_the_worst():
    total = Parity(images=1, box_px=0.2, mask=0.3) + Parity(images=2, box_px=0.1)
    assert total == Parity(images=3, box_px=0.2, mask=0.3)


def write_checkpoint(path: Path, of: Recipe, net: CxrNet) -> Path:
    state = net.state_dict()
    Checkpoint(state, state, {}, 1, of, "d" * 64, "unknown").write(path)
    return path


@pytest.fixture
def pictures(tmp_path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, film in enumerate(films(2)):
        grey = (255 * (film[0] - film.min()) / np.ptp(film)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), grey)
    return folder


def test_a_checkpoint_becomes_a_model_folder(net, tmp_path, pictures):
    checkpoint = write_checkpoint(tmp_path / "best.pt", recipe(), net)
    order = Order(
        name="ward",
        version="2",
        thresholds=Thresholds(score=0.3),
        metrics={"dice": 0.7},
    )
    made = export(checkpoint, tmp_path / "ward", order, find_films(pictures, 9))

    assert read_manifest(tmp_path / "ward") == made
    assert made.sha256 == sha256_of(tmp_path / "ward" / "model.onnx")
    assert made.training_data_digest == "d" * 64
    assert made.thresholds.score == 0.3
    assert made.input_size_px == SIZE
    assert made.max_instances == 6


def test_a_trunk_is_narrowed_on_the_way_out(tmp_path, pictures):
    shape = {"backbone": "resnet50", "width_per_group": 16}
    wide = recipe_of({"network": TINY["network"] | shape}, "wide")
    checkpoint = write_checkpoint(tmp_path / "best.pt", wide, CxrNet(wide.network))
    order = replace(ORDER, width=8)
    export(checkpoint, tmp_path / "slim", order, find_films(pictures, 9))
    stored = onnx.load(str(tmp_path / "slim" / "model.onnx")).graph.initializer
    sizes = {tensor.name: tuple(tensor.dims) for tensor in stored}
    assert sizes["net.backbone.layer4.0.conv2.weight"] == (64, 64, 3, 3)
    assert sizes["net.backbone.layer4.0.conv3.weight"] == (2048, 64, 1, 1)


def test_a_width_that_does_not_fit_leaves_no_folder(net, tmp_path, pictures):
    checkpoint = write_checkpoint(tmp_path / "best.pt", recipe(), net)
    order = replace(ORDER, width=32)
    with pytest.raises(TrainingError, match="resnet18 has no bottlenecks"):
        export(checkpoint, tmp_path / "ward", order, find_films(pictures, 2))
    assert not (tmp_path / "ward").exists()


def test_a_missing_checkpoint_is_named(tmp_path, pictures):
    missing = tmp_path / "none.pt"
    with pytest.raises(TrainingError, match=r"none\.pt: no such checkpoint$"):
        export(missing, tmp_path / "ward", ORDER, find_films(pictures, 2))


def test_no_films_no_export(net, tmp_path):
    checkpoint = write_checkpoint(tmp_path / "best.pt", recipe(), net)
    with pytest.raises(TrainingError, match="films"):
        export(checkpoint, tmp_path / "ward", ORDER, [])
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError, match="no pictures"):
        find_films(tmp_path / "empty", 3)


def test_a_normalisation_that_serving_does_not_know_is_refused(net, tmp_path, pictures):
    other = recipe(normalisation="clahe")
    checkpoint = write_checkpoint(tmp_path / "best.pt", other, net)
    with pytest.raises(TrainingError, match="clahe"):
        export(checkpoint, tmp_path / "ward", ORDER, find_films(pictures, 2))


def test_a_corrupt_checkpoint_is_refused(tmp_path, pictures):
    path = tmp_path / "best.pt"
    path.write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(TrainingError, match=r"best\.pt"):
        export(path, tmp_path / "ward", ORDER, find_films(pictures, 2))


def test_films_are_read_as_the_node_reads_them(pictures):
    from inference.training.data.dataset import read_picture  # noqa: PLC0415  one test

    inputs = read_inputs(find_films(pictures, 2), SIZE, read_picture)
    assert [film.shape for film in inputs] == [(1, SIZE, SIZE)] * 2
    assert all(film.min() == 0 and film.max() == 1 for film in inputs)
