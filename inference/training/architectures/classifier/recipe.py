"""The ``[network]`` table of classifiers."""

from typing import Literal

from pydantic import Field

from inference.training.recipe.table import Fraction, NetworkTable, Positive

TrunkName = Literal[
    "cnn",
    "resnet18",
    "resnet50",
    "resnet152",
    "inception_v3",
    "vgg16",
    "vgg19",
    "densenet121",
    "efficientnet_b0",
]


class ClassifierNetwork(NetworkTable):
    """Shape of a classifier; see ``NetworkTable`` for what all have.

    ``weights`` is a torchvision state_dict of the trunk, the compact ``.npz`` form, an
    earlier run's checkpoint or, for several trunks, a folder with ``NAME.pth`` of each.

    Parameters
    ----------
    trunks
        torchvision networks whose pooled features are joined: one is a plain
        classifier, several are a gate. ``cnn`` is four plain convolutions.
    stride_in_1x1
        Stride of a residual stage on its first 1x1 convolution (ResNet v1).
    positive_weight
        Class weight: a film that shows opacity counts so many times.
    dropout
        Before the head.
    grey_mean, grey_std
        Applied inside the network to pixels in [0, 1].
    """

    kind: Literal["classifier"] = "classifier"
    input_px: int = Field(default=224, ge=64, multiple_of=32)
    trunks: tuple[TrunkName, ...] = Field(default=("resnet50",), min_length=1)
    stride_in_1x1: bool = False
    positive_weight: Positive = 1.0
    dropout: Fraction = 0.3
    grey_mean: float = 0.449
    grey_std: Positive = 0.226
