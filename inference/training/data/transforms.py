"""From a rendered sample to what the network is shown, with random changes.

One affine map moves picture, masks and boxes together; a mirror image swaps the
lungs. Everything is drawn from the generator that is passed in, so that the same
seed shows the same pictures.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.training.data.dataset import Sample
from inference.training.data.photometry import change_grey, spoil
from inference.training.data.planes import Drawn, between_lungs, opacity_plane
from inference.training.data.render import Grey, Rendered
from inference.training.data.synthesis import add_opacity
from inference.training.recipe.data import DataRecipe
from inference.training.recipe.showing import AugmentationRecipe

Float = NDArray[np.float32]
Matrix = NDArray[np.float64]

_HALF_GREY = 127
_MIN_MASK_PX = 12
_MIN_BOX_PX = 4.0
_VISIBLE = 0.3


@dataclass(frozen=True, slots=True)
class Example:
    """One training example at input size S.

    Parameters
    ----------
    image
        float32 (S, S) in [0, 1].
    truth, weight
        float32 (3, S/2, S/2): opacity, right lung, left lung.
    overlap
        bool (3,): the region is drawn exactly and not empty.
    boxes
        float32 (M, 4) x1 y1 x2 y2, 0 <= x1 < x2 <= S.
    masks
        uint8 (M, S, S); empty where ``has_mask`` is False.
    has_mask
        bool (M,).
    ignored
        float32 (K, 4): boxes that are neither opacity nor background.
    known, exhaustive
        Whether opacities were looked for, and all of them drawn.
    image_truth, image_weight
        float32 (2,): any opacity, frontal.
    """

    image: Float
    truth: Float
    weight: Float
    overlap: NDArray[np.bool_]
    boxes: Float
    masks: Grey
    has_mask: NDArray[np.bool_]
    ignored: Float
    known: bool
    exhaustive: bool
    image_truth: Float
    image_weight: Float


def example(
    sample: Sample,
    rendered: Rendered,
    size_px: int,
    data: DataRecipe,
    augmentation: AugmentationRecipe | None = None,
    rng: np.random.Generator | None = None,
) -> Example:
    """Make one example; without augmentation exactly what serving sees."""
    if augmentation is None or rng is None:
        affine, flipped = _scaling(size_px / rendered.image.shape[0]), False
    else:
        rendered, sample = _synthesised(sample, rendered, augmentation, rng)
        affine, flipped = _random_affine(rendered, size_px, augmentation, rng)
    image = _warp(rendered.image, affine, size_px)
    frontal, spoiled = sample.frontal, False
    if augmentation is not None and rng is not None:
        image = change_grey(image, augmentation, rng)
        if frontal and rng.random() < augmentation.spoil:
            image, spoiled = spoil(image, rng), True
    pixels = np.asarray(image / 255, np.float32)
    if spoiled or not frontal:
        return _not_frontal(pixels)
    lungs = (rendered.right_lung, rendered.left_lung)
    right, left = lungs[::-1] if flipped else lungs
    drawn = _opacities(rendered, affine, size_px, data)
    return _assemble(sample, pixels, (right, left), affine, drawn, data)


def _synthesised(
    sample: Sample,
    rendered: Rendered,
    augmentation: AugmentationRecipe,
    rng: np.random.Generator,
) -> tuple[Rendered, Sample]:
    if augmentation.synthetic <= 0 or rng.random() >= augmentation.synthetic:
        return rendered, sample
    return add_opacity(sample, rendered, rng)


def _scaling(factor: float) -> Matrix:
    return np.array([[factor, 0, 0], [0, factor, 0], [0, 0, 1]], np.float64)


def _random_affine(
    rendered: Rendered,
    size_px: int,
    augmentation: AugmentationRecipe,
    rng: np.random.Generator,
) -> tuple[Matrix, bool]:
    """Rotate, shear, scale, mirror and shift about the picture's centre."""
    angle, shear = np.deg2rad(
        rng.uniform(-1, 1, 2) * (augmentation.rotation_deg, augmentation.shear_deg)
    )
    zoom = np.exp(rng.uniform(*np.log(augmentation.scale)))
    flipped = bool(rng.random() < augmentation.flip)
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    turn = zoom * turn @ np.array([[1, np.tan(shear)], [0, 1]])
    if augmentation.aspect > 0:
        squeeze = np.exp(rng.uniform(-1, 1) * augmentation.aspect / 2)
        turn = turn @ np.diag([squeeze, 1 / squeeze])
    if flipped:
        turn = turn @ np.diag([-1.0, 1.0])
    centre = np.array([rendered.inner_columns, rendered.inner_rows]) / 2
    shift = rng.uniform(-1, 1, 2) * augmentation.translation * rendered.image.shape[0]
    about = np.eye(3)
    about[:2, :2] = turn
    about[:2, 2] = centre + shift - turn @ centre
    return _scaling(size_px / rendered.image.shape[0]) @ about, flipped


