"""Pictures of films: examples of each class, and one film as training may show it."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.frame import Frame
from inference.training.data.render import Rendered, render
from inference.training.data.samples import Sample
from inference.training.data.transforms import example
from inference.training.explore.gather import Glance, ReadFilm
from inference.training.explore.plots import LABELS
from inference.training.recipe.data import DataRecipe
from inference.training.recipe.showing import AugmentationRecipe

Colour = NDArray[np.uint8]

_TILE_PX, _EACH, _ACROSS = 220, 5, 5
_BOX = (0, 220, 255)
_STILL = AugmentationRecipe(
    rotation_deg=0,
    shear_deg=0,
    translation=0,
    scale=(1, 1),
    flip=0,
    gamma=0,
    contrast=0,
    brightness=0,
    blur=0,
    sharpen=0,
    noise=0,
    jpeg=0,
    coarse=0,
    clahe=0,
    burn_in=0,
    spoil=0,
)
_CHANGES: Mapping[str, dict[str, float | tuple[float, float]]] = {
    "rotation": {"rotation_deg": 20},
    "shear": {"shear_deg": 15},
    "translation": {"translation": 0.15},
    "scale": {"scale": (0.7, 0.75)},
    "aspect": {"aspect": 0.5},
    "flip": {"flip": 1},
    "gamma": {"gamma": 0.8},
    "contrast": {"contrast": 0.6},
    "brightness": {"brightness": 0.3},
    "blur": {"blur": 1},
    "sharpen": {"sharpen": 1},
    "noise": {"noise": 1},
    "jpeg": {"jpeg": 1},
    "coarse": {"coarse": 1},
    "clahe": {"clahe": 1},
    "burn in": {"burn_in": 1},
    "spoil": {"spoil": 1},
}


def draw_films(
    folder: Path, seen: Sequence[Glance], read_film: ReadFilm
) -> dict[str, Path]:
    """Draw the pages of films; gives the files by their titles."""
    paths = {}
    for label in LABELS:
        some = _some([one for one in seen if one.label == label])
        if some:
            tiles = [
                _example(one.sample, read_film(one.sample.path)[0]) for one in some
            ]
            paths[f"Examples: {label}"] = _write(folder / f"films-{label}.png", tiles)
    drawn = [one for one in seen if one.sample.opacities and one.sample.frontal]
    shown = (_some(drawn) or _some(seen))[0].sample
    frame = read_film(shown.path)[0]
    paths["One film under every normalisation"] = _write(
        folder / "normalisations.png", _normalisations(shown, frame)
    )
    paths["The same film under every augmentation, strong enough to be seen"] = _write(
        folder / "augmentations.png", _augmentations(shown, frame)
    )
    return paths


def _some(seen: Sequence[Glance]) -> list[Glance]:
    """Take a few, in an order that means nothing."""
    return sorted(seen, key=lambda one: sha256(one.sample.key.encode()).digest())[
        :_EACH
    ]


def _example(sample: Sample, frame: Frame) -> Colour:
    rendered = render(sample, frame, _TILE_PX, "none")
    tile = np.asarray(cv2.cvtColor(rendered.image, cv2.COLOR_GRAY2BGR), np.uint8)
    for x, y, width, height in np.rint(rendered.boxes).astype(int).tolist():
        cv2.rectangle(tile, (x, y), (x + width, y + height), _BOX, 1)
    return _named(tile, sample.source[:26])


def _normalisations(sample: Sample, frame: Frame) -> list[Colour]:
    stretched = {
        kind: render(sample, frame, _TILE_PX, kind).image
        for kind in ("none", "histogram", "clahe")
    }
    stored = _square(np.rint(np.clip(frame.pixels, 0, 1) * 255).astype(np.uint8))
    tiles = [_named(_grey(stored), "as it is stored")]
    words = {"none": "none (percentiles)", "histogram": "histogram", "clahe": "CLAHE"}
    return [*tiles, *(_named(_grey(stretched[k]), words[k]) for k in words)]


def _square(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    factor = _TILE_PX / max(grey.shape)
    sides = (max(1, int(grey.shape[1] * factor)), max(1, int(grey.shape[0] * factor)))
    square = np.zeros((_TILE_PX, _TILE_PX), np.uint8)
    square[: sides[1], : sides[0]] = cv2.resize(
        grey, sides, interpolation=cv2.INTER_AREA
    )
    return square


def _augmentations(sample: Sample, frame: Frame) -> list[Colour]:
    rendered = render(sample, frame, 2 * _TILE_PX, "none")
    tiles = [_shown(sample, rendered, "as it is", {})]
    tiles += [
        _shown(sample, rendered, name, change) for name, change in _CHANGES.items()
    ]
    return tiles


def _shown(
    sample: Sample,
    rendered: Rendered,
    name: str,
    change: dict[str, float | tuple[float, float]],
) -> Colour:
    made = example(
        sample,
        rendered,
        _TILE_PX,
        DataRecipe(),
        _STILL.model_copy(update=change),
        np.random.default_rng(5),
    )
    return _named(_grey(np.rint(made.image * 255).astype(np.uint8)), name)


def _grey(image: NDArray[np.uint8]) -> Colour:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)


def _named(tile: Colour, text: str) -> Colour:
    strip = np.full((20, tile.shape[1], 3), 30, np.uint8)
    cv2.putText(strip, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255,) * 3, 1)
    return np.vstack((strip, tile))


def _write(path: Path, tiles: list[Colour]) -> Path:
    across = min(_ACROSS, len(tiles))
    whole = [*tiles, *[np.zeros_like(tiles[0])] * (-len(tiles) % across)]
    rows = [np.hstack(whole[at : at + across]) for at in range(0, len(whole), across)]
    cv2.imwrite(str(path), np.vstack(rows))
    return path
