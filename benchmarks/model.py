"""The model: milliseconds per film, beside torchvision on the same weights.

Ways to run the shipped weights, or a checkpoint's, in turns, on the same films: the
node's batched graph, its trunk with 32 and with 8 bits; its Mask R-CNN alone, without
the dense and the image head, which is what torchvision's stock ONNX export does;
torchvision eagerly (the whole network); and the stock export (one film at a time) with
torchvision's own limits and with the recipe's. The least of the rounds is what the
machine can do; the median is what it did beside its other work.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx.utils import extract_model
from torch import Tensor, nn
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from tqdm import tqdm

from dicom_node.phantom.dataset import synthetic_radiograph
from inference.errors import InferenceError, TrainingError
from inference.frame import Frame
from inference.manifest import INPUTS
from inference.preprocess import preprocess
from inference.runners.onnx import OnnxModelRunner
from inference.training.architectures.graph import OPSET
from inference.training.architectures.mask_rcnn.from_graph import load_model
from inference.training.architectures.mask_rcnn.network import CxrNet
from inference.training.architectures.mask_rcnn.recipe import MaskRcnnNetwork
from inference.training.checkpoint import load
from inference.training.data.dataset import read_picture
from inference.training.export.export import (
    Order,
    build_folder,
    find_films,
    read_inputs,
)
from inference.training.recipe.recipe import RECIPE_FILE, recipe_of

Batch = NDArray[np.float32]
Run = Callable[[Batch], object]

BATCHES = (1, 8)
INSTANCES = ["boxes", "scores", "masks"]
# ONNX Runtime's idle threads spin for some 20 ms after a run, torch's for a few: they
# would take a core from whichever comes next.
SETTLE_S = 0.1
TORCHVISION_LIMITS = {
    "proposals_before_nms": 1000,
    "proposals": 1000,
    "detections": 100,
}
SHIPPED = Path(__file__).parents[1] / "inference" / "models" / "default"


class _Pyramid(nn.Module):
    """Trunk and pyramid as torchvision's detectors want their backbone."""

    def __init__(self, net: CxrNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Give the levels that the heads look at."""
        trunk = self.net.backbone(images)
        maps = ((key, trunk[key]) for key in self.net.pooled_levels)
        pyramid = self.net.fpn(OrderedDict(maps))
        levels: dict[str, Tensor] = OrderedDict(pyramid)
        return levels


class _Proposals(nn.Module):
    """The proposal network on its own levels of the pyramid."""

    def __init__(self, net: CxrNet, limits: MaskRcnnNetwork) -> None:
        super().__init__()
        most = dict.fromkeys(("training", "testing"), limits.proposals_before_nms)
        left = dict.fromkeys(("training", "testing"), limits.proposals)
        self.rpn = RegionProposalNetwork(
            net.rpn.anchor_generator, net.rpn.head, 0.7, 0.3, 256, 0.5, most, left, 0.7
        )

    def forward(self, images: object, features: dict[str, Tensor], _: object) -> object:
        """Propose."""
        return self.rpn(images, features)


def stock(net: CxrNet, limits: MaskRcnnNetwork) -> nn.Module:
    """Put the same weights into torchvision's own detector."""
    net = deepcopy(net).to(memory_format=torch.contiguous_format)
    recipe = net.recipe
    net.roi_heads.detections_per_img = limits.detections
    transform = GeneralizedRCNNTransform(
        recipe.input_px, recipe.input_px, [recipe.grey_mean], [recipe.grey_std]
    )
    backbone = _Pyramid(net)
    return GeneralizedRCNN(
        backbone, _Proposals(net, limits), net.roi_heads, transform
    ).eval()


def export_stock(net: nn.Module, film: Batch, path: Path) -> None:
    """Export as torchvision's documentation does."""
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            ([torch.from_numpy(film)],),
            str(path),
            opset_version=OPSET,
            dynamo=False,
        )


