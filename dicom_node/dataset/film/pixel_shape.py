"""The shape of a film's pixels: how much taller than wide they are (PS3.3 10.7.1.1).

Whoever draws stored pixels as squares squashes a film whose pixels are not square.
"""

from pydicom.dataset import Dataset

from dicom_node.dataset.attributes import numbers

_TELLING = (
    "PixelSpacing",
    "ImagerPixelSpacing",
    "NominalScannedPixelSpacing",
    "PixelAspectRatio",
)
_PAIR = 2
# Less than that is how spacings are rounded; more, no device makes.
_SQUARE, _LONGEST = 1.02, 4.0


def aspect_of(dataset: Dataset) -> float | None:
    """Height over width of a stored pixel.

    Returns
    -------
        1.0 where it is square or the header does not say; ``None`` where what the
        header says is impossible.
    """
    pairs = (numbers(dataset, keyword) for keyword in _TELLING)
    pair = next((each for each in pairs if len(each) == _PAIR and min(each) > 0), None)
    if pair is None:
        return 1.0
    aspect = pair[0] / pair[1]
    long = max(aspect, 1 / aspect)
    if long < _SQUARE:
        return 1.0
    return aspect if long <= _LONGEST else None
