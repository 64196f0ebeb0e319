"""Films that are one film: the same picture in two collections, or twice in one.

Collections share films under other names, trimmed, squeezed to a square or compressed
again. All chests are alike in their coarse shading, which therefore only picks the
pairs that are worth a closer look; what tells two chests apart are ribs and vessels,
and these are compared at any small shift.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.errors import TrainingError
from inference.training.data.batches import cached_px
from inference.training.data.render import Grey, RenderCache
from inference.training.data.samples import Sample
from inference.training.recipe.recipe import Recipe

logger = logging.getLogger(__name__)

_DARK = 12  # grey level of a shutter's border, of 255
_LIT = 0.2  # of the brightest row's or column's count: less is border
_COARSE_PX, _COARSE_SHADING_PX = 32, 3.0
_FINE_PX, _FINE_SHADING_PX = 64, 1.5
_SHIFT_PX = 5  # of the 64, either way
_WORTH_A_LOOK = 0.8
# Of 9,224 real films one exposure in two versions reaches it; two drawn chests 0.89.
_ALIKE = 0.9
_FLAT = 2.0  # grey levels: less contrast is grain
_ROWS = 1024  # compared at a time
_FEW_ROWS = 128  # where all are compared with all, of tens of thousands

Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Print:
    """What a film is recognised by.

    Parameters
    ----------
    coarse
        float32 (1024,) of length 1.
    fine
        float32 (64, 64).
    """

    coarse: Float
    fine: Float


def fingerprint(picture: Grey) -> Print:
    """Reduce a picture to what tells it from others.

    Parameters
    ----------
    picture
        uint8 (rows, columns), without padding; its shape does not matter.
    """
    proper = _without_shutter(picture)
    coarse = _detail(proper, _COARSE_PX, _COARSE_SHADING_PX).ravel()
    length = max(float(np.linalg.norm(coarse)), 1e-9)
    fine = _detail(proper, _FINE_PX, _FINE_SHADING_PX)
    return Print(np.asarray(coarse / length, np.float32), fine)


def _without_shutter(picture: Grey) -> Grey:
    lit = picture > _DARK
    if not lit.any():
        return picture
    (top, bottom), (left, right) = (_extent(lit.sum(axis=axis)) for axis in (1, 0))
    return picture[top:bottom, left:right]


def _extent(counts: NDArray[np.int64]) -> tuple[int, int]:
    """First and one past the last of the rows, or columns, that hold picture."""
    held = np.flatnonzero(counts > _LIT * counts.max())
    return int(held[0]), int(held[-1]) + 1


def _detail(picture: Grey, side_px: int, shading_px: float) -> Float:
    """Take shading away and make what is left equally strong everywhere."""
    small = cv2.resize(picture, (side_px, side_px), interpolation=cv2.INTER_AREA)
    grey = small.astype(np.float32)
    detail = grey - cv2.GaussianBlur(grey, (0, 0), shading_px)
    strength = np.sqrt(cv2.GaussianBlur(detail**2, (0, 0), 2 * shading_px))
    return np.asarray(detail / (strength + _FLAT), np.float32)


def twins(films: Sequence[Print], others: Sequence[Print]) -> NDArray[np.bool_]:
    """Tell which of the films are the same picture as one of the others.

    Returns
    -------
        bool (number of films,).
    """
    found = np.zeros(len(films), np.bool_)
    if not films or not others:
        return found
    against = np.array([one.coarse for one in others]).T
    for start in range(0, len(films), _ROWS):
        block = np.array([one.coarse for one in films[start : start + _ROWS]])
        for row, column in np.argwhere(block @ against >= _WORTH_A_LOOK).tolist():
            place = start + row
            found[place] |= _alike(films[place], others[column])
    return found


def pairs(
    coarse: NDArray[np.float16], print_of: Callable[[int], Print]
) -> Iterator[tuple[int, int]]:
    """Find the pairs of films, first before second, that are one picture.

    Parameters
    ----------
    coarse
        float16 (films, 1024), the coarse prints; what else is needed is asked for.
    print_of
        Gives the print of a film by its place.
    """
    across = coarse.T.astype(np.float32)
    for start in range(0, len(coarse), _FEW_ROWS):
        block = coarse[start : start + _FEW_ROWS].astype(np.float32) @ across
        for row, column in np.argwhere(block >= _WORTH_A_LOOK).tolist():
            first = start + row
            if first < column and _alike(print_of(first), print_of(column)):
                yield first, column


def _alike(one: Print, other: Print) -> bool:
    """Compare the details of two films at the best small shift."""
    inner = slice(_SHIFT_PX, -_SHIFT_PX)
    part = np.ascontiguousarray(other.fine[inner, inner])
    if not part.any() or not one.fine.any():
        return False  # a blank picture is like no other
    scores = cv2.matchTemplate(one.fine, part, cv2.TM_CCOEFF_NORMED)
    return bool(scores.max() >= _ALIKE)


def apart(
    learned: Sequence[Sample],
    held_out: Sequence[Sample],
    cache: RenderCache,
    recipe: Recipe,
) -> list[Sample]:
    """Leave out what may be a held-out film, or of a held-out patient, by another name.

    Parameters
    ----------
    learned, held_out
        Films of the folds that are learned from, and of those that are not.
    cache
        Films at the size of the recipe's network.
    recipe
        Says whether to look.

    Raises
    ------
    TrainingError
        Nothing is left to learn from.
    """
    if not held_out:
        return list(learned)
    kept = list(learned)
    if not recipe.data.unknown_patients:
        kept = [one for one in kept if one.patient_known]
    if recipe.data.near_duplicates == "apart":
        size = cached_px(recipe.network.input_px)
        mine = [fingerprint(cache.picture(one, size)) for one in kept]
        theirs = [fingerprint(cache.picture(one, size)) for one in held_out]
        same = twins(mine, theirs)
        kept = [one for one, twin in zip(kept, same, strict=True) if not twin]
    if not kept:
        raise TrainingError("recipe: data: every film is like one that is held out")
    logger.info(
        "%d of %d films are left out: of unknown patients, or twins of held-out films",
        len(learned) - len(kept),
        len(learned),
        extra={"action": "train"},
    )
    return kept