def one_by_one(path: Path, threads: int) -> Run:
    """Run a graph film by film, with threads that wait as the node's do."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    shape = session.get_inputs()[0].shape
    lead = (1,) * (len(shape) - 3)  # the stock export has no batch
    return lambda batch: [
        session.run(None, {name: film.reshape(*lead, *film.shape)}) for film in batch
    ]


def eager(net: CxrNet) -> Run:
    """Run torchvision."""

    def run(batch: Batch) -> object:
        with torch.inference_mode():
            return net(torch.from_numpy(batch))

    return run


def candidates(
    net: CxrNet, films: Sequence[Batch], folder: Path, threads: int
) -> dict[str, Run]:
    """Everything that is measured, ready to run."""
    ways: dict[str, Run] = {}
    for precision in ("fp32", "int8"):
        model = folder / precision
        model.mkdir()
        order = Order(name="bench", version="1", precision=precision)
        build_folder(net, net.recipe, model, order, films[:8], "0" * 64)
        runner = OnnxModelRunner(model, "cpu", threads)
        runner.load()
        ways[f"this node, {precision}"] = runner.run
    alone = folder / "alone.onnx"
    extract_model(
        str(folder / "fp32" / "model.onnx"), str(alone), list(INPUTS), INSTANCES
    )
    ways["this node, fp32, Mask R-CNN alone"] = one_by_one(alone, threads)
    ways["torchvision eager"] = eager(net)
    own = net.recipe.model_copy(update=TORCHVISION_LIMITS)
    for name, limits in (("same limits", net.recipe), ("its own limits", own)):
        path = folder / f"{name}.onnx"
        export_stock(stock(net, limits), films[0], path)
        ways[f"stock export, {name}"] = one_by_one(path, threads)
    return ways


def measure(
    ways: dict[str, Run], films: Sequence[Batch], rounds: int
) -> dict[tuple[str, int], list[float]]:
    """Milliseconds per film of every round."""
    found: dict[tuple[str, int], list[float]] = {}
    turns = [(way, size) for _ in range(rounds) for size in BATCHES for way in ways]
    for run in ways.values():
        run(np.stack(films[:1]))
    for number, (way, size) in enumerate(tqdm(turns, desc="model", unit="turn")):
        start = number // len(ways)
        batch = np.stack([films[(start + i) % len(films)] for i in range(size)])
        time.sleep(SETTLE_S)
        begun = time.perf_counter()
        ways[way](batch)
        spent = time.perf_counter() - begun
        found.setdefault((way, size), []).append(1000 * spent / size)
    return found


def report(found: dict[tuple[str, int], list[float]]) -> str:
    """Draw the table."""
    lines = [
        f"{'ms per film':34}"
        + "".join(f"{f'batch {size}':>12}{'(median)':>10}" for size in BATCHES)
    ]
    for way in dict.fromkeys(way for way, _ in found):
        cells = [found[way, size] for size in BATCHES]
        lines.append(
            f"{way:34}"
            + "".join(f"{min(c):12.0f}{statistics.median(c):10.0f}" for c in cells)
        )
    return "\n".join(lines)


def network(checkpoint: Path | None) -> CxrNet:
    """Load a checkpoint, or the weights of the shipped graph."""
    if checkpoint is not None:
        net, _ = load(checkpoint)
        if not isinstance(net, CxrNet):
            raise TrainingError(f"{checkpoint}: not the network that is shipped")
        return net
    recipe = (SHIPPED / RECIPE_FILE).read_text(encoding="utf-8")
    net = CxrNet(recipe_of(json.loads(recipe), str(SHIPPED)).network)
    load_model(net, SHIPPED)
    return net.to(memory_format=torch.channels_last).eval()


def some_films(folder: Path, size_px: int) -> list[Batch]:
    """Take 16 real films, or drawn ones where there are none."""
    if folder.is_dir():
        return read_inputs(find_films(folder, 16), size_px, read_picture)
    drawn = (synthetic_radiograph(seed, bits_stored=8)[0] for seed in range(16))
    frames = (Frame(film.astype(np.float32) / 255) for film in drawn)
    return [preprocess(frame, size_px)[0] for frame in frames]


def main(arguments: Sequence[str] = ()) -> int:
    """Measure and print; returns the exit status."""
    parser = argparse.ArgumentParser(prog="benchmarks model", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, help="default: the shipped weights")
    parser.add_argument("--films", type=Path, default=Path("../shared/data/cxr/images"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    told = parser.parse_args(arguments)
    torch.set_num_threads(told.threads)
    try:
        net = network(told.checkpoint)
        films = some_films(told.films, net.recipe.input_px)
        with tempfile.TemporaryDirectory() as folder:
            ways = candidates(net, films, Path(folder), told.threads)
            sys.stdout.write(report(measure(ways, films, told.rounds)) + "\n")
    except InferenceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
