"""Random changes of grey, and the ways a frontal film is spoilt on purpose."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.training.recipe.showing import AugmentationRecipe

Grey = NDArray[np.uint8]
Change = Callable[[Grey, np.random.Generator], Grey]

_LETTERS = ("L", "R", "AP", "PA", "SUPINE", "PORTABLE", "A", "B", "ERECT", "1", "->")


def change_grey(
    image: Grey, augmentation: AugmentationRecipe, rng: np.random.Generator
) -> Grey:
    """Apply each change with its probability, tone last but for compression."""
    changes: tuple[tuple[float, Change], ...] = (
        (augmentation.coarse, _coarse),
        (augmentation.clahe, _clahe),
        (augmentation.blur, _blur),
        (augmentation.sharpen, _sharpen),
        (augmentation.burn_in, _burn_in),
    )
    for probability, change in changes:
        if rng.random() < probability:
            image = change(image, rng)
    image = _tone(image, augmentation, rng)
    if rng.random() < augmentation.noise:
        image = _noise(image, rng)
    return _jpeg(image, rng) if rng.random() < augmentation.jpeg else image


def spoil(image: Grey, rng: np.random.Generator) -> Grey:
    """Turn, invert or cut a frontal film so that it must be refused."""
    choice = int(rng.integers(6))
    if choice < 3:  # noqa: PLR2004  a quarter, half or three quarters of a turn
        return np.ascontiguousarray(np.rot90(image, choice + 1))
    if choice == 3:  # noqa: PLR2004  one of six ways, or a chance
        return np.asarray(255 - image, np.uint8)
    size = image.shape[0]
    if choice == 4:  # noqa: PLR2004  one of six ways, or a chance
        return _limb(size, rng)
    side = int(size * rng.uniform(0.15, 0.3))
    top, left = rng.integers(0, size - side, 2)
    patch = image[top : top + side, left : left + side]
    return np.asarray(cv2.resize(patch, (size, size)), np.uint8)


def _limb(size: int, rng: np.random.Generator) -> Grey:
    """Draw bright shafts in grey sleeves on black, as limbs look."""
    canvas = np.zeros((size, size), np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        start = rng.uniform(0.1, 0.9, 2) * size
        turn, length = rng.uniform(0, np.pi), rng.uniform(0.3, 1.2) * size
        reach = np.array([np.cos(turn), np.sin(turn)]) * length
        first, last = np.rint([start - reach, start + reach]).astype(int).tolist()
        wide = int(size * rng.uniform(0.08, 0.3))
        tone = int(rng.integers(40, 150))
        cv2.line(canvas, first, last, tone, wide)
        bone = min(255, tone + int(rng.integers(40, 105)))
        cv2.line(canvas, first, last, bone, wide // 3)
    soft = cv2.GaussianBlur(canvas, (0, 0), size * float(rng.uniform(0.005, 0.03)))
    return np.asarray(soft, np.uint8)


def _tone(
    image: Grey, augmentation: AugmentationRecipe, rng: np.random.Generator
) -> Grey:
    """Gamma, contrast and brightness as one table; black padding stays black."""
    gamma = np.exp(rng.uniform(-1, 1) * augmentation.gamma)
    gain = 1 + rng.uniform(-1, 1) * augmentation.contrast
    shift = rng.uniform(-1, 1) * augmentation.brightness
    table = (np.linspace(0, 1, 256) ** gamma - 0.5) * gain + 0.5 + shift
    table[0] = 0
    return np.asarray(
        cv2.LUT(image, np.rint(np.clip(table, 0, 1) * 255).astype(np.uint8)), np.uint8
    )


def _coarse(image: Grey, rng: np.random.Generator) -> Grey:
    size = image.shape[0]
    small = int(size * rng.uniform(0.4, 0.9))
    reduced = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(reduced, (size, size)), np.uint8)


def _clahe(image: Grey, rng: np.random.Generator) -> Grey:
    clahe = cv2.createCLAHE(clipLimit=float(rng.uniform(1, 3)), tileGridSize=(8, 8))
    return np.where(image == 0, image, clahe.apply(image)).astype(np.uint8)


def _blur(image: Grey, rng: np.random.Generator) -> Grey:
    sigma = float(rng.uniform(0.4, 1.3))
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def _sharpen(image: Grey, rng: np.random.Generator) -> Grey:
    amount = float(rng.uniform(0.3, 1.2))
    soft = cv2.GaussianBlur(image, (0, 0), 2.0)
    return np.asarray(cv2.addWeighted(image, 1 + amount, soft, -amount, 0), np.uint8)


def _noise(image: Grey, rng: np.random.Generator) -> Grey:
    grain = rng.standard_normal(image.shape, np.float32) * rng.uniform(1, 8)
    noisy = np.clip(image + grain, 0, 255)
    return np.where(image == 0, 0, noisy).astype(np.uint8)


def _jpeg(image: Grey, rng: np.random.Generator) -> Grey:
    quality = int(rng.integers(35, 95))
    _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)


def _burn_in(image: Grey, rng: np.random.Generator) -> Grey:
    """Write side markers or draw a frame, as on many films."""
    image, size = image.copy(), image.shape[0]
    grey = int(rng.integers(150, 256))
    if rng.random() < 0.3:  # noqa: PLR2004  one of six ways, or a chance
        width = int(rng.integers(1, max(2, size // 40)))
        corner = (size - 1, size - 1)
        tone = grey if rng.random() < 0.5 else 0  # noqa: PLR2004  one of six ways, or a chance
        cv2.rectangle(image, (0, 0), corner, tone, width)
    for _ in range(int(rng.integers(1, 4))):
        place = (int(rng.integers(0, size)), int(rng.integers(size // 20, size)))
        text = _LETTERS[int(rng.integers(len(_LETTERS)))]
        scale = size / 512 * float(rng.uniform(0.4, 1.2))
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, grey, 1)
    return image
