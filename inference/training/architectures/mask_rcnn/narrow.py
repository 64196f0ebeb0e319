"""A faster copy of a trained network: a narrower trunk that answers as the wide one.

Block by block, from the stem on: the channels inside a bottleneck that reach least
into the next convolution are left out, and that convolution is fitted again by least
squares, on the activations that the narrower trunk itself has by then, to give what
the wide one gives (He, Zhang, Sun 2017, "Channel Pruning for Accelerating Very Deep
Neural Networks", arXiv:1707.06168; there channels are chosen by lasso).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.resnet import Bottleneck
from tqdm import tqdm

from inference.errors import TrainingError
from inference.training.architectures.mask_rcnn.network import CxrNet
from inference.training.architectures.mask_rcnn.recipe import MaskRcnnNetwork
from inference.training.architectures.mask_rcnn.trunk import Trunk

_POSITIONS = 192  # of each film that a convolution is fitted on
_RIDGE = 0.02  # towards the weights there were; share of the mean square input


def narrowed(net: CxrNet, width: int, films: Sequence[NDArray[np.float32]]) -> CxrNet:
    """Copy a network with fewer channels inside the bottlenecks of its trunk.

    Parameters
    ----------
    net
        Trained, with a ResNet-50 or -101.
    width
        ``width_per_group`` of the copy, below that of the network.
    films
        float32 (1, S, S) in [0, 1] each; some dozens, as they will be served.

    Raises
    ------
    TrainingError
        The width does not fit the network.
    """
    shape = net.recipe.model_dump() | {"width_per_group": width}
    try:
        recipe = MaskRcnnNetwork.model_validate(shape)
    except ValidationError as error:
        first = error.errors()[0]
        place = f"narrower trunk: network.{first['loc'][0]}"
        raise TrainingError(f"{place}: {first['msg']}") from error
    if width >= net.recipe.width_per_group:
        raise TrainingError(
            f"narrower trunk: width {width} is not below"
            f" {net.recipe.width_per_group}, the network's own"
        )
    copy = CxrNet(recipe)
    heads = {
        name: value
        for name, value in net.state_dict().items()
        if not name.startswith("backbone.")
    }
    copy.load_state_dict(heads, strict=False)
    grey = (torch.from_numpy(np.stack(films)) - recipe.grey_mean) / recipe.grey_std
    with torch.inference_mode():
        _narrow(net.backbone, copy.backbone, grey)
    return copy.to(memory_format=torch.channels_last).eval()


def _narrow(wide: Trunk, slim: Trunk, films: Tensor) -> None:
    """Fit ``slim`` in place, on (N, 1, S, S)."""
    chance = torch.Generator().manual_seed(0)
    slim.conv1.load_state_dict(wide.conv1.state_dict())
    told = [wide.maxpool(wide.relu(wide.conv1(film))) for film in films[:, None]]
    seen = list(told)
    blocks = list(zip(_blocks(wide), _blocks(slim), strict=True))
    for block, thin in tqdm(blocks, desc="narrow", unit="block"):
        _fit(block, thin, told, seen, chance)


def _blocks(trunk: Trunk) -> Iterator[Bottleneck]:
    for stage in (trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4):
        yield from cast("Iterable[Bottleneck]", stage)


def _fit(
    block: Bottleneck,
    thin: Bottleneck,
    told: list[Tensor],
    seen: list[Tensor],
    chance: torch.Generator,
) -> None:
    """Fit one block.

    ``told`` and ``seen``, what the wide and the narrow block are given per film,
    become what they answer.
    """
    if block.downsample is not None:
        thin.downsample.load_state_dict(block.downsample.state_dict())
    first = [block.relu(block.conv1(film)) for film in told]
    kept = _farthest_reaching(first, block.conv2, thin.conv2.in_channels)
    _copy(thin.conv1, block.conv1, kept, None)
    wanted = [block.conv2(film) for film in first]
    second = [functional.relu(film) for film in wanted]
    left = _farthest_reaching(second, block.conv3, thin.conv3.in_channels)
    _copy(thin.conv2, block.conv2, left, kept)
    given = [thin.relu(thin.conv1(film)) for film in seen]
    pairs = zip(given, (film[:, left] for film in wanted), strict=True)
    _refit(thin.conv2, pairs, chance)
    _copy(thin.conv3, block.conv3, None, left)
    given = [thin.relu(thin.conv2(film)) for film in given]
    # What the shortcut lacks, the last convolution may make good.
    lacking = (
        block.conv3(inner) + _shortcut(block, whole) - _shortcut(thin, slim)
        for inner, whole, slim in zip(second, told, seen, strict=True)
    )
    _refit(thin.conv3, zip(given, lacking, strict=True), chance)
    for index, (inner, slim_inner) in enumerate(zip(second, given, strict=True)):
        whole, slim = told[index], seen[index]
        told[index] = block.relu(block.conv3(inner) + _shortcut(block, whole))
        seen[index] = thin.relu(thin.conv3(slim_inner) + _shortcut(thin, slim))


def _shortcut(block: Bottleneck, film: Tensor) -> Tensor:
    return film if block.downsample is None else cast("Tensor", block.downsample(film))


def _farthest_reaching(films: list[Tensor], reader: nn.Conv2d, count: int) -> Tensor:
    """Choose the channels whose changes reach farthest through their reader."""
    spread = torch.cat(films).std(dim=(0, 2, 3))
    reach = reader.weight.transpose(0, 1).flatten(1).norm(dim=1)
    chosen = (spread * reach).topk(count).indices
    return cast("Tensor", chosen.sort().values)


def _copy(
    slim: nn.Conv2d, wide: nn.Conv2d, outputs: Tensor | None, inputs: Tensor | None
) -> None:
    """Take some of a convolution's outputs and inputs; ``None`` takes all."""
    weight, bias = wide.weight, cast("Tensor", wide.bias)
    if inputs is not None:
        weight = weight[:, inputs]
    if outputs is not None:
        weight, bias = weight[outputs], bias[outputs]
    slim.weight.copy_(weight)
    cast("Tensor", slim.bias).copy_(bias)


def _refit(
    conv: nn.Conv2d, pairs: Iterable[tuple[Tensor, Tensor]], chance: torch.Generator
) -> None:
    """Fit a convolution to give (1, D, h, w) for (1, C, H, W), by ridge regression."""
    bias = cast("Tensor", conv.bias)
    old = torch.cat((conv.weight.flatten(1), bias[:, None]), dim=1).T.double()
    gram = old.new_zeros(len(old), len(old))
    error = torch.zeros_like(old)
    for given, wanted in pairs:
        patches = functional.unfold(
            given,
            cast("tuple[int, int]", conv.kernel_size),
            padding=cast("tuple[int, int]", conv.padding),
            stride=cast("tuple[int, int]", conv.stride),
        )[0]
        some = torch.randperm(patches.shape[1], generator=chance)[:_POSITIONS]
        rows = patches[:, some].T.double()
        rows = torch.cat((rows, rows.new_ones(len(rows), 1)), dim=1)
        gram += rows.T @ rows
        error += rows.T @ (wanted[0].flatten(1)[:, some].T.double() - rows @ old)
    gram.diagonal().add_(_RIDGE * gram.diagonal().mean())
    new = (old + torch.linalg.solve(gram, error)).T.float()
    conv.weight.copy_(new[:, :-1].reshape(conv.weight.shape))
    bias.copy_(new[:, -1])
