"""How long and how fast is learned, and what each loss weighs."""

from typing import Literal

from pydantic import Field

from inference.training.recipe.table import (
    Count,
    Fraction,
    NotNegative,
    Positive,
    Table,
)


class Stretch(Table):
    """Some epochs at one learning rate."""

    learning_rate: Positive
    epochs: Count


class ScheduleRecipe(Table):
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
    frozen_steps
        For so many steps what was pretrained rests and only the heads learn; a network
        that starts at random has nothing to rest.
    clip_norm
        Largest gradient norm.
    ema_decay
        Of the averaged weights that are validated and kept; 0 is off.
    validate_every, checkpoint_every_s
        Steps; seconds.
    validate_films
        How many of the held-out films are looked at while training goes on; 0 is all.
    amp
        bfloat16 where it is safe and the processor has it.
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
    stages: tuple[Stretch, ...] = ()
    steps: Count = 2800
    final: Fraction = 0.02
    warmup_steps: int = Field(default=100, ge=0)
    batch: Count = 4
    small_px: int = Field(default=320, ge=64, multiple_of=64)
    small_steps: int = Field(default=0, ge=0)
    frozen_steps: int = Field(default=0, ge=0)
    clip_norm: Positive = 5.0
    ema_decay: Fraction = 0.998
    validate_every: Count = 350
    validate_films: int = Field(default=0, ge=0)
    checkpoint_every_s: Positive = 180.0
    amp: bool = True
    threads: int = Field(default=0, ge=0)
    seed: int = 0


class LossWeights(Table):
    """Factors on the losses, by the name that an architecture gives them."""

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
    detection_class: NotNegative = 1.0
    detection_box: NotNegative = 1.0
    one_sided_source: Fraction = 0.3
