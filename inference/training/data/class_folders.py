"""A folder with a sub-folder of pictures for each class: labels of whole films."""

from pathlib import Path

from inference.errors import TrainingError
from inference.training.data.samples import Sample, fold_of
from inference.training.recipe.data import ClassFolderSource

_PICTURES = {".jpg", ".jpeg", ".png", ".dcm"}
_LEAST = 2


def read_class_folders(source: ClassFolderSource, folds: int) -> list[Sample]:
    """Read every class; those that are named as opacity show it, the others do not.

    Nobody says who the patients are: each film counts as one of its own, so that films
    of one patient may lie in two folds.

    Raises
    ------
    TrainingError
        There is no such folder or class, or a class has fewer than two pictures.
    """
    if not source.folder.is_dir():
        raise TrainingError(f"{source.folder}: no such folder")
    classes = sorted(path for path in source.folder.iterdir() if path.is_dir())
    names = [path.name for path in classes]
    if missing := sorted(set(source.opacity) - set(names)):
        there = ", ".join(names) or "none"
        raise TrainingError(
            f"{source.folder}: no class {missing[0]!r} (there are: {there})"
        )
    return [one for path in classes for one in _read_class(path, source, folds)]


def _read_class(path: Path, source: ClassFolderSource, folds: int) -> list[Sample]:
    films = sorted(one for one in path.rglob("*") if one.suffix.lower() in _PICTURES)
    if len(films) < _LEAST:
        raise TrainingError(
            f"{path}: a class wants {_LEAST} pictures at least, here: {len(films)}"
        )
    return [
        Sample(
            key=str(film.relative_to(source.folder)),
            path=film,
            rows=0,
            columns=0,
            patient=film.stem,
            fold=fold_of(film.stem, folds),
            source=source.folder.name,
            shows_opacity=path.name in source.opacity,
            facts={"class": path.name},
        )
        for film in films
    ]
