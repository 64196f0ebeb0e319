"""Which films are measured: some folds of annotated data, and what must be refused.

Folds of lateral films are dealt as in training, so that none is measured that was
learned from.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

from inference.errors import TrainingError
from inference.training.data.dataset import Sample, read_samples
from inference.training.data.readers import SCORES, read_scores, with_score
from inference.training.recipe.data import FOLDS, CocoSource, DataRecipe, RsnaSource
from inference.training.recipe.recipe import Recipe

_TO_BE_REFUSED = ("lateral", "not_analysable")


def read_data(
    data: Path | Sequence[Path],
    folds: Sequence[int] = (),
    *,
    sources: Sequence[str] = (),
    dicom: bool = False,
    dealt_into: int = FOLDS,
) -> tuple[list[Sample], list[Sample]]:
    """Find the frontal films of some folds, and the pictures to be refused.

    Parameters
    ----------
    data
        A folder, COCO or RSNA layout, or several. What readers scored beside one of
        them (``severity_extra.csv``) is known of the films of all.
    folds
        Which of them; empty means all.
    sources
        Which collections, by their names; empty means all.
    dicom
        Whether other DICOM files must be refused too.
    dealt_into
        Into how many folds the recipe deals what the data give none.

    Raises
    ------
    TrainingError
        There is no annotation, or no film in these folds.
    """
    folders = [data] if isinstance(data, Path) else list(data)
    samples = read_samples(data_of(folders, dealt_into))
    if folds:
        samples = [one for one in samples if one.fold in folds]
    films = [one for one in samples if one.frontal]
    if sources:
        films = [one for one in films if one.source in sources]
    if not films:
        wanted = ", ".join(sources) or f"folds {list(folds)}"
        raise TrainingError(f"{told(folders)}: no frontal film in {wanted}")
    strangers = [one for one in samples if not one.frontal]
    for folder in folders if dicom else ():
        strangers += _other_dicom(folder)
    scored = read_scores([folder / SCORES for folder in folders])
    return [with_score(one, scored) for one in films], strangers


def told(data: Path | Sequence[Path]) -> str:
    """Name the folders."""
    folders = [data] if isinstance(data, Path) else data
    return ", ".join(folder.name for folder in folders)


def data_of(folders: Sequence[Path], folds: int = FOLDS) -> DataRecipe:
    """Describe folders, each in COCO form or the challenge's own layout."""
    coco: list[CocoSource] = []
    rsna: list[RsnaSource] = []
    for data in folders:
        labels = data / "stage_2_train_labels.csv"
        if labels.is_file():
            classes = data / "stage_2_detailed_class_info.csv"
            images = data / "stage_2_train_images"
            rsna.append(RsnaSource(labels=labels, classes=classes, images=images))
        else:
            place = data / "annotations.json"
            coco.append(CocoSource(annotations=place, images=data / "images"))
    others = [folder / name for folder in folders for name in _TO_BE_REFUSED]
    return DataRecipe(
        coco=tuple(coco),
        rsna=tuple(rsna),
        not_frontal=tuple(other for other in others if other.is_dir()),
        folds=folds,
    )


def on_data(recipe: Recipe, folders: Sequence[Path]) -> Recipe:
    """Give the same recipe on other films; without any folder, as it is."""
    if not folders:
        return recipe
    found = data_of(folders, recipe.data.folds)
    told = {
        name: getattr(found, name)
        for name in ("coco", "rsna", "classes", "not_frontal")
    }
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=told)})


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
