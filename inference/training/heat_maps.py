"""Grad-CAM: where on a film a classifier saw what it says (Selvaraju et al. 2017).

Computed in torch for reports; the exported graph does not hold it. A gate of several
trunks gets the mean of their maps.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.training.architectures.classifier.network import ClassifierNet
from inference.training.checkpoint import load
from inference.training.data.dataset import ReadFrame, Sample, read_samples
from inference.training.data.render import RenderCache
from inference.training.data.split import some, split
from inference.training.data.transforms import example

FILE = "heat-maps.png"
_TILE_PX, _COLUMNS, _MOST = 256, 4, 8


def heat_map(net: ClassifierNet, image: Tensor) -> NDArray[np.float32]:
    """Share of each pixel in the score of opacity: float32 (S, S) in [0, 1].

    Parameters
    ----------
    net
        In eval mode.
    image
        float32 (1, 1, S, S) in [0, 1].
    """
    with torch.enable_grad():
        maps = [one.detach().requires_grad_() for one in net.maps(image)]
        slopes = torch.autograd.grad(net.logits(maps)[0, 0], maps)
    size = image.shape[-1]
    total = np.zeros((size, size), np.float32)
    for features, slope in zip(maps, slopes, strict=True):
        weight = slope.mean(dim=(2, 3), keepdim=True)
        heat = (weight * features).sum(dim=1)[0].clamp(min=0).detach()
        heat = heat / heat.max().clamp(min=1e-9)
        total += cv2.resize(heat.float().cpu().numpy(), (size, size)) / len(maps)
    return np.clip(total, 0, 1)


def draw_heat_maps(checkpoint: Path, read_frame: ReadFrame, output: Path) -> None:
    """Draw held-out films with and without opacity, each with its map."""
    net, recipe = load(checkpoint)
    data = recipe.data
    held_out = split(read_samples(data), data.held_out, data.left_out)[1]
    cache = RenderCache(data.cache or output / "cache", read_frame, data.normalisation)
    size, tiles = recipe.network.input_px, []
    for sample in chosen(held_out):
        pixels = example(sample, cache.get(sample, size), size, data).image
        heat = heat_map(
            cast("ClassifierNet", net), torch.from_numpy(pixels)[None, None]
        )
        tiles.append(_tile(pixels, heat, "opacity" if sample.positive else "none"))
    if tiles:
        tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % _COLUMNS)
        rows = [
            np.hstack(tiles[at : at + _COLUMNS])
            for at in range(0, len(tiles), _COLUMNS)
        ]
        cv2.imwrite(str(output / FILE), np.vstack(rows))


def chosen(held_out: Sequence[Sample]) -> list[Sample]:
    """Pick as many sick as clean films, in an order that means nothing."""
    known = [one for one in held_out if one.frontal and one.positive is not None]
    half = _MOST // 2
    sick = some([one for one in known if one.positive], 0)[:half]
    clean = some([one for one in known if not one.positive], 0)[:half]
    return [*sick, *clean]


def _tile(pixels: NDArray[np.float32], heat: NDArray[np.float32], truth: str) -> Any:
    side = (_TILE_PX, _TILE_PX)
    grey = cv2.resize(np.rint(pixels * 255).astype(np.uint8), side)
    hot = cv2.resize(np.rint(heat * 255).astype(np.uint8), side)
    colour = cv2.applyColorMap(hot, cv2.COLORMAP_INFERNO)
    tile = cv2.addWeighted(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), 0.6, colour, 0.4, 0)
    cv2.putText(tile, truth, (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255,) * 3, 1)
    return tile
