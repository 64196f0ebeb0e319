"""``cxr-node export``: a checkpoint becomes a model folder that the node can serve.

Writes ``model.onnx`` and ``manifest.toml``; the graph must answer as torchvision does
on real films before it is let out. An 8-bit trunk can be had of a model folder too.
"""

import logging
import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from inference.errors import TrainingError
from inference.manifest import (
    FILE_NAME,
    Calibration,
    ModelManifest,
    Precision,
    Thresholds,
    read_manifest,
    write_manifest,
)
from inference.models import sha256_of, verify
from inference.preprocess import preprocess
from inference.runners.onnx import OnnxModelRunner
from inference.training.architectures.table import architecture_of
from inference.training.checkpoint import learned_of, load_to_serve, read_checkpoint
from inference.training.data.dataset import ReadFrame, read_picture
from inference.training.export.parity import Parity, compare
from inference.training.export.precision import halve_weights, quantise, rounded
from inference.training.learned import FILE_NAME as LEARNED
from inference.training.learned import write_learned
from inference.training.recipe.recipe import RECIPE_FILE, Recipe
from inference.training.recipe.table import NetworkTable

logger = logging.getLogger(__name__)

PARITY_FILMS = 7  # with the noise they fill a batch of 8
INTENDED_USE = (
    "Research: outlines lung opacities and lungs on frontal chest radiographs."
    " Not for clinical use."
)
LICENCE = "Research use only; see MODEL_CARD.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the model folder shall say of itself.

    Parameters
    ----------
    name, version
        Of the model.
    precision
        Of the weights.
    width
        Of the trunk, where it shall be narrower than trained.
    thresholds, calibration, metrics
        Fixed on validation data.
    intended_use, licence
        In words.
    """

    name: str
    version: str
    precision: Precision = "fp32"
    width: int | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    calibration: Calibration = field(default_factory=Calibration)
    metrics: Mapping[str, float] = field(default_factory=dict)
    intended_use: str = INTENDED_USE
    licence: str = LICENCE


def export(
    checkpoint: Path,
    output: Path,
    order: Order,
    films: Sequence[Path],
    read_frame: ReadFrame = read_picture,
) -> ModelManifest:
    """Write a model folder and check it against torchvision.

    Parameters
    ----------
    checkpoint
        Of a training run; its averaged weights are taken.
    output
        The model folder; made when missing.
    order
        What it shall say of itself.
    films
        Real radiographs: the first are compared, all calibrate an int8 trunk and fit
        a narrower one.
    read_frame
        Reads them.

    Raises
    ------
    TrainingError
        The checkpoint is unusable, there is no film, the width does not fit, or the
        answers differ.
    """
    if not films:
        raise TrainingError("export wants real films to check the graph on")
    net, recipe = load_to_serve(checkpoint)
    inputs = read_inputs(films, recipe.network.input_px, read_frame)
    if order.width is not None:
        net = architecture_of(recipe.network).narrowed(net, order.width, inputs)
    output.mkdir(parents=True, exist_ok=True)
    digest = read_checkpoint(checkpoint).data_digest
    manifest, _ = build_folder(net, recipe.network, output, order, inputs, digest)
    write_learned(output, learned_of(checkpoint))
    write_recipe(output, recipe, order.width)
    return manifest


def write_recipe(output: Path, recipe: Recipe, width: int | None) -> None:
    """Put beside a model what others need to go on from it."""
    if width is not None:
        network = recipe.network.model_copy(update={"width_per_group": width})
        recipe = recipe.model_copy(update={"network": network})
    text = recipe.portable().model_dump_json(indent=1) + "\n"
    (output / RECIPE_FILE).write_text(text, encoding="utf-8")


def export_quantised(
    model: Path,
    output: Path,
    films: Sequence[Path],
    *,
    name: str,
    version: str | None = None,
    read_frame: ReadFrame = read_picture,
) -> ModelManifest:
    """Write a model folder with the 8-bit trunk of another's.

    Thresholds and calibration are the other's; its metrics are not.

    Parameters
    ----------
    model
        A model folder; its weights are of fp32 or fp16.
    output
        The new one; made when missing.
    films
        Real radiographs that the ranges are measured on.
    name, version
        Of the new one; the version is the other's when not told.
    read_frame
        Reads films.

    Raises
    ------
    InferenceError
        There is no such model, its file is another or is 8-bit already, it is to be
        written over itself, or there is no film.
    """
    manifest = read_manifest(model)
    verify(model, manifest)
    if manifest.precision == "int8":
        raise TrainingError(f"{model} is int8 already")
    if output.resolve() == model.resolve():
        raise TrainingError(f"{output}: a model is not written over itself")
    inputs = read_inputs(films, manifest.input_size_px, read_frame)
    output.mkdir(parents=True, exist_ok=True)
    path = output / "model.onnx"
    shutil.copyfile(model / manifest.file, path)
    quantise(path, inputs)
    made = replace(
        manifest,
        name=name,
        version=version or manifest.version,
        file=path.name,
        sha256=sha256_of(path),
        precision="int8",
        metrics={},
    )
    write_manifest(output, made)
    for beside in (LEARNED, RECIPE_FILE):
        if (model / beside).is_file():
            shutil.copyfile(model / beside, output / beside)
    return made


def build_folder(
    net: nn.Module,
    network: NetworkTable,
    output: Path,
    order: Order,
    inputs: Sequence[NDArray[np.float32]],
    data_digest: str,
) -> tuple[ModelManifest, Parity]:
    """Write graph and manifest of a network in memory, and compare them."""
    architecture = architecture_of(network)
    if order.precision == "fp16":
        net = rounded(net)
    path = output / "model.onnx"
    graph = architecture.export(net, path)
    if order.precision == "fp16":
        halve_weights(path)
    elif order.precision == "int8":
        quantise(path, inputs)
    manifest = ModelManifest(
        name=order.name,
        version=order.version,
        sha256=sha256_of(path),
        input_size_px=network.input_px,
        max_instances=graph.instances,
        intended_use=order.intended_use,
        licence=order.licence,
        training_data_digest=data_digest,
        precision=order.precision,
        opset=graph.opset,
        task=architecture.task,
        thresholds=order.thresholds,
        calibration=order.calibration,
        metrics=order.metrics,
    )
    write_manifest(output, manifest)
    found = _check(net, network, output, inputs[:PARITY_FILMS])
    logger.info("Parity with torchvision: %s", found, extra={"action": "model-parity"})
    # 8 bits change the answers; whether they hold is for the metrics to say.
    if order.precision != "int8" and not found.holds:
        (output / FILE_NAME).unlink()
        raise TrainingError(
            f"{path}: the graph does not answer as torchvision: {found}"
        )
    return manifest, found


def _check(
    net: nn.Module,
    network: NetworkTable,
    folder: Path,
    inputs: Sequence[NDArray[np.float32]],
) -> Parity:
    architecture = architecture_of(network)
    asked = partial(architecture.outputs, net)
    with closing(OnnxModelRunner(folder, "cpu", torch.get_num_threads())) as runner:
        runner.load()
        return compare(asked, runner, inputs, architecture.answering(network))


def read_inputs(
    films: Sequence[Path], size_px: int, read_frame: ReadFrame
) -> list[NDArray[np.float32]]:
    """Read films as the node would feed them: float32 (1, S, S) each."""
    return [
        preprocess(read_frame(path), size_px)[0]
        for path in tqdm(films, desc="read", unit="film")
    ]


def find_films(folder: Path, most: int) -> list[Path]:
    """Pick films spread evenly over a folder's pictures.

    Raises
    ------
    TrainingError
        There are none.
    """
    kinds = {".jpg", ".jpeg", ".png", ".dcm"}
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in kinds)
    if not found:
        raise TrainingError(f"{folder}: no pictures to check the graph on")
    return found[:: max(1, len(found) // most)][:most]
