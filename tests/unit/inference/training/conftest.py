"""A small annotated folder and a recipe small enough for every test."""

import copy
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from inference.training.recipe.recipe import Recipe, recipe_of

ROWS, COLUMNS = 96, 120
CATEGORIES = [
    {"id": 1, "name": "lung_opacity"},
    {"id": 2, "name": "right_lung"},
    {"id": 3, "name": "left_lung"},
]


def rectangle(x: int, y: int, width: int, height: int) -> list[list[int]]:
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def annotation(number: int, image: int, category: int, box: tuple[int, ...], **more):
    outline = [] if more.pop("box_only", False) else rectangle(*box)
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": list(box),
        "segmentation": outline,
        **more,
    }


def coco_table() -> dict[str, Any]:
    """Mask, box, negative, lungs only and unknown, over two folds."""
    kinds = ("mask", "box", "negative", "lungs", "unknown", "mask")
    images = [
        {
            "id": number,
            "file_name": f"{number}-{kind}.png",
            "width": COLUMNS,
            "height": ROWS,
            "fold": 0 if number == len(kinds) - 1 else 1,
            "patient_id": f"p{number}",
            "source": "made",
            "opacity_annotated": kind in {"mask", "box", "negative"},
        }
        for number, kind in enumerate(kinds)
    ]
    lungs = [(0, 2, (15, 15, 35, 60)), (0, 3, (70, 15, 35, 60))]
    lungs += [(3, 2, (15, 15, 35, 60)), (3, 3, (70, 15, 35, 60))]
    lungs += [(5, 2, (15, 15, 35, 60)), (5, 3, (70, 15, 35, 60))]
    annotations = [
        annotation(10, 0, 1, (20, 30, 24, 24)),
        annotation(11, 1, 1, (72, 30, 28, 30), box_only=True),
        annotation(12, 5, 1, (20, 30, 24, 24)),
    ]
    annotations += [annotation(20 + index, *lung) for index, lung in enumerate(lungs)]
    return {
        "images": images,
        "annotations": annotations,
        "categories": copy.deepcopy(CATEGORIES),
    }


def write_coco(folder: Path, table: dict[str, Any]) -> Path:
    """Write the JSON and a grey picture per image; returns the JSON's path."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    for image in table["images"]:
        grey = rng.integers(20, 90, (image["height"], image["width"]), np.uint8)
        grey[15:75, 15:50] += 60
        cv2.imwrite(str(folder / image["file_name"]), grey)
    path = folder / "annotations.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    return path


def tiny_table(annotations: Path) -> dict[str, Any]:
    """A recipe as plain data: 64 px, ResNet-18, narrow heads."""
    source = {"annotations": str(annotations), "images": str(annotations.parent)}
    return {
        "data": {"coco": [source]},
        "network": {
            "input_px": 64,
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
        "schedule": {
            "steps": 4,
            "batch": 2,
            "warmup_steps": 0,
            "validate_every": 2,
            "amp": False,
        },
    }


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Path of a small COCO file beside its pictures."""
    return write_coco(tmp_path / "made", coco_table())


@pytest.fixture
def tiny(made: Path) -> Recipe:
    """A recipe that trains on it in a second."""
    return recipe_of(tiny_table(made), "tiny")
