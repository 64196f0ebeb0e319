"""The ``[network]`` table of this architecture."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from inference.training.recipe.table import (
    Count,
    Fraction,
    NetworkTable,
    Positive,
)

_OWN_WIDTH = 64  # of torchvision's residual networks


class MaskRcnnNetwork(NetworkTable):
    """Shape of the network; see ``NetworkTable`` for what all have.

    Parameters
    ----------
    backbone
        torchvision ResNet; batch norm is folded into the convolutions.
    weights
        State dict to start from, ``.npz`` or ``.pt``, an earlier run's checkpoint, or
        a model that is served: its folder, or ``model:NAME`` for one that comes with
        the node. What the recipe does not say of the network is then as in that
        model's own recipe. ``""`` starts at random.
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

    kind: Literal["mask_rcnn"] = "mask_rcnn"
    input_px: int = Field(default=512, ge=64, multiple_of=64)
    backbone: Literal["resnet18", "resnet34", "resnet50", "resnet101"] = "resnet50"
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
