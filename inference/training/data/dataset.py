"""Reading annotated radiographs, whatever layout they come in.

Pixels are read through an injected ``read_frame``, so that a DICOM file is read by
the same code in training and in serving.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from inference.errors import TrainingError
from inference.frame import Frame
from inference.training.data.class_folders import read_class_folders
from inference.training.data.coco import read_coco
from inference.training.data.rsna import read_rsna
from inference.training.data.samples import (
    AnnotatedOpacity,
    Kind,
    Outline,
    ReadFrame,
    Sample,
)
from inference.training.recipe.data import CocoSource, DataRecipe

__all__ = [
    "AnnotatedOpacity",
    "Kind",
    "Outline",
    "ReadFrame",
    "Sample",
    "digest",
    "read_coco",
    "read_picture",
    "read_rsna",
    "read_samples",
]

_PICTURES = {".jpg", ".jpeg", ".png"}


def read_picture(path: Path) -> Frame:
    """Read a grey JPEG or PNG, bright = dense.

    Raises
    ------
    TrainingError
        The file is missing or no picture.
    """
    try:
        with Image.open(path) as picture:
            deep = picture.mode.startswith(("I", "F"))
            pixels = np.asarray(picture if deep else picture.convert("L"), np.float32)
    except FileNotFoundError as error:
        raise TrainingError(f"{path}: no such image") from error
    except (UnidentifiedImageError, OSError) as error:
        raise TrainingError(f"{path}: not a readable JPEG or PNG") from error
    return Frame(pixels / (65535.0 if deep else 255.0))


def read_samples(recipe: DataRecipe) -> list[Sample]:
    """Read every source of a recipe, sorted by key.

    Raises
    ------
    TrainingError
        In one line, naming the place.
    """
    samples: list[Sample] = []
    for coco in recipe.coco:
        samples = _beside(samples, read_coco(coco, recipe.folds), coco)
    for rsna in recipe.rsna:
        samples += read_rsna(rsna, recipe.folds)
    for classes in recipe.classes:
        samples += read_class_folders(classes, recipe.folds)
    if not samples:
        raise TrainingError("recipe: data: no coco and no rsna source is given")
    for folder in recipe.not_frontal:
        samples += _read_not_frontal(folder, recipe.folds)
    if recipe.machine_masks == "boxed":
        samples = [_boxed(sample) for sample in samples]
    if recipe.partial_labels == "naive":
        samples = [_naive(sample) for sample in samples]
    return sorted(samples, key=lambda sample: sample.key)


def digest(samples: Sequence[Sample]) -> str:
    """SHA-256 over what was learned from: keys, labels and file contents."""
    total = hashlib.sha256()
    for sample in samples:
        known = (sample.opacity_known, sample.exhaustive, sample.opacities)
        told = (sample.shows_opacity, sample.outlined, sample.ignored)
        lungs = (sample.right_lung, sample.left_lung, sample.heart_excluded)
        total.update(repr((sample.key, sample.fold, known, told, lungs)).encode())
        try:
            total.update(hashlib.sha256(sample.path.read_bytes()).digest())
        except OSError as error:
            raise TrainingError(f"{sample.path}: no such image") from error
    return total.hexdigest()


def _beside(
    before: Sequence[Sample], more: Sequence[Sample], source: CocoSource
) -> list[Sample]:
    """Put folders together; a name that both have gets its folder's before it."""
    taken = {sample.key for sample in before}
    folder = source.annotations.parent.name
    return [*before] + [
        replace(one, key=f"{folder}/{one.key}") if one.key in taken else one
        for one in more
    ]


def _boxed(sample: Sample) -> Sample:
    """Believe of a mask that a network drew no more than its box."""
    opacities = tuple(
        replace(one, segmentation=None) if one.machine else one
        for one in sample.opacities
    )
    return replace(sample, opacities=opacities)


def _naive(sample: Sample) -> Sample:
    """Read silence as absence."""
    if not sample.frontal:
        return sample
    return replace(sample, opacity_known=True, exhaustive=True)


def _read_not_frontal(folder: Path, folds: int) -> list[Sample]:
    if not folder.is_dir():
        raise TrainingError(f"{folder}: no such folder")
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in _PICTURES)
    if not paths:
        raise TrainingError(f"{folder}: no pictures")
    fold_of_file = _told_folds(folder / "index.json")
    return [
        Sample(
            key=f"{folder.name}/{path.name}",
            path=path,
            rows=0,
            columns=0,
            patient=path.stem,
            fold=fold_of_file.get(path.name, index % folds),
            source=folder.name,
            frontal=False,
        )
        for index, path in enumerate(paths)
    ]


def _told_folds(index: Path) -> dict[str, int]:
    """Read which fold each picture is in, where ``index.json`` says so."""
    if not index.is_file():
        return {}
    try:
        rows = json.loads(index.read_text(encoding="utf-8"))
        return {row["file_name"]: int(row["fold"]) for row in rows if "fold" in row}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{index}: not a list of pictures") from error
