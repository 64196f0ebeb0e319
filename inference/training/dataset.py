"""Reading annotated radiographs: COCO JSON, and the RSNA challenge's own layout.

A Sample says what is known about one picture and, as important, what is not. Pixels
are read through an injected ``read_frame``, so that a DICOM file is read by the same
code in training and in serving.
"""

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from inference.errors import TrainingError
from inference.frame import Frame
from inference.training.recipe import CocoSource, DataRecipe, RsnaSource

ReadFrame = Callable[[Path], Frame]
Kind = Literal["mask", "box", "negative", "lungs", "unknown", "not_frontal"]
Segmentation = Any  # COCO polygons (list of lists) or RLE (mapping)

OPACITY, RIGHT_LUNG, LEFT_LUNG = 1, 2, 3
CATEGORY_NAMES = {
    OPACITY: "lung_opacity",
    RIGHT_LUNG: "right_lung",
    LEFT_LUNG: "left_lung",
}
_PICTURES = {".jpg", ".jpeg", ".png"}
_SLACK_PX = 1.0  # outlines are rounded outwards by up to a pixel


@dataclass(frozen=True, slots=True)
class Opacity:
    """One opacity: ``box`` (x, y, width, height) in frame pixels, perhaps a mask."""

    box: tuple[float, float, float, float]
    segmentation: Segmentation | None


@dataclass(frozen=True, slots=True)
class Sample:
    """What is known about one picture.

    Parameters
    ----------
    key
        Unique and stable.
    path
        The picture.
    rows, columns
        Its size where the annotation says so, else 0 (taken from the picture).
    patient, fold, source
        Patients never straddle folds.
    frontal
        False for pictures from ``data.not_frontal``.
    opacity_known
        Whether opacities were looked for.
    exhaustive
        Whether all of them are in ``opacities``.
    opacities, right_lung, left_lung
        Outlines; a lung that was not annotated is ``None``.
    heart_excluded
        The lungs were drawn without the part behind the heart.
    facts
        The record as found (view, sex, age, severity, ...), for evaluation.
    """

    key: str
    path: Path
    rows: int
    columns: int
    patient: str
    fold: int
    source: str
    frontal: bool = True
    opacity_known: bool = False
    exhaustive: bool = True
    opacities: tuple[Opacity, ...] = ()
    right_lung: Segmentation | None = None
    left_lung: Segmentation | None = None
    heart_excluded: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """What this sample can teach, for balanced sampling."""
        if not self.frontal:
            return "not_frontal"
        if self.opacity_known:
            if not self.opacities:
                return "negative"
            masks = any(one.segmentation is not None for one in self.opacities)
            return "mask" if masks else "box"
        return "unknown" if self.right_lung is self.left_lung is None else "lungs"


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


def _fold_of(patient: str, folds: int) -> int:
    return int(hashlib.sha256(patient.encode()).hexdigest()[:8], 16) % folds


def _naive(sample: Sample) -> Sample:
    """Read silence as absence."""
    if not sample.frontal:
        return sample
    kept = {name: getattr(sample, name) for name in sample.__slots__}
    return Sample(**(kept | {"opacity_known": True, "exhaustive": True}))


def read_coco(source: CocoSource, folds: int) -> list[Sample]:
    """Read a COCO file; categories 1 lung_opacity, 2 right_lung, 3 left_lung.

    Per image, ``opacity_annotated`` (default true), ``box_completeness``,
    ``patient_id``, ``fold`` and ``source`` are understood.
    """
    place = source.annotations
    table = _read_json(place)
    _check_categories(table, place)
    images = {image["id"]: image for image in table["images"]}
    if not images:
        raise TrainingError(f"{place}: no images")
    if not table["annotations"]:
        raise TrainingError(f"{place}: no annotations")
    by_image: dict[Any, list[Mapping[str, Any]]] = {key: [] for key in images}
    for annotation in table["annotations"]:
        _check_annotation(annotation, images, place)
        by_image[annotation["image_id"]].append(annotation)
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


def _check_categories(table: Mapping[str, Any], place: Path) -> None:
    for category in table["categories"]:
        number, name = category.get("id"), category.get("name")
        if CATEGORY_NAMES.get(number) != name:
            wanted = ", ".join(f"{k} {v}" for k, v in CATEGORY_NAMES.items())
            raise TrainingError(
                f"{place}: category {number} {name!r} is not one of: {wanted}"
            )


