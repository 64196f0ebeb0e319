"""The RSNA Pneumonia Detection Challenge's own layout: two CSV files and DICOM."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from inference.errors import TrainingError
from inference.training.data.samples import AnnotatedOpacity, Sample, fold_of
from inference.training.recipe.data import RsnaSource


def read_rsna(source: RsnaSource, folds: int) -> list[Sample]:
    """Read the RSNA Pneumonia Detection Challenge's layout.

    Every image was read for opacities; boxes are in pixels of the DICOM image.
    """
    boxes: dict[str, list[AnnotatedOpacity]] = {}
    for line, row in _rows(source.labels, ("patientId", "Target")):
        found = boxes.setdefault(row["patientId"], [])
        where = f"{source.labels}: line {line}"
        if row["Target"] not in {"0", "1"}:
            raise TrainingError(f"{where}: Target {row['Target']!r} is not 0 or 1")
        if row["Target"] == "1":
            found.append(AnnotatedOpacity(_rsna_box(row, where), None))
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
            fold=fold_of(patient, folds),
            source="RSNA",
            opacity_known=True,
            opacities=tuple(found),
            facts={
                "rsna_class": classes[patient],
                "patient_id": patient,
                "source": "RSNA",
            },
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
    except (UnicodeDecodeError, csv.Error) as error:
        raise TrainingError(f"{place}: not a CSV file: {error}") from error


def _rsna_box(row: Mapping[str, str], where: str) -> tuple[float, float, float, float]:
    try:
        box = tuple(float(row[name]) for name in ("x", "y", "width", "height"))
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{where}: no box for Target 1") from error
    x, y, width, height = box
    if not (x >= 0 and y >= 0 and width > 0 and height > 0):
        raise TrainingError(f"{where}: box {list(box)} is not inside the image")
    return (x, y, width, height)
