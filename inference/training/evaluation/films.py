"""Which films are measured: some folds of annotated data, and what must be refused.

Folds of lateral films are dealt as in training, so that none is measured that was
learned from.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

from inference.errors import TrainingError
from inference.training.data.dataset import Sample, read_samples
from inference.training.recipe.data import FOLDS, CocoSource, DataRecipe, RsnaSource


def read_data(
    data: Path,
    folds: Sequence[int] = (),
    *,
    dicom: bool = False,
    dealt_into: int = FOLDS,
) -> tuple[list[Sample], list[Sample]]:
    """Find the frontal films of some folds, and the pictures to be refused.

    Parameters
    ----------
    data
        A folder, COCO or RSNA layout.
    folds
        Which of them; empty means all.
    dicom
        Whether other DICOM files must be refused too.
    dealt_into
        Into how many folds the recipe deals what the data give none.

    Raises
    ------
    TrainingError
        There is no annotation, or no film in these folds.
    """
    samples = read_samples(_recipe(data, dealt_into))
    if folds:
        samples = [one for one in samples if one.fold in folds]
    films = [one for one in samples if one.frontal]
    if not films:
        raise TrainingError(f"{data}: no frontal film in folds {list(folds)}")
    strangers = [one for one in samples if not one.frontal]
    return films, strangers + (_other_dicom(data) if dicom else [])


def _recipe(data: Path, folds: int) -> DataRecipe:
    lateral = data / "lateral"
    others = (lateral,) if lateral.is_dir() else ()
    labels = data / "stage_2_train_labels.csv"
    if labels.is_file():
        rsna = RsnaSource(
            labels=labels,
            classes=data / "stage_2_detailed_class_info.csv",
            images=data / "stage_2_train_images",
        )
        return DataRecipe(rsna=(rsna,), not_frontal=others, folds=folds)
    coco = CocoSource(annotations=data / "annotations.json", images=data / "images")
    return DataRecipe(coco=(coco,), not_frontal=others, folds=folds)


def _other_dicom(data: Path) -> list[Sample]:
    """DICOM files that are no chest radiographs."""
    index = data / "dicom" / "index.csv"
    if not index.is_file():
        return []
    with index.open(encoding="utf-8", newline="") as stream:
        names = [
            row["file"]
            for row in csv.DictReader(stream)
            if row["is_chest_xray"] == "no"
        ]
    return [_stranger(index.parent / name, "not a chest radiograph") for name in names]


def _stranger(path: Path, kind: str) -> Sample:
    return Sample(path.name, path, 0, 0, path.stem, -1, kind, frontal=False)
