"""COCO JSON beside a folder of pictures."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from inference.errors import TrainingError
from inference.training.data.samples import (
    AnnotatedOpacity,
    Outline,
    Sample,
    check_box,
    fold_of,
)
from inference.training.recipe.data import CocoSource

OPACITY, RIGHT_LUNG, LEFT_LUNG = 1, 2, 3
_TRIANGLE = 6  # numbers
_HEARTLESS = ("excludes heart", "without heart")
_PATIENT_UNKNOWN = ("patient_unknown", "nih_patient_unknown")
CATEGORY_NAMES = {
    OPACITY: "lung_opacity",
    RIGHT_LUNG: "right_lung",
    LEFT_LUNG: "left_lung",
}
_NUMBERS = {name: number for number, name in CATEGORY_NAMES.items()}


def read_coco(source: CocoSource, folds: int) -> list[Sample]:
    """Read a COCO file; its categories are known by their names.

    Per image, ``opacity_annotated`` (default true), ``image_level_opacity``,
    ``mask_whole_lung``, ``opacity_pixel_complete``, ``ambiguous_boxes``,
    ``box_completeness``, ``patient_id``, ``patient_unknown``, ``fold`` and ``source``
    are understood.
    """
    place = source.annotations
    table = _read_json(place)
    category_of = _categories(table, place)
    for number, image in enumerate(table["images"]):
        _check_image(image, f"{place}: images[{number}]")
    images = {image["id"]: image for image in table["images"]}
    if len(images) < len(table["images"]):
        raise TrainingError(f"{place}: two images have the same id")
    if not images:
        raise TrainingError(f"{place}: no images")
    if not table["annotations"]:
        raise TrainingError(f"{place}: no annotations")
    by_image: dict[Any, list[Mapping[str, Any]]] = {key: [] for key in images}
    for annotation in table["annotations"]:
        _check_annotation(annotation, images, category_of, place)
        meant = {"category_id": category_of[annotation["category_id"]]}
        by_image[annotation["image_id"]].append({**annotation, **meant})
    return [
        _coco_sample(image, by_image[key], source.images, folds)
        for key, image in images.items()
    ]


def _read_json(place: Path) -> dict[str, Any]:
    try:
        table = json.loads(place.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"{place}: no such file") from error
    except ValueError as error:
        raise TrainingError(f"{place}: not JSON: {error}") from error
    for key in ("images", "annotations", "categories"):
        if not isinstance(table, dict) or not isinstance(table.get(key), list):
            raise TrainingError(f"{place}: no list {key!r}: not COCO")
    return dict(table)


def _categories(table: Mapping[str, Any], place: Path) -> dict[int, int]:
    """Tell which of our categories each number of the file means."""
    category_of: dict[int, int] = {}
    for category in table["categories"]:
        if not isinstance(category, dict):
            raise TrainingError(f"{place}: categories: {category!r:.40} is no object")
        number, name = category.get("id"), category.get("name")
        if not isinstance(number, int) or number in category_of:
            raise TrainingError(f"{place}: category {name!r} has no number of its own")
        plain = re.sub(r"[\s-]+", "_", str(name).strip().lower())
        if plain not in _NUMBERS:
            wanted = ", ".join(_NUMBERS)
            raise TrainingError(f"{place}: category {name!r} is not one of: {wanted}")
        category_of[number] = _NUMBERS[plain]
    return category_of


def _check_image(image: object, where: str) -> None:
    if not isinstance(image, dict):
        raise TrainingError(f"{where}: not an object")
    where = f"{where}: image {image.get('id')}"
    if not isinstance(image.get("id"), int | str):
        raise TrainingError(f"{where}: id is neither a number nor a word")
    if not isinstance(image.get("file_name"), str):
        raise TrainingError(f"{where}: no file_name")
    for key in ("width", "height"):
        if not isinstance(image.get(key), int | float) or image[key] < 1:
            raise TrainingError(f"{where}: {key} is not a number of pixels")
    if not isinstance(image.get("fold", 0), int):
        raise TrainingError(f"{where}: fold {image['fold']!r} is not a whole number")
    _check_ambiguous(image, where)


def _check_ambiguous(image: Mapping[str, Any], where: str) -> None:
    boxes = image.get("ambiguous_boxes") or []
    if not isinstance(boxes, list) or not all(map(_is_box, boxes)):
        raise TrainingError(f"{where}: ambiguous_boxes are not [x, y, width, height]")
    for box in boxes:
        check_box(box, image["height"], image["width"], where)


def _check_annotation(
    annotation: object,
    images: Mapping[Any, Mapping[str, Any]],
    category_of: Mapping[int, int],
    place: Path,
) -> None:
    if not isinstance(annotation, dict):
        raise TrainingError(f"{place}: annotations: {annotation!r:.40} is no object")
    where = f"{place}: annotation {annotation.get('id')}"
    if annotation.get("category_id") not in list(category_of):
        raise TrainingError(f"{where}: category_id {annotation.get('category_id')}")
    key = annotation.get("image_id")
    image = images.get(key) if isinstance(key, int | str) else None
    if image is None:
        raise TrainingError(f"{where}: no image {key}")
    box: Any = annotation.get("bbox")
    if not _is_box(box):
        raise TrainingError(f"{where}: bbox is not [x, y, width, height]")
    check_box(box, image["height"], image["width"], where)
    if not _outlines(annotation.get("segmentation") or None, image):
        raise TrainingError(
            f"{where}: segmentation is neither polygons nor run lengths of the image"
        )


def _is_box(value: Any) -> bool:
    return _numbers(value) and len(value) == 4  # noqa: PLR2004  sides of a box


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, int | float) and not isinstance(one, bool) for one in value
    )


def _outlines(outline: Any, image: Mapping[str, Any]) -> bool:
    """Tell whether this is what pycocotools can fill."""
    if outline is None:
        return True
    if isinstance(outline, list):
        return all(
            _numbers(points) and len(points) >= _TRIANGLE and len(points) % 2 == 0
            for points in outline
        )
    if not isinstance(outline, dict):
        return False
    counts, size = outline.get("counts"), [image["height"], image["width"]]
    if outline.get("size") != size or not isinstance(counts, str | list):
        return False
    runs_fill = isinstance(counts, str) or (
        _numbers(counts) and sum(counts) == size[0] * size[1] and min(counts) >= 0
    )
    return bool(runs_fill)


def _coco_sample(
    image: Mapping[str, Any],
    annotations: Iterable[Mapping[str, Any]],
    folder: Path,
    folds: int,
) -> Sample:
    patient = str(image.get("patient_id", image["file_name"]))
    lungs: dict[int, Outline] = {}
    opacities = []
    definitions = ""
    for one in annotations:
        outline = one.get("segmentation") or None
        if one["category_id"] != OPACITY:
            lungs[one["category_id"]] = outline
            definitions += str(one.get("attributes", {}).get("lung_definition", ""))
        else:
            x, y, width, height = one["bbox"]
            machine = bool(one.get("machine", False))
            opacities.append(AnnotatedOpacity((x, y, width, height), outline, machine))
    # whole lungs marked as one opacity say that there is some, not where
    located = not image.get("mask_whole_lung")
    shows_opacity = bool(image.get("image_level_opacity")) or not located
    return Sample(
        key=str(image["file_name"]),
        path=folder / image["file_name"],
        rows=int(image["height"]),
        columns=int(image["width"]),
        patient=patient,
        fold=int(image.get("fold", fold_of(patient, folds))),
        source=str(image.get("source", folder)),
        opacity_known=located and bool(image.get("opacity_annotated", True)),
        shows_opacity=shows_opacity or None,
        outlined=image.get("opacity_pixel_complete") is not False,
        exhaustive=not str(image.get("box_completeness", "")).startswith("partial"),
        opacities=tuple(opacities) if located else (),
        ignored=tuple(
            (x, y, w, h) for x, y, w, h in image.get("ambiguous_boxes") or []
        ),
        right_lung=lungs.get(RIGHT_LUNG),
        left_lung=lungs.get(LEFT_LUNG),
        heart_excluded=any(words in definitions for words in _HEARTLESS),
        patient_known=not any(image.get(key) for key in _PATIENT_UNKNOWN),
        facts=dict(image),
    )
