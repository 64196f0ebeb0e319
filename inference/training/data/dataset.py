"""Reading annotated radiographs, whatever layout they come in.

Pixels are read through an injected ``read_frame``, so that a DICOM file is read by
the same code in training and in serving.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from inference.errors import TrainingError
from inference.frame import Frame
from inference.training.data.coco import read_coco
from inference.training.data.rsna import read_rsna
from inference.training.data.samples import (
    AnnotatedOpacity,
    Kind,
    Outline,
    ReadFrame,
    Sample,
)
from inference.training.recipe.data import DataRecipe

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
        samples += read_coco(coco, recipe.folds)
    for rsna in recipe.rsna:
        samples += read_rsna(rsna, recipe.folds)
    if not samples:
        raise TrainingError("recipe: data: no coco and no rsna source is given")
    for folder in recipe.not_frontal:
        samples += _read_not_frontal(folder, recipe.folds)
    if recipe.partial_labels == "naive":
        samples = [_naive(sample) for sample in samples]
    return sorted(samples, key=lambda sample: sample.key)


def digest(samples: Sequence[Sample]) -> str:
    """SHA-256 over what was learned from: keys, labels and file contents."""
    total = hashlib.sha256()
    for sample in samples:
        known = (sample.opacity_known, sample.exhaustive, sample.opacities)
        lungs = (sample.right_lung, sample.left_lung, sample.heart_excluded)
        total.update(repr((sample.key, sample.fold, known, lungs)).encode())
        try:
            total.update(hashlib.sha256(sample.path.read_bytes()).digest())
        except OSError as error:
            raise TrainingError(f"{sample.path}: no such image") from error
    return total.hexdigest()


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
    return [
        Sample(
            key=f"{folder.name}/{path.name}",
            path=path,
            rows=0,
            columns=0,
            patient=path.stem,
            fold=index % folds,
            source=folder.name,
            frontal=False,
        )
        for index, path in enumerate(paths)
    ]
