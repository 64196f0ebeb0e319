"""The ``[network]`` table of U-Nets."""

from typing import Literal

from pydantic import Field

from inference.training.recipe.table import Count, Fraction, NetworkTable, Positive


class SegmenterNetwork(NetworkTable):
    """Shape of a U-Net; see ``NetworkTable`` for what all have.

    ``weights`` is a torchvision state_dict of the encoder, or an earlier run's
    checkpoint; the plain encoder has none but the latter.

    Parameters
    ----------
    encoder
        ``plain``: blocks of convolutions, as in the first U-Net; else a trunk of
        segmentation-models-pytorch.
    filters
        Of the finest plain block; each of the five levels has twice as many.
    block_layers
        Convolutions of a plain block.
    dropout
        After each plain block.
    grey_mean, grey_std
        Applied inside the network to pixels in [0, 1].
    """

    kind: Literal["segmenter"] = "segmenter"
    input_px: int = Field(default=256, ge=64, multiple_of=32)
    encoder: Literal["plain", "resnet18", "resnet34", "densenet121"] = "resnet34"
    filters: Count = 16
    block_layers: int = Field(default=2, ge=1, le=4)
    dropout: Fraction = 0.3
    grey_mean: float = 0.449
    grey_std: Positive = 0.226
