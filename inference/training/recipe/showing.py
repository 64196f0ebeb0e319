"""How often an image is shown, and how it is changed before it is."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from inference.training.recipe.table import Fraction, NotNegative, Positive, Table


class SamplingRecipe(Table):
    """How often each kind of image is shown, relative to the others.

    Parameters
    ----------
    by
        ``kind``: the kinds are shown as often as their weights say and, within a
        kind, sources as the square root of their size. ``source``: the sources are
        shown as the square root of their size; within a source the kinds as their
        weights say, but sick films as often as clean ones, so that no source stands
        for a label. A one-sided source shows each known film as often as any other.
    sources
        Factors on how often a source is shown, by its name; 1 for those not named.
    one_sided
        Sources whose sick and clean films differ in more than the disease: they are
        taken as those that show only one of both.
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

    by: Literal["kind", "source"] = "kind"
    sources: Mapping[str, NotNegative] = Field(default_factory=dict)
    one_sided: tuple[str, ...] = ()
    mask: NotNegative = 0.24
    box: NotNegative = 0.20
    negative: NotNegative = 0.28
    lungs: NotNegative = 0.22
    unknown: NotNegative = 0.02
    not_frontal: NotNegative = 0.04


class AugmentationRecipe(Table):
    """What is done at random to a training image; a probability of 0 is off.

    Parameters
    ----------
    rotation_deg, shear_deg
        Largest angle, either way.
    translation
        Largest shift, share of S.
    scale
        Smallest and largest factor.
    aspect
        Height and width change their ratio by a factor up to exp(aspect).
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
    aspect: NotNegative = 0.0
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
