"""Checkpoints: everything needed to go on, or to use what was learned."""

import json
import os
import pickle
import subprocess
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inference.errors import TrainingError
from inference.training.architectures.mask_rcnn.from_graph import model_of
from inference.training.architectures.table import architecture_of
from inference.training.learned import Learned, read_learned
from inference.training.recipe.recipe import Recipe, recipe_of

_KEYS = {"model", "ema", "optimiser", "step", "recipe", "data_digest", "git_sha"}
_UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, KeyError)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A moment of a training run.

    Parameters
    ----------
    model, ema
        State dicts: as trained, and averaged.
    optimiser
        State dict.
    step
        Optimiser steps done.
    recipe
        Of the run.
    data_digest
        SHA-256 of what was learned from.
    git_sha
        Of the code, or "unknown".
    scores
        Held-out scores of ``ema`` at this step, empty when not yet validated.
    best
        Best overall score so far.
    learned
        Which films the weights have seen.
    """

    model: dict[str, Tensor]
    ema: dict[str, Tensor]
    optimiser: dict[str, Any]
    step: int
    recipe: Recipe
    data_digest: str
    git_sha: str
    scores: dict[str, float] = field(default_factory=dict)
    best: float = -1.0
    learned: Learned = field(default_factory=Learned)

    def write(self, path: Path) -> None:
        """Write whole or not at all."""
        table = {name: getattr(self, name) for name in self.__slots__}
        table["recipe"] = self.recipe.model_dump_json()
        table["learned"] = self.learned.to_json()
        partial = path.with_name(path.name + ".part")
        with partial.open("wb") as stream:
            torch.save(table, stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    TrainingError
        It is missing, corrupt or no checkpoint of this program.
    """
    if not path.is_file():
        raise TrainingError(f"{path}: no such checkpoint")
    try:
        table = torch.load(path, map_location="cpu", weights_only=True)
    except (*_UNREADABLE, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{path}: corrupt checkpoint") from error
    if not isinstance(table, dict) or not table.keys() >= _KEYS:
        raise TrainingError(f"{path}: not a checkpoint of this program")
    try:
        recipe = recipe_of(json.loads(table["recipe"]), f"{path}: recipe")
        table["recipe"] = recipe
        # older checkpoints do not say
        unknown = replace(
            Learned(), folds=recipe.data.folds, held_out=recipe.data.validation_fold
        )
        told = table.get("learned")
        table["learned"] = Learned.from_json(told, str(path)) if told else unknown
        return Checkpoint(**table)
    except (TypeError, ValueError) as error:
        raise TrainingError(f"{path}: not a checkpoint of this program") from error


def load(path: Path, *, ema: bool = True) -> tuple[nn.Module, Recipe]:
    """Rebuild a trained network, ready to answer.

    Raises
    ------
    TrainingError
        The checkpoint is missing, corrupt or does not fit its own recipe.
    """
    kept = read_checkpoint(path)
    network = kept.recipe.network
    net: nn.Module = architecture_of(network).shaped(network)
    try:
        net.load_state_dict(kept.ema if ema else kept.model)
    except RuntimeError as error:
        raise TrainingError(f"{path}: weights do not fit their recipe") from error
    return net.to(memory_format=torch.channels_last).eval(), kept.recipe


def load_to_serve(path: Path) -> tuple[nn.Module, Recipe]:
    """Rebuild a trained network whose films serving prepares as training did.

    Raises
    ------
    TrainingError
        As for ``load``, or the films were equalised in training.
    """
    net, recipe = load(path)
    if recipe.data.normalisation != "none":
        raise TrainingError(
            f"{path}: trained with normalisation"
            f" {recipe.data.normalisation!r}, which serving does not do"
        )
    return net, recipe


def git_sha() -> str:
    """Name the commit of this code, or say "unknown"."""
    command = ["git", "rev-parse", "HEAD"]
    folder = Path(__file__).parent
    try:
        done = subprocess.run(  # noqa: S603  a fixed command
            ["/usr/bin/env", *command],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def learned_of(model: Path) -> Learned:
    """Tell what a model folder or a checkpoint learned from.

    Raises
    ------
    TrainingError
        The checkpoint or the record is corrupt.
    """
    if model.suffix != ".pt":
        return read_learned(model) or Learned()
    return read_checkpoint(model).learned


def learned_before(weights: Path | None) -> Learned:
    """Tell what the weights that a run starts from had seen.

    A checkpoint of this program and a model say so; weights of elsewhere (ImageNet,
    COCO) saw no radiographs of ours.

    Raises
    ------
    TrainingError
        The weights are missing or corrupt.
    """
    nothing = Learned(complete=True)
    if weights is None or weights.suffix == ".npz":
        return nothing
    folder = model_of(weights)
    if folder is not None:
        return learned_of(folder)
    if weights.is_dir():  # torchvision's files, one for each trunk
        return nothing
    return read_checkpoint(weights).learned if _is_checkpoint(weights) else nothing


def _is_checkpoint(path: Path) -> bool:
    try:
        table = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (*_UNREADABLE, pickle.UnpicklingError, zipfile.BadZipFile):
        return False  # whoever reads the weights says what is wrong with them
    return isinstance(table, dict) and table.keys() >= _KEYS
