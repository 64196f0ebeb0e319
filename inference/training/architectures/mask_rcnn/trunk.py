"""The trunk: torchvision's ResNet with its batch norm folded away, for grey films."""

from typing import cast

from torch import Tensor, nn
from torchvision.models import resnet

from inference.training.architectures.mask_rcnn.recipe import MaskRcnnNetwork


class Trunk(nn.Module):
    """ResNet without batch norm on one grey channel.

    Returns C2 ... C5 at strides 4, 8, 16, 32 under the keys "0" ... "3".
    """

    def __init__(self, recipe: MaskRcnnNetwork) -> None:
        super().__init__()
        body = getattr(resnet, recipe.backbone)(
            norm_layer=_Folded, width_per_group=recipe.width_per_group
        )
        for name, module in list(body.named_modules()):
            if isinstance(module, nn.Conv2d):
                _with_bias(body, name, module)
        self.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = body.maxpool
        self.layer1, self.layer2 = body.layer1, body.layer2
        self.layer3, self.layer4 = body.layer3, body.layer4
        if recipe.stride_in_1x1:
            _stride_first(self)
        self.channels = [
            stage[-1].conv3.out_channels
            if hasattr(stage[-1], "conv3")
            else stage[-1].conv2.out_channels
            for stage in (self.layer1, self.layer2, self.layer3, self.layer4)
        ]

    def forward(self, grey: Tensor) -> dict[str, Tensor]:
        """Run on (N, 1, S, S), normalised."""
        c2 = self.layer1(self.maxpool(self.relu(self.conv1(grey))))
        c3 = self.layer2(c2)
        c4 = self.layer3(c3)
        c5 = self.layer4(c4)
        return {"0": c2, "1": c3, "2": c4, "3": c5}


class _Folded(nn.Identity):
    """Stands where torchvision puts a batch norm; its affine is in the convolution."""


def _with_bias(body: nn.Module, name: str, conv: nn.Conv2d) -> None:
    """Replace a convolution by the same one with a bias."""
    owner = body.get_submodule(name.rpartition(".")[0])
    new = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        cast("tuple[int, int]", conv.kernel_size),
        stride=cast("tuple[int, int]", conv.stride),
        padding=cast("tuple[int, int]", conv.padding),
    )
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    # Without batch norm a residual branch must start small, or depth explodes.
    if name.endswith(("conv3",)) or (
        name.endswith("conv2") and not hasattr(owner, "conv3")
    ):
        nn.init.zeros_(new.weight)
    nn.init.zeros_(cast("Tensor", new.bias))
    setattr(owner, name.rpartition(".")[2], new)


def _stride_first(trunk: Trunk) -> None:
    for stage in (trunk.layer2, trunk.layer3, trunk.layer4):
        block = stage[0]
        if hasattr(block, "conv3"):
            block.conv1.stride, block.conv2.stride = (2, 2), (1, 1)
