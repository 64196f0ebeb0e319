r"""Frame: one radiograph as the model sees it, and the way back to the source.

``pixels`` stand upright with the patient's right at the picture's left (Patient
Orientation ``L\F``, DICOM PS3.3 C.7.6.1.1.1); ``orientation`` undoes that for
masks and points that must lie on the source pixel grid.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Orientation:
    """How the source grid was turned to become upright.

    Applied in this order: transpose, then flip rows, then flip columns.

    Parameters
    ----------
    transpose
        Rows and columns change places.
    flip_rows
        The picture is turned upside down.
    flip_columns
        The picture is mirrored left to right.
    """

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    def upright(self, source: NDArray[np.generic]) -> NDArray[np.generic]:
        """Turn an array on the source grid upright (a view)."""
        out = source.T if self.transpose else source
        if self.flip_rows:
            out = out[::-1, :]
        return out[:, ::-1] if self.flip_columns else out

    def to_source(self, upright: NDArray[np.generic]) -> NDArray[np.generic]:
        """Turn an upright array back to the source grid (a view)."""
        out = upright[:, ::-1] if self.flip_columns else upright
        if self.flip_rows:
            out = out[::-1, :]
        return out.T if self.transpose else out


@dataclass(frozen=True, slots=True)
class Frame:
    """A radiograph ready for the network.

    Parameters
    ----------
    pixels
        float32 (rows, columns) in [0, 1], upright, bright = dense, after Modality
        LUT, VOI LUT and photometric interpretation.
    padding
        bool (rows, columns), True where the source says there is no image (Pixel
        Padding, PS3.3 C.7.5.1.1.2); ``None`` when nowhere.
    pixel_spacing_mm
        (between rows, between columns) of ``pixels``, upright, only when calibrated
        in the patient (Pixel Spacing); ``None`` otherwise: Imager Pixel Spacing is
        magnified and must not be used for areas.
    orientation
        The way back to the source grid.
    remarks
        Sentences about image quality that belong in the report.
    picture
        Rows and columns that hold picture, where a frame around it does not;
        ``None`` for all of them. The network is shown nothing else.
    aspect
        Height of a pixel over its width, upright: 1 where pixels are square.
    """

    pixels: NDArray[np.float32]
    padding: NDArray[np.bool_] | None = None
    pixel_spacing_mm: tuple[float, float] | None = None
    orientation: Orientation = field(default_factory=Orientation)
    remarks: tuple[str, ...] = ()
    picture: tuple[slice, slice] | None = None
    aspect: float = 1.0

    @property
    def rows(self) -> int:
        """Height in pixels, upright."""
        return int(self.pixels.shape[0])

    @property
    def columns(self) -> int:
        """Width in pixels, upright."""
        return int(self.pixels.shape[1])