def _check_annotation(
    annotation: Mapping[str, Any], images: Mapping[Any, Mapping[str, Any]], place: Path
) -> None:
    where = f"{place}: annotation {annotation.get('id')}"
    if annotation.get("category_id") not in CATEGORY_NAMES:
        raise TrainingError(f"{where}: category_id {annotation.get('category_id')}")
    image = images.get(annotation.get("image_id"))
    if image is None:
        raise TrainingError(f"{where}: no image {annotation.get('image_id')}")
    box = annotation.get("bbox")
    if not isinstance(box, list) or len(box) != 4:  # noqa: PLR2004
        raise TrainingError(f"{where}: bbox is not [x, y, width, height]")
    _check_box(box, image["height"], image["width"], where)


def _check_box(box: Sequence[float], rows: int, columns: int, where: str) -> None:
    x, y, width, height = box
    inside = x >= -_SLACK_PX and y >= -_SLACK_PX
    inside = inside and x + width <= columns + _SLACK_PX
    inside = inside and y + height <= rows + _SLACK_PX
    if not inside or width <= 0 or height <= 0:
        raise TrainingError(
            f"{where}: box {list(box)} is not inside the {columns} x {rows} image"
        )


def _coco_sample(
    image: Mapping[str, Any],
    annotations: Iterable[Mapping[str, Any]],
    folder: Path,
    folds: int,
) -> Sample:
    patient = str(image.get("patient_id", image["file_name"]))
    lungs: dict[int, Segmentation] = {}
    opacities = []
    definitions = ""
    for one in annotations:
        outline = one.get("segmentation") or None
        if one["category_id"] != OPACITY:
            lungs[one["category_id"]] = outline
            definitions += str(one.get("attributes", {}).get("lung_definition", ""))
        else:
            x, y, width, height = one["bbox"]
            opacities.append(Opacity((x, y, width, height), outline))
    return Sample(
        key=str(image["file_name"]),
        path=folder / image["file_name"],
        rows=int(image["height"]),
        columns=int(image["width"]),
        patient=patient,
        fold=int(image.get("fold", _fold_of(patient, folds))),
        source=str(image.get("source", folder)),
        opacity_known=bool(image.get("opacity_annotated", True)),
        exhaustive=not str(image.get("box_completeness", "")).startswith("partial"),
        opacities=tuple(opacities),
        right_lung=lungs.get(RIGHT_LUNG),
        left_lung=lungs.get(LEFT_LUNG),
        heart_excluded="excludes heart" in definitions,
        facts=dict(image),
    )


def read_rsna(source: RsnaSource, folds: int) -> list[Sample]:
    """Read the RSNA Pneumonia Detection Challenge's layout.

    Every image was read for opacities; boxes are in pixels of the DICOM image.
    """
    boxes: dict[str, list[Opacity]] = {}
    for line, row in _rows(source.labels, ("patientId", "Target")):
        found = boxes.setdefault(row["patientId"], [])
        if row["Target"] == "1":
            where = f"{source.labels}: line {line}"
            found.append(Opacity(_rsna_box(row, where), None))
    classes = {
        row["patientId"]: row["class"]
        for _, row in _rows(source.classes, ("patientId", "class"))
    }
    if not boxes:
        raise TrainingError(f"{source.labels}: no rows")
    if missing := sorted(set(boxes) - set(classes)):
        raise TrainingError(f"{source.classes}: no class for patientId {missing[0]}")
    return [
        Sample(
            key=patient,
            path=source.images / f"{patient}.dcm",
            rows=0,
            columns=0,
            patient=patient,
            fold=_fold_of(patient, folds),
            source="RSNA",
            opacity_known=True,
            opacities=tuple(found),
            facts={"rsna_class": classes[patient]},
        )
        for patient, found in boxes.items()
    ]


def _rows(place: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    try:
        with place.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            absent = set(columns) - set(reader.fieldnames or ())
            if absent:
                raise TrainingError(f"{place}: no column {min(absent)!r}")
            return [(reader.line_num, dict(row)) for row in reader]
    except OSError as error:
        raise TrainingError(f"{place}: no such file") from error


def _rsna_box(row: Mapping[str, str], where: str) -> tuple[float, float, float, float]:
    try:
        box = tuple(float(row[name]) for name in ("x", "y", "width", "height"))
    except (KeyError, ValueError) as error:
        raise TrainingError(f"{where}: no box for Target 1") from error
    x, y, width, height = box
    if x < 0 or y < 0 or width <= 0 or height <= 0:
        raise TrainingError(f"{where}: box {list(box)} is not inside the image")
    return (x, y, width, height)


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
