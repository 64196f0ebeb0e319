"""Trunks of the literature without their heads: a film to a map of features."""

from collections import OrderedDict
from pathlib import Path
from typing import Self, cast

import torch
from torch import Tensor, nn
from torchvision import models

from inference.errors import TrainingError
from inference.training.architectures.classifier.recipe import TrunkName
from inference.training.architectures.stored import read_state

_HEADS = {"avgpool", "fc", "classifier", "AuxLogits", "dropout"}
_CHANNELS: dict[str, int] = {
    "cnn": 128,
    "resnet18": 512,
    "resnet50": 2048,
    "resnet152": 2048,
    "inception_v3": 2048,
    "vgg16": 512,
    "vgg19": 512,
    "densenet121": 1024,
    "efficientnet_b0": 1280,
}
_FOLDED_EPSILON = 1e-5  # of the batch norms that stand where weights were folded


class FeatureTrunk(nn.Sequential):
    """Gives (N, channels, H, W) of (N, 3, S, S); its keys are torchvision's."""

    def __init__(self, name: TrunkName, *, stride_in_1x1: bool = False) -> None:
        super().__init__(_parts(name))
        self.channels = _CHANNELS[name]
        self.rests = False
        if stride_in_1x1:
            _stride_first(self, name)

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002  torch's own signature
        """Learn or answer; batch norms of pretrained weights keep their statistics.

        A few films a step would spoil what millions of pictures taught them.
        """
        super().train(mode)
        if self.rests:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def initialise(self, path: Path) -> None:
        """Start from a torchvision state_dict, or the compact form.

        Raises
        ------
        TrainingError
            The file is missing, unreadable or of another network.
        """
        state, own = read_state(path), self.state_dict()
        if path.suffix == ".npz":
            state = _with_norms(state, own)
        for name, value in own.items():
            if name.endswith("num_batches_tracked"):
                continue
            if name not in state:
                raise TrainingError(f"{path}: no weights for {name} of the trunk")
            if state[name].shape != value.shape:
                raise TrainingError(
                    f"{path}: {name} is {tuple(state[name].shape)},"
                    f" the trunk wants {tuple(value.shape)}"
                )
        self.load_state_dict({k: state.get(k, v) for k, v in own.items()})
        self.rests = True


def _parts(name: TrunkName) -> "OrderedDict[str, nn.Module]":
    if name == "cnn":
        return _plain()
    more = {"init_weights": False} if name == "inception_v3" else {}
    if name == "inception_v3":
        more["aux_logits"] = False
    model = getattr(models, name)(weights=None, **more)
    parts = OrderedDict(
        (key, module) for key, module in model.named_children() if key not in _HEADS
    )
    if name == "densenet121":
        parts["relu"] = nn.ReLU()  # torchvision's own forward has it outside
    return parts


def _plain() -> "OrderedDict[str, nn.Module]":
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    before = 3
    for level, width in enumerate((16, 32, 64, 128)):
        parts[f"conv{level}"] = nn.Conv2d(before, width, 3, padding=1)
        parts[f"relu{level}"] = nn.ReLU()
        parts[f"pool{level}"] = nn.MaxPool2d(2)
        before = width
    return parts


def _stride_first(trunk: nn.Sequential, name: str) -> None:
    if not hasattr(trunk, "layer2") or name == "resnet18":
        raise TrainingError(f"recipe: network.stride_in_1x1: {name} has no such stride")
    for stage in ("layer2", "layer3", "layer4"):
        for convolution, stride in (("conv1", (2, 2)), ("conv2", (1, 1))):
            place = trunk.get_submodule(f"{stage}.0.{convolution}")
            cast("nn.Conv2d", place).stride = stride


def _with_norms(folded: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give folded convolutions the batch norms back, as ones that change nothing."""
    state = {name: value for name, value in folded.items() if name in own}
    for name, value in folded.items():
        conv = name.removesuffix(".bias")
        if name == conv or name in own:
            continue
        norm = conv.replace("downsample.0", "downsample.1")
        if norm == conv:
            head, _, last = conv.rpartition(".")
            norm = f"{head}.{last.replace('conv', 'bn')}".removeprefix(".")
        state |= {
            f"{norm}.weight": torch.ones_like(value),
            f"{norm}.bias": value,
            f"{norm}.running_mean": torch.zeros_like(value),
            f"{norm}.running_var": torch.full_like(value, 1 - _FOLDED_EPSILON),
        }
    return state