def _warp(grey: Grey, affine: Matrix, size_px: int) -> Grey:
    """Apply a map of pixel edges (0 is the outer edge of the first pixel)."""
    centre, back = np.eye(3), np.eye(3)
    centre[:2, 2], back[:2, 2] = 0.5, -0.5
    matrix = back @ affine @ centre
    if np.allclose(matrix, np.eye(3)) and grey.shape[0] == size_px:
        return grey.copy()
    warped = cv2.warpAffine(
        grey, matrix[:2], (size_px, size_px), flags=cv2.INTER_LINEAR, borderValue=0.0
    )
    return np.asarray(warped, np.uint8)


def _opacities(
    rendered: Rendered, affine: Matrix, size_px: int, data: DataRecipe
) -> Drawn:
    boxes: list[Float] = []
    masks: list[Grey | None] = []
    complete = True
    for box, mask in zip(rendered.boxes, rendered.masks, strict=True):
        if mask is not None:
            warped = (_warp(mask, affine, size_px) > _HALF_GREY).astype(np.uint8)
            found = _box_of(warped)
            if found is not None:
                boxes.append(found)
                masks.append(warped)
            continue
        found, visible = _moved_box(box, affine, size_px, data.box_shrink)
        if visible:
            boxes.append(found)
            masks.append(None)
        else:
            complete = False
    moved = (_moved_box(box, affine, size_px, 1.0) for box in rendered.ignored)
    return Drawn(boxes, masks, complete, [box for box, visible in moved if visible])


def _box_of(mask: Grey) -> Float | None:
    if int(mask.sum()) < _MIN_MASK_PX:
        return None
    x, y, width, height = cv2.boundingRect(mask)
    return np.array([x, y, x + width, y + height], np.float32)


def _moved_box(
    box: NDArray[np.float64], affine: Matrix, size_px: int, shrink: float
) -> tuple[Float, bool]:
    """Bounds of the box's ellipse after the map: turning does not blow it up."""
    half = box[2:] / 2 * shrink
    centre = affine[:2, :2] @ (box[:2] + box[2:] / 2) + affine[:2, 2]
    reach = np.sqrt(((affine[:2, :2] * half) ** 2).sum(axis=1))
    whole = np.concatenate((centre - reach, centre + reach))
    cut = np.clip(whole, 0, size_px).astype(np.float32)
    sides = cut[2:] - cut[:2]
    share = float(np.prod(sides) / max(np.prod(2 * reach), 1e-9))
    return cut, bool(share >= _VISIBLE and sides.min() >= _MIN_BOX_PX)


def _not_frontal(pixels: Float) -> Example:
    """Nothing is known about it but that it is no frontal film."""
    size = pixels.shape[0]
    half = (3, size // 2, size // 2)
    return Example(
        image=pixels,
        truth=np.zeros(half, np.float32),
        weight=np.zeros(half, np.float32),
        overlap=np.zeros(3, np.bool_),
        boxes=np.zeros((0, 4), np.float32),
        masks=np.zeros((0, size, size), np.uint8),
        has_mask=np.zeros(0, np.bool_),
        ignored=np.zeros((0, 4), np.float32),
        known=False,
        exhaustive=False,
        image_truth=np.zeros(2, np.float32),
        image_weight=np.array([0, 1], np.float32),
    )


def _assemble(
    sample: Sample,
    pixels: Float,
    lungs: tuple[Grey | None, Grey | None],
    affine: Matrix,
    drawn: Drawn,
    data: DataRecipe,
) -> Example:
    size = pixels.shape[0]
    half = (3, size // 2, size // 2)
    truth, weight = np.zeros(half, np.float32), np.zeros(half, np.float32)
    overlap = np.zeros(3, np.bool_)
    exhaustive = sample.exhaustive and drawn.complete
    if sample.opacity_known:
        masked = [mask is not None for mask in drawn.masks]
        # a mask that is only part of an opacity has more of it around
        around = exhaustive and (sample.outlined or not any(masked))
        truth[0], weight[0] = opacity_plane(drawn, half[1], data, exhaustive=around)
        overlap[0] = around and all(masked) and bool(truth[0].any())
    planes = [_half(lung, affine, half[1]) for lung in lungs]
    ignored = between_lungs(planes) if sample.heart_excluded else None
    for channel, plane in enumerate(planes, start=1):
        if plane is None:
            weight[channel] = float(data.partial_labels == "naive")
            continue
        truth[channel] = plane
        weight[channel] = 1.0 if ignored is None else ~ignored
        overlap[channel] = bool(plane.any())
    masks = [np.zeros((size, size), np.uint8) if m is None else m for m in drawn.masks]
    return Example(
        image=pixels,
        truth=truth,
        weight=weight,
        overlap=overlap,
        boxes=np.array(drawn.boxes, np.float32).reshape(-1, 4),
        masks=np.array(masks, np.uint8).reshape(-1, size, size),
        has_mask=np.array([mask is not None for mask in drawn.masks], np.bool_),
        ignored=np.array(drawn.ignored, np.float32).reshape(-1, 4),
        known=sample.opacity_known,
        exhaustive=exhaustive,
        image_truth=np.array([bool(sample.positive), 1], np.float32),
        image_weight=np.array([sample.positive is not None, 1], np.float32),
    )


def _half(grey: Grey | None, affine: Matrix, size_px: int) -> Float | None:
    if grey is None:
        return None
    plane = _warp(grey, _scaling(0.5) @ affine, size_px)
    return np.asarray(plane / 255, np.float32)
