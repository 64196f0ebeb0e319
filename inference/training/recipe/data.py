"""Which images are learned from, and what their labels are taken to mean."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from inference.training.recipe.table import (
    Count,
    EmptyIsNone,
    Fraction,
    Positive,
    Table,
)

FOLDS = 5
"""Into how many folds patients are dealt when nobody says."""


class CocoSource(Table):
    """COCO JSON beside a folder of images (JPEG, PNG or DICOM).

    Parameters
    ----------
    annotations
        The JSON file.
    images
        The folder that ``file_name`` is relative to.
    """

    annotations: Path
    images: Path


class RsnaSource(Table):
    """The RSNA Pneumonia Detection Challenge's own layout.

    Parameters
    ----------
    labels
        ``stage_2_train_labels.csv``: patientId, x, y, width, height, Target.
    classes
        ``stage_2_detailed_class_info.csv``: patientId, class.
    images
        Folder of ``<patientId>.dcm``.
    """

    labels: Path
    classes: Path
    images: Path


class ClassFolderSource(Table):
    """A folder with a sub-folder of pictures for each class.

    Parameters
    ----------
    folder
        Holds one folder for each class.
    opacity
        Names of the classes that show opacity; the films of the others show none.
    """

    folder: Path
    opacity: tuple[str, ...] = Field(min_length=1)


class DataRecipe(Table):
    """Which images are learned from and how partial labels are read.

    Parameters
    ----------
    coco, rsna, classes
        Annotated sources, pooled.
    not_frontal
        Folders of pictures that are no frontal chest radiograph.
    validation_fold
        Fold that is only looked at, or several (``[0, 10]``, where two collections
        number theirs apart); ``""`` trains on everything.
    left_out
        Sources that are only looked at, by their names: what a network is worth at a
        place that it never saw.
    near_duplicates
        ``apart``: a film that looks like one of the validation fold is not learned
        from, whatever collection it came with. ``kept``: nobody looks.
    unknown_patients
        Whether films are learned from whose patient nobody knows, so that another
        film of theirs may be in the validation fold.
    cache
        Folder where films at network size are kept, for all runs; ``""`` keeps them
        in the folder of the run.
    folds
        Number of folds that patients without a ``fold`` are dealt into.
    box_weight
        Dense loss weight inside a box that has no mask.
    box_shape
        What inside such a box counts as opacity: all of it, or its ellipse (the
        corners then weigh nothing).
    box_shrink
        Factor on a box's sides before it is learned from.
    machine_masks
        ``learned``: outlines that a network drew or proposed are masks like others.
        ``boxed``: only their boxes are believed.
    normalisation
        Contrast step after the percentile stretch.
    partial_labels
        ``masked``: what was not annotated weighs nothing. ``naive``: it counts as
        absent (for comparison only).
    """

    coco: tuple[CocoSource, ...] = ()
    rsna: tuple[RsnaSource, ...] = ()
    classes: tuple[ClassFolderSource, ...] = ()
    not_frontal: tuple[Path, ...] = ()
    validation_fold: Annotated[int | tuple[int, ...] | None, EmptyIsNone] = 0
    left_out: tuple[str, ...] = ()
    near_duplicates: Literal["apart", "kept"] = "apart"
    unknown_patients: bool = False
    cache: Annotated[Path | None, EmptyIsNone] = None
    folds: Count = FOLDS
    box_weight: Fraction = 0.3
    box_shape: Literal["ellipse", "rectangle"] = "ellipse"
    box_shrink: Positive = 1.0
    machine_masks: Literal["learned", "boxed"] = "learned"
    normalisation: Literal["none", "clahe", "histogram"] = "none"
    partial_labels: Literal["masked", "naive"] = "masked"

    @property
    def held_out(self) -> tuple[int, ...]:
        """The folds that are only looked at."""
        fold = self.validation_fold
        if fold is None:
            return ()
        return fold if isinstance(fold, tuple) else (fold,)
