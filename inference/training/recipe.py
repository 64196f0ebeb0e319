"""Everything a training run is told: data, network, sampling, augmentation, schedule.

A recipe is a TOML file; unknown keys are refused with their path. Tables under
``[variant.NAME]`` are laid over the rest of the file, so that the published choices
stand ready side by side.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from inference.errors import TrainingError

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]

ANCHOR_STRIDES_PX = (4, 8, 16, 32, 64)


class _Table(BaseModel):
    """A frozen table that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CocoSource(_Table):
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


class RsnaSource(_Table):
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


class DataRecipe(_Table):
    """Which images are learned from and how partial labels are read.

    Parameters
    ----------
    coco, rsna
        Annotated sources, pooled.
    not_frontal
        Folders of pictures that are no frontal chest radiograph.
    validation_fold
        Fold that is only looked at; ``None`` trains on everything.
    folds
        Number of folds that patients without a ``fold`` are dealt into.
    box_weight
        Dense loss weight inside a box that has no mask.
    box_shape
        What inside such a box counts as opacity: all of it, or its ellipse (the
        corners then weigh nothing).
    box_shrink
        Factor on a box's sides before it is learned from.
    normalisation
        Contrast step after the percentile stretch.
    partial_labels
        ``masked``: what was not annotated weighs nothing. ``naive``: it counts as
        absent (for comparison only).
    """

    coco: tuple[CocoSource, ...] = ()
    rsna: tuple[RsnaSource, ...] = ()
    not_frontal: tuple[Path, ...] = ()
    validation_fold: int | None = 0
    folds: Count = 5
    box_weight: Fraction = 0.3
    box_shape: Literal["ellipse", "rectangle"] = "ellipse"
    box_shrink: Positive = 1.0
    normalisation: Literal["none", "clahe", "histogram"] = "none"
    partial_labels: Literal["masked", "naive"] = "masked"


class NetworkRecipe(_Table):
    """Shape of the network.

    Parameters
    ----------
    input_px
        Side S of the square input; a multiple of 64.
    backbone
        torchvision ResNet; batch norm is folded into the convolutions.
    weights
        State dict to start from: ``.npz`` or ``.pt``; ``None`` starts at random.
    stride_in_1x1
        Stride of a stage on its first 1x1 convolution (ResNet v1).
    trainable_stages
        How many of stem, layer1 ... layer4 learn, counted from the top (0-5).
    fpn_channels, dense_channels, mask_channels, representation
        Widths of pyramid, dense head, mask head and box head.
    anchor_sizes
        Pixels, one per pyramid level, fine to coarse; the finest level is the one
        whose stride is ``ANCHOR_STRIDES_PX[5 - len(anchor_sizes)]``.
    anchor_ratios
        Height / width.
    proposals_before_nms, proposals, detections
        Per level before suppression, per image after it, per image at the end.
    score_threshold, nms_iou
        Of the final detections.
    grey_mean, grey_std
        Applied inside the network to pixels in [0, 1].
    dropout
        Before the image head.
    mask_rcnn, dense
        Heads that are trained; both by default.
    """

    input_px: int = Field(default=512, ge=64, multiple_of=64)
    backbone: Literal["resnet18", "resnet34", "resnet50", "resnet101"] = "resnet50"
    weights: Path | None = None
    stride_in_1x1: bool = False
    trainable_stages: int = Field(default=5, ge=0, le=5)
    fpn_channels: Count = 256
    dense_channels: int = Field(default=64, ge=8, multiple_of=8)
    mask_channels: Count = 256
    representation: Count = 1024
    anchor_sizes: tuple[Positive, ...] = (16, 32, 64, 128, 256)
    anchor_ratios: tuple[Positive, ...] = (0.5, 1.0, 2.0)
    proposals_before_nms: Count = 300
    proposals: Count = 100
    detections: Count = 20
    score_threshold: Fraction = 0.05
    nms_iou: Fraction = 0.3
    grey_mean: float = 0.449
    grey_std: Positive = 0.226
    dropout: Fraction = 0.2
    mask_rcnn: bool = True
    dense: bool = True

    @model_validator(mode="after")
    def _levels_exist(self) -> Self:
        if not 1 <= len(self.anchor_sizes) <= len(ANCHOR_STRIDES_PX):
            message = "anchor_sizes wants one to five sizes"
            raise ValueError(message)
        return self
