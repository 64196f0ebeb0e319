"""How a picture is wanted: window, viewport, quality (DICOM PS3.18 8.3.5)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Request
from PIL import Image

from dicom_node.dataset.pixels.rendering import Function, Window
from dicom_node.web.dicomweb.resources import refused

THUMBNAIL_PX = 128
LARGEST_PX = 4096
_USUAL_QUALITY, _BEST_QUALITY, _DIGITS = 90, 100, 3
_FUNCTIONS: dict[str, Function] = {
    "linear": "LINEAR",
    "linear-exact": "LINEAR_EXACT",
    "sigmoid": "SIGMOID",
}
_WINDOW_PARTS = (2, 3)
_VIEWPORT_PARTS = (2, 6)


@dataclass(frozen=True, slots=True)
class Viewport:
    """Into what size a picture fits, and which part of it.

    Parameters
    ----------
    width, height
        Pixels.
    region
        Left, top, width and height in the picture; negative sizes are mirrored, and
        ``None`` is what the picture has.
    """

    width: int
    height: int
    region: Sequence[float | None] = (None, None, None, None)

    def shown(self, picture: Image.Image) -> Image.Image:
        """Cut, mirror and scale; the proportions stay."""
        left, top, width, height = (
            given if given is not None else otherwise
            for given, otherwise in zip(self.region, (0, 0, *picture.size), strict=True)
        )
        box = (left, top, left + abs(width), top + abs(height))
        inside = tuple(
            min(max(round(edge), 0), limit)
            for edge, limit in zip(box, picture.size * 2, strict=True)
        )
        if inside[2] <= inside[0] or inside[3] <= inside[1]:
            raise refused("The viewport shows nothing of the picture")
        shown = picture.crop((inside[0], inside[1], inside[2], inside[3]))
        if width < 0:
            shown = shown.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if height < 0:
            shown = shown.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        scale = min(self.width / shown.width, self.height / shown.height)
        size = (max(1, round(shown.width * scale)), max(1, round(shown.height * scale)))
        return shown.resize(size, Image.Resampling.BILINEAR)


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a picture is wanted."""

    window: Window | None
    viewport: Viewport | None
    quality: int


def wanted_picture(request: Request, *, is_thumbnail: bool = False) -> Wanted:
    """Read the parameters of a request.

    Raises
    ------
    HTTPException
        400, with the name of the one that is wrong.
    """
    query = request.query_params
    viewport = _viewport(query.get("viewport"))
    if viewport is None and is_thumbnail:
        viewport = Viewport(THUMBNAIL_PX, THUMBNAIL_PX)
    return Wanted(
        window_of(query.get("window")), viewport, quality_of(query.get("quality"))
    )


def window_of(asked: str | None) -> Window | None:
    """Read ``center,width`` or ``center,width,function``."""
    if not asked:
        return None
    parts = [part.strip() for part in asked.split(",")]
    function = parts[2].lower() if len(parts) == _WINDOW_PARTS[1] else "linear"
    if len(parts) not in _WINDOW_PARTS or function not in _FUNCTIONS:
        raise refused("window is center,width or center,width,function")
    center, width = _number("window", parts[0]), _number("window", parts[1])
    if width <= 0 or (function == "linear" and width < 1):
        raise refused("The width of a window is from 1")
    return Window(center, width, _FUNCTIONS[function])


def quality_of(asked: str | None) -> int:
    """Read a quality from 1 to 100."""
    if not asked:
        return _USUAL_QUALITY
    is_number = asked.isascii() and asked.isdecimal() and len(asked) <= _DIGITS
    if not is_number or not 1 <= int(asked) <= _BEST_QUALITY:
        raise refused("quality is a number from 1 to 100")
    return int(asked)


def size_of(name: str, asked: str) -> int:
    """Read a size in pixels."""
    size = _number(name, asked)
    if not 1 <= size <= LARGEST_PX:
        raise refused(f"{name} is from 1 to {LARGEST_PX} pixels")
    return int(size)


def _viewport(asked: str | None) -> Viewport | None:
    if not asked:
        return None
    parts = [part.strip() for part in asked.split(",")]
    if len(parts) not in _VIEWPORT_PARTS:
        raise refused("viewport is width,height or width,height,left,top,width,height")
    region = [_number("viewport", part) if part else None for part in parts[2:]]
    return Viewport(
        size_of("viewport", parts[0]),
        size_of("viewport", parts[1]),
        tuple(region) or (None, None, None, None),
    )


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise refused(f"{name} has a number that is none") from error
    if not math.isfinite(number):
        raise refused(f"{name} has a number that is none")
    return number
