"""A page of held-out films with truth and answer drawn on them, to be looked at."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from inference.tasks.opacity.prediction import Prediction
from inference.training.architectures.architecture import Architecture
from inference.training.architectures.table import architecture_of
from inference.training.data.dataset import Sample
from inference.training.data.render import RenderCache
from inference.training.data.transforms import Example, example
from inference.training.recipe.recipe import Recipe

Colour = NDArray[np.uint8]

_COLUMNS = 4
_TILE_PX = 320
_THRESHOLD = 0.5
_LINES = ((60, 60, 255), (255, 190, 60), (60, 220, 60))  # BGR: opacity, right, left
_BOX = (0, 255, 255)
_LEGEND_PX = 28
_LEGEND = (
    ("left: truth, right: answer", (255, 255, 255)),
    ("opacity", _LINES[0]),
    ("right lung", _LINES[1]),
    ("left lung", _LINES[2]),
    ("one opacity", _BOX),
)


def draw_overlays(
    net: nn.Module,
    samples: Sequence[Sample],
    cache: RenderCache,
    recipe: Recipe,
    path: Path,
) -> None:
    """Write one page: truth at the left of each pair, the answer at its right."""
    if not samples:
        return
    size, architecture = recipe.network.input_px, architecture_of(recipe.network)
    tiles = []
    with torch.inference_mode():
        for sample in samples:
            shown = example(sample, cache.get(sample, size), size, recipe.data)
            tiles.append(_pair(architecture, net, shown))
    blank = np.zeros_like(tiles[0])
    tiles += [blank] * (-len(tiles) % (_COLUMNS // 2))
    rows = [
        np.hstack(tiles[start : start + _COLUMNS // 2])
        for start in range(0, len(tiles), _COLUMNS // 2)
    ]
    cv2.imwrite(str(path), np.vstack([_legend(rows[0].shape[1]), *rows]))


def _legend(width: int) -> Colour:
    """Say what the colours mean."""
    strip = np.zeros((_LEGEND_PX, width, 3), np.uint8)
    at = 6
    for text, colour in _LEGEND:
        cv2.putText(strip, text, (at, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1)
        at += 30 + 8 * len(text)
    return strip


def _pair(
    architecture: Architecture[Any, Any], net: nn.Module, shown: Example
) -> Colour:
    device = next(net.parameters()).device
    image = torch.from_numpy(shown.image)[None, None].to(device)
    (outputs,) = architecture.outputs(net, image)
    answer = Prediction.of(outputs)
    truth = _tile(shown, shown.truth * (shown.weight > 0), shown.boxes)
    said = _tile(shown, answer.dense, answer.boxes[answer.scores > _THRESHOLD])
    text = f"opacity {float(answer.image[0]):.2f}"
    cv2.putText(said, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255,) * 3, 1)
    return np.hstack((truth, said))


def _tile(
    shown: Example, planes: NDArray[np.float32], boxes: NDArray[np.float32]
) -> Colour:
    grey = cv2.resize(shown.image, (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_AREA)
    tile = cv2.cvtColor(np.rint(grey * 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    for plane, colour in zip(planes, _LINES, strict=True):
        large = cv2.resize(plane, (_TILE_PX, _TILE_PX))
        inside = (large > _THRESHOLD).astype(np.uint8)
        found = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(tile, found[0], -1, colour, 1)
    for x1, y1, x2, y2 in np.rint(boxes * _TILE_PX / shown.image.shape[0]).astype(int):
        cv2.rectangle(tile, (int(x1), int(y1)), (int(x2), int(y2)), _BOX, 1)
    return np.asarray(tile, np.uint8)
