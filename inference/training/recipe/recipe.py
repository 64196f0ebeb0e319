"""Everything a training run is told: data, network, sampling, augmentation, schedule.

A recipe is a TOML file; unknown keys are refused with their path. Tables under
``[variant.NAME]`` are laid over the rest of the file, so that the published choices
stand ready side by side.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from inference.errors import TrainingError

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
_OWN_WIDTH = 64  # of torchvision's residual networks


def _none_when_empty(value: object) -> object:
    """TOML has no null: an empty string says none."""
    return None if value == "" else value


EmptyIsNone = BeforeValidator(_none_when_empty)


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
        Fold that is only looked at; ``""`` trains on everything.
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
    validation_fold: Annotated[int | None, EmptyIsNone] = 0
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
        State dict to start from, ``.npz`` or ``.pt``, or an earlier run's checkpoint;
        ``""`` starts at random.
    stride_in_1x1
        Stride of a stage on its first 1x1 convolution (ResNet v1).
    width_per_group
        torchvision's: channels inside a bottleneck of layer1, and in proportion in the
        others; 64 is the ResNet's own. ``export`` can narrow a trunk afterwards.
    trainable_stages
        How many of stem, layer1 ... layer4 learn, counted from the top (0-5).
    fpn_channels, dense_channels, mask_channels, representation
        Widths of pyramid, dense head, mask head and box head.
    anchor_sizes
        Pixels, one per pyramid level, fine to coarse. The coarsest is P6 at stride
        64: five sizes start the pyramid at P2 (stride 4), four at P3 (stride 8).
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
    weights: Annotated[Path | None, EmptyIsNone] = None
    stride_in_1x1: bool = False
    width_per_group: int = Field(default=_OWN_WIDTH, ge=8, le=_OWN_WIDTH, multiple_of=8)
    trainable_stages: int = Field(default=5, ge=0, le=5)
    fpn_channels: Count = 256
    dense_channels: int = Field(default=64, ge=8, multiple_of=8)
    mask_channels: Count = 256
    representation: Count = 1024
    anchor_sizes: tuple[Positive, ...] = Field(
        default=(16, 32, 64, 128, 256), min_length=2, max_length=5
    )
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

    @field_validator("width_per_group")
    @classmethod
    def _has_bottlenecks(cls, width: int, told: ValidationInfo) -> int:
        backbone = told.data.get("backbone")
        if width != _OWN_WIDTH and backbone in ("resnet18", "resnet34"):
            raise ValueError(f"{backbone} has no bottlenecks to narrow")
        return width


class SamplingRecipe(_Table):
    """How often each kind of image is shown, relative to the others.

    Within a kind, sources are shown as the square root of their size, so that no
    source stands for a label.

    Parameters
    ----------
    mask, box
        Opacities outlined; opacities boxed only.
    negative
        Looked at, none found.
    lungs
        Opacities unknown, lungs outlined.
    unknown
        Nothing but a frontal film.
    not_frontal
        Pictures from ``data.not_frontal``.
    """

    mask: NotNegative = 0.24
    box: NotNegative = 0.20
    negative: NotNegative = 0.28
    lungs: NotNegative = 0.22
    unknown: NotNegative = 0.02
    not_frontal: NotNegative = 0.04


class AugmentationRecipe(_Table):
    """What is done at random to a training image; a probability of 0 is off.

    Parameters
    ----------
    rotation_deg, shear_deg
        Largest angle, either way.
    translation
        Largest shift, share of S.
    scale
        Smallest and largest factor.
    flip
        Probability of a mirror image; the lungs change their names.
    gamma
        Largest exponent is exp(gamma).
    contrast, brightness
        Largest relative gain and shift.
    blur, sharpen, noise, jpeg, coarse, clahe, burn_in
        Probabilities; ``coarse`` loses resolution, ``burn_in`` writes letters and
        frames.
    spoil
        Probability that a frontal film is turned, inverted or cut to pieces and
        then counts as not frontal.
    synthetic
        Probability that a textured opacity is blended into a lung of a film
        without any.
    """

    rotation_deg: NotNegative = 20.0
    shear_deg: NotNegative = 6.0
    translation: Fraction = 0.06
    scale: tuple[Positive, Positive] = (0.85, 1.18)
    flip: Fraction = 0.3
    gamma: NotNegative = 0.35
    contrast: NotNegative = 0.25
    brightness: NotNegative = 0.1
    blur: Fraction = 0.2
    sharpen: Fraction = 0.15
    noise: Fraction = 0.3
    jpeg: Fraction = 0.25
    coarse: Fraction = 0.2
    clahe: Fraction = 0.1
    burn_in: Fraction = 0.2
    spoil: Fraction = 0.05
    synthetic: Fraction = 0.0


class Stage(_Table):
    """A stretch of epochs at one learning rate."""

    learning_rate: Positive
    epochs: Count


class ScheduleRecipe(_Table):
    """Optimiser, learning rates and how long.

    Parameters
    ----------
    optimiser
        ``sgd``, ``adam`` or ``adamw``.
    learning_rate
        Of the heads, at its highest (cosine); see ``stages`` for the other policy.
    trunk_factor
        The trunk learns at this share of the heads' rate.
    momentum, weight_decay
        As the optimiser understands them.
    stages
        When given: constant rates over epochs, in this order; ``steps`` and
        ``learning_rate`` are then not used.
    steps
        Optimiser steps of the cosine policy.
    final
        Learning rate at the end of the cosine, share of the highest.
    warmup_steps
        Linear rise at the start.
    batch
        Images per step.
    small_px, small_steps
        The first steps see smaller pictures, which costs less; 0 steps is off.
    clip_norm
        Largest gradient norm.
    ema_decay
        Of the averaged weights that are validated and kept; 0 is off.
    validate_every, checkpoint_every_s
        Steps; seconds.
    amp
        bfloat16 where it is safe.
    threads
        CPU threads; 0 leaves torch's choice.
    seed
        Of everything random.
    """

    optimiser: Literal["sgd", "adam", "adamw"] = "adamw"
    learning_rate: Positive = 4e-4
    trunk_factor: Fraction = 0.3
    momentum: Fraction = 0.9
    weight_decay: NotNegative = 1e-4
    stages: tuple[Stage, ...] = ()
    steps: Count = 2800
    final: Fraction = 0.02
    warmup_steps: int = Field(default=100, ge=0)
    batch: Count = 4
    small_px: int = Field(default=320, ge=64, multiple_of=64)
    small_steps: int = Field(default=0, ge=0)
    clip_norm: Positive = 5.0
    ema_decay: Fraction = 0.998
    validate_every: Count = 350
    checkpoint_every_s: Positive = 180.0
    amp: bool = True
    threads: int = Field(default=0, ge=0)
    seed: int = 0


class LossWeights(_Table):
    """Factors on the losses, by name; see ``network`` and ``losses``."""

    opacity_entropy: NotNegative = 2.0
    opacity_dice: NotNegative = 1.0
    lung_entropy: NotNegative = 1.0
    lung_dice: NotNegative = 1.0
    image_opacity: NotNegative = 0.5
    image_frontal: NotNegative = 0.5
    rpn_objectness: NotNegative = 1.0
    rpn_box: NotNegative = 1.0
    roi_class: NotNegative = 1.0
    roi_box: NotNegative = 1.0
    roi_mask: NotNegative = 1.0
    one_sided_source: Fraction = 0.3


class Recipe(_Table):
    """A whole training run.

    ``losses.one_sided_source`` is the weight of the image-level opacity loss for
    images of a source that shows (nearly) only sick or only healthy films: such a
    source teaches its own looks rather than the disease.
    """

    name: str = "reference"
    data: DataRecipe = DataRecipe()
    network: NetworkRecipe = NetworkRecipe()
    sampling: SamplingRecipe = SamplingRecipe()
    augmentation: AugmentationRecipe = AugmentationRecipe()
    schedule: ScheduleRecipe = ScheduleRecipe()
    losses: LossWeights = LossWeights()

    def holding_out(self, fold: int | None) -> Self:
        """Give the same recipe with another validation fold."""
        data = self.data.model_copy(update={"validation_fold": fold})
        return self.model_copy(update={"data": data})


def read_recipe(path: Path, variant: str | None = None) -> Recipe:
    """Read a TOML recipe, with one of its variants laid over it.

    Raises
    ------
    TrainingError
        The file is missing or malformed, or has an unknown key or variant.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"{path}: no such recipe") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: not TOML: {error}") from error
    variants = table.pop("variant", {})
    if variant is not None:
        if variant not in variants:
            known = ", ".join(sorted(variants)) or "none"
            raise TrainingError(f"{path}: no variant {variant!r} (there are: {known})")
        table = _laid_over(table, {"name": variant} | variants[variant])
    return recipe_of(table, str(path))


def recipe_of(table: Mapping[str, Any], place: str) -> Recipe:
    """Check a recipe given as plain data.

    Raises
    ------
    TrainingError
        With the path of the first key that is wrong.
    """
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        unknown = first["type"] == "extra_forbidden"
        what = "unknown key" if unknown else first["msg"]
        raise TrainingError(f"{place}: {key}: {what}") from error


def _laid_over(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = _laid_over(below, value)
        else:
            merged[key] = value
    return merged
