"""U-Nets: the plain one of the literature, or a decoder on a known encoder.

The plain one follows Ronneberger et al. 2015 with padded convolutions; the others are
segmentation-models-pytorch's.
"""

from pathlib import Path

import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn
from torch.nn import functional

from inference.errors import TrainingError
from inference.training.architectures.segmenter.recipe import SegmenterNetwork
from inference.training.architectures.stored import read_state

_LEVELS = 5
_CHANNELS = 3  # opacity, right lung, left lung
_SPOT_PX = 8  # of the half-size map: what is smaller is no opacity of a film


class SegmenterNet(nn.Module):
    """A U-Net and what its maps say of the film as a whole.

    Parameters
    ----------
    recipe
        Its shape.
    """

    def __init__(self, recipe: SegmenterNetwork) -> None:
        super().__init__()
        self.recipe = recipe
        if recipe.encoder == "plain":
            self.backbone: nn.Module = PlainUnet(recipe)
        else:
            self.backbone = smp.Unet(
                encoder_name=recipe.encoder,
                encoder_weights=None,
                in_channels=1,
                classes=_CHANNELS,
            )

    def logits(self, images: Tensor) -> Tensor:
        """Give (N, 3, S/2, S/2)."""
        grey = (images - self.recipe.grey_mean) / self.recipe.grey_std
        answer: Tensor = functional.avg_pool2d(self.backbone(grey), 2)
        return answer

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Answer; the film shows what a spot of its map shows, and two lungs."""
        dense = self.logits(images).float().sigmoid()
        spots = functional.avg_pool2d(dense, _SPOT_PX).amax(dim=(2, 3))
        lungs = torch.minimum(spots[:, 1], spots[:, 2])
        return {"dense": dense, "image": torch.stack((spots[:, 0], lungs), dim=1)}


class PlainUnet(nn.Module):
    """Five levels of convolution blocks, halved and doubled."""

    def __init__(self, recipe: SegmenterNetwork) -> None:
        super().__init__()
        widths = [recipe.filters * 2**level for level in range(_LEVELS)]
        pairs = list(zip([1, *widths[:-1]], widths, strict=True))
        self.down = nn.ModuleList(_block(a, b, recipe) for a, b in pairs)
        turned = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in turned
        )
        self.up = nn.ModuleList(_block(2 * b, b, recipe) for _, b in turned)
        self.logits = nn.Conv2d(widths[0], _CHANNELS, 1)

    def forward(self, grey: Tensor) -> Tensor:
        """Give (N, 3, S, S)."""
        kept = []
        for level, block in enumerate(self.down):
            grey = block(functional.max_pool2d(grey, 2) if level else grey)
            kept.append(grey)
        kept.pop()
        for grow, block in zip(self.grow, self.up, strict=True):
            grey = block(torch.cat((grow(grey), kept.pop()), dim=1))
        answer: Tensor = self.logits(grey)
        return answer


def _block(before: int, width: int, recipe: SegmenterNetwork) -> nn.Sequential:
    layers: list[nn.Module] = []
    for place in range(recipe.block_layers):
        layers += [
            nn.Conv2d(width if place else before, width, 3, padding=1),
            nn.GroupNorm(1, width),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers, nn.Dropout2d(recipe.dropout))


def build(recipe: SegmenterNetwork) -> SegmenterNet:
    """Make the network and, when the recipe names weights, start from them.

    Raises
    ------
    TrainingError
        The weights are missing or do not fit.
    """
    net = SegmenterNet(recipe)
    if recipe.weights is not None:
        _initialise(net, recipe.weights)
    return net


def _initialise(net: SegmenterNet, path: Path) -> None:
    state = read_state(path)
    target: nn.Module = net
    if any(name.startswith("backbone.") for name in state):
        pass  # an earlier run, all of it
    elif net.recipe.encoder == "plain":
        raise TrainingError(f"{path}: a plain U-Net starts from no trunk")
    else:
        target = net.backbone.get_submodule("encoder")
    wanted = target.state_dict()
    first = "conv1.weight" if "conv1.weight" in state else "features.conv0.weight"
    if first in wanted and first in state and state[first].shape[1] != 1:
        state[first] = state[first].sum(dim=1, keepdim=True)
    for name, value in wanted.items():
        if name.endswith("num_batches_tracked"):
            state.setdefault(name, value)
        elif name not in state or state[name].shape != value.shape:
            raise TrainingError(f"{path}: no weights that fit {name} of the encoder")
    target.load_state_dict({name: state[name] for name in wanted})
