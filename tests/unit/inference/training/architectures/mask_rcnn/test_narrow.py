"""A narrower trunk answers as the wide one it was fitted to."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from inference.errors import TrainingError
from inference.training.architectures.mask_rcnn.narrow import narrowed
from inference.training.architectures.mask_rcnn.network import CxrNet
from inference.training.architectures.mask_rcnn.recipe import MaskRcnnNetwork

WIDE = MaskRcnnNetwork(
    input_px=64, width_per_group=16, stride_in_1x1=True, anchor_sizes=(16, 32)
)


@pytest.fixture
def net() -> CxrNet:
    """Random, with residual branches that say something."""
    torch.manual_seed(3)
    made = CxrNet(WIDE)
    for name, module in made.backbone.named_modules():
        if isinstance(module, nn.Conv2d):
            if name.endswith("conv3"):
                nn.init.kaiming_normal_(module.weight)
                with torch.no_grad():
                    module.weight.mul_(0.3)
            nn.init.normal_(module.bias, std=0.1)
    return made.eval()


def films(count: int, seed: int) -> list[NDArray[np.float32]]:
    """Smooth noise."""
    chance = torch.Generator().manual_seed(seed)
    noise = torch.rand(count, 1, 16, 16, generator=chance)
    return list(nn.functional.interpolate(noise, 64, mode="bilinear").numpy())


def distance(one: CxrNet, other: CxrNet, shown: list[NDArray[np.float32]]) -> float:
    """Mean square difference of what leaves the trunk, share of its variance."""
    pictures = torch.from_numpy(np.stack(shown))
    with torch.inference_mode():
        wanted, found = one.features(pictures)[0], other.features(pictures)[0]
    return float((wanted["3"] - found["3"]).square().mean() / wanted["3"].var())


def test_channels_that_nothing_reads_are_left_out_without_a_trace(
    net: CxrNet,
) -> None:
    trunk = net.backbone
    with torch.no_grad():
        for stage in (trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4):
            for block in stage:
                # Every second channel inside the block is unread.
                block.conv2.weight[:, ::2] = 0
                block.conv3.weight[:, 1::2] = 0
    assert distance(net, narrowed(net, 8, films(8, seed=1)), films(4, seed=2)) < 1e-3


def test_the_fit_makes_good_what_leaving_out_costs(net: CxrNet) -> None:
    cut = CxrNet(WIDE.model_copy(update={"width_per_group": 8})).eval()
    own = net.state_dict()
    for name, value in cut.state_dict().items():
        value.copy_(own[name][tuple(slice(size) for size in value.shape)])
    unseen = films(8, seed=2)
    fitted = narrowed(net, 8, films(24, seed=1))
    assert distance(net, fitted, unseen) < 0.5 * distance(net, cut, unseen)


def test_only_the_inside_of_the_bottlenecks_changes(net: CxrNet) -> None:
    before = {name: value.clone() for name, value in net.state_dict().items()}
    slim = narrowed(net, 8, films(4, seed=1))
    assert slim.recipe.width_per_group == 8
    assert slim.backbone.layer4[0].conv2.weight.shape == (64, 64, 3, 3)
    assert slim.backbone.layer4[0].conv3.weight.shape == (2048, 64, 1, 1)
    own = slim.state_dict()
    for name, value in before.items():
        assert torch.equal(net.state_dict()[name], value), name
        inside = name.startswith("backbone.layer") and "downsample" not in name
        assert inside or torch.equal(own[name], value), name


@pytest.mark.parametrize(
    ("backbone", "width", "wrong"),
    [
        ("resnet50", 16, "width 16 is not below 16, the network's own"),
        ("resnet50", 12, "width_per_group: .*multiple of 8"),
        ("resnet18", 32, "width_per_group: .*resnet18 has no bottlenecks"),
    ],
)
def test_a_width_that_does_not_fit_is_refused(
    backbone: str, width: int, wrong: str
) -> None:
    shape = MaskRcnnNetwork(input_px=64, backbone=backbone, anchor_sizes=(16, 32))
    if backbone == "resnet50":
        shape = WIDE
    with pytest.raises(TrainingError, match=f"^narrower trunk: .*{wrong}"):
        narrowed(CxrNet(shape), width, films(2, seed=1))
