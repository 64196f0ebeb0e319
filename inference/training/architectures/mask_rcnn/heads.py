"""The dense head and the image head (Panoptic FPN: Kirillov et al. 2019)."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

DENSE_CHANNELS = ("lung_opacity", "right_lung", "left_lung")
IMAGE_OUTPUTS = ("any_opacity", "frontal")


class DenseHead(nn.Module):
    """Pyramid levels and C2 -> 3 logits per pixel at half resolution.

    Parameters
    ----------
    levels
        Keys of the pyramid's levels, fine to coarse.
    in_channels, fine_channels, channels
        Widths of the pyramid, of C2 and of this head.
    """

    def __init__(
        self,
        levels: Sequence[str],
        in_channels: int,
        fine_channels: int,
        channels: int,
    ) -> None:
        super().__init__()
        self.levels = tuple(levels)
        self.lateral = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(in_channels, channels, 3, padding=1, bias=False),
                nn.GroupNorm(8, channels),
                nn.ReLU(inplace=True),
            )
            for _ in levels
        )
        narrow = channels // 2
        self.context = nn.Conv2d(channels, narrow, 1)
        self.detail = nn.Conv2d(fine_channels, narrow, 1)
        self.refine = nn.Sequential(
            nn.Conv2d(narrow, narrow, 3, padding=1, bias=False),
            nn.GroupNorm(8 if narrow % 8 == 0 else 4, narrow),
            nn.ReLU(inplace=True),
        )
        self.logits = nn.Conv2d(narrow, len(DENSE_CHANNELS), 1)
        # Most pixels are neither lung nor opacity: start there.
        nn.init.constant_(cast("Tensor", self.logits.bias), -2.0)

    def forward(self, pyramid: Mapping[str, Tensor], c2: Tensor) -> Tensor:
        """Sum the levels on the finest, sharpen at stride 4, answer at stride 2."""
        total = self.lateral[0](pyramid[self.levels[0]])
        for index in range(1, len(self.levels)):
            level = self.lateral[index](pyramid[self.levels[index]])
            total = total + _grow(level, 2**index)
        fine = _grow(self.context(total), 2 ** int(self.levels[0])) + self.detail(c2)
        return _grow(self.logits(self.refine(fine)), 2)


def _grow(maps: Tensor, factor: int) -> Tensor:
    if factor == 1:
        return maps
    return functional.interpolate(
        maps, scale_factor=float(factor), mode="bilinear", align_corners=False
    )


class ImageHead(nn.Module):
    """C5, pooled over the picture and over the lungs -> 2 logits per image."""

    def __init__(self, in_channels: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(2 * in_channels, len(IMAGE_OUTPUTS))

    def forward(self, c5: Tensor, dense_logits: Tensor) -> Tensor:
        """Pool (N, C, S/32, S/32) and answer (N, 2)."""
        lungs = dense_logits[:, 1:].detach().sigmoid().amax(dim=1, keepdim=True)
        weight = functional.avg_pool2d(lungs, 16) + 1e-3
        everywhere = c5.mean(dim=(2, 3))
        inside = (c5 * weight).sum(dim=(2, 3)) / weight.sum(dim=(2, 3))
        pooled = torch.cat((everywhere, inside), dim=1)
        return cast("Tensor", self.logits(self.dropout(pooled)))
