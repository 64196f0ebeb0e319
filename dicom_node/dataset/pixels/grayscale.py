"""Stored values -> shown grey, as one table with an entry for every stored value.

The grayscale pipeline of PS3.4 N.2: Modality LUT, VOI LUT or window, polarity. A
film has millions of pixels but at most 65536 values, so the table is computed
exactly, in double precision, and the picture is looked up once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from dicom_node.dataset.attributes import integer, items, number, numbers, text, value

Table = NDArray[np.float64]

LEAST_VISIBLE = 0.02
"""A window that leaves a smaller share of the pixels grey shows no film."""

LEAST_VISIBLE_BY_LUT = 0.2
"""Nor does a VOI LUT that sends more than four of five pixels to black or white."""

LEAST_SPREAD = 0.02
"""Nor does one that leaves less than that between nearly all of them."""

_HIDING_LUT = "The VOI LUT hides nearly the whole picture; it was not applied."
_LEAST_LUT_BITS, _MOST_LUT_BITS = 8, 16

LEAST_PERCENT, MOST_PERCENT = 0.1, 99.9
"""Where black and white lie when the data set names no window, in percent."""


@dataclass(frozen=True, slots=True)
class StoredValues:
    """The integers that a pixel cell may hold (PS3.5 8.1.1).

    Parameters
    ----------
    bits
        Bits Stored, 1 to 16.
    signed
        Pixel Representation: two's complement or not.
    """

    bits: int
    signed: bool

    @property
    def mask(self) -> int:
        """All stored bits set."""
        return (1 << self.bits) - 1

    @property
    def lowest(self) -> int:
        """Least value."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        """Greatest value."""
        return self.lowest + self.mask

    def values(self) -> Table:
        """Return the value of every bit pattern, in the order of the patterns."""
        patterns = np.arange(self.mask + 1, dtype=np.float64)
        if self.signed:
            patterns[patterns > self.highest] -= self.mask + 1
        return patterns


@dataclass(frozen=True, slots=True)
class Development:
    """How stored bit patterns become grey.

    Parameters
    ----------
    table
        float32 (2**bits,) in [0, 1], bright = dense.
    padding
        bool (2**bits,), True for patterns that are no picture; ``None`` for none.
    remarks
        What a reader should know.
    hidden_by_lut
        Whether the VOI LUT hides the film and was not applied.
    """

    table: NDArray[np.float32]
    padding: NDArray[np.bool_] | None
    remarks: tuple[str, ...]
    hidden_by_lut: bool = False


def develop(
    dataset: Dataset,
    stored: StoredValues,
    counts: NDArray[np.integer],
    *,
    window_is_asked: bool = False,
) -> Development:
    """Work out the grey of every stored bit pattern.

    Parameters
    ----------
    dataset
        The image's attributes.
    stored
        What its pixel cells hold.
    counts
        int (2**bits,), how many pixels hold each bit pattern.
    window_is_asked
        Whether somebody wants the window as it is, whatever it shows.
    """
    remarks: list[str] = []
    padding = padding_patterns(dataset, stored)
    padding &= counts > 0
    weights = np.where(padding, 0, counts)
    modality = _modality_values(dataset, stored.values(), weights, remarks)
    windowed = _windowed(dataset, modality) if window_is_asked else None
    shown = (
        _presented(dataset, modality, weights, remarks)
        if windowed is None
        else windowed
    )
    if text(dataset, "PhotometricInterpretation") == "MONOCHROME1":
        shown = 1 - shown
    _check_polarity(dataset, remarks)
    shown[padding] = 0
    table = np.clip(np.nan_to_num(shown), 0, 1).astype(np.float32)
    return Development(
        table,
        padding if padding.any() else None,
        tuple(remarks),
        hidden_by_lut=_HIDING_LUT in remarks,
    )


def padding_patterns(dataset: Dataset, stored: StoredValues) -> NDArray[np.bool_]:
    """Mark the bit patterns that mean "no picture here" (PS3.3 C.7.5.1.1.2)."""
    patterns = stored.values()
    first = _padding_value(dataset, "PixelPaddingValue", stored)
    if first is None:
        return np.zeros(patterns.shape, dtype=np.bool_)
    last = _padding_value(dataset, "PixelPaddingRangeLimit", stored)
    low, high = sorted((first, first if last is None else last))
    return np.asarray((patterns >= low) & (patterns <= high))


def _padding_value(dataset: Dataset, keyword: str, stored: StoredValues) -> int | None:
    """Read a padding attribute, whose sign may have been lost with its VR."""
    found = integer(dataset, keyword)
    if found is None:
        return None
    wrap = 1 << (integer(dataset, "BitsAllocated") or 16)
    if stored.signed and found > stored.highest:
        found -= wrap
    elif not stored.signed and found < 0:
        found += wrap
    return found if stored.lowest <= found <= stored.highest else None


def _modality_values(
    dataset: Dataset, values: Table, weights: NDArray[np.integer], remarks: list[str]
) -> Table:
    """Apply Modality LUT or rescale (PS3.3 C.11.1), or the log of raw intensities."""
    for item in items(dataset, "ModalityLUTSequence")[:1]:
        try:
            return _look_up(item, values, dataset)[0]
        except ValueError:
            remarks.append("The Modality LUT is malformed and was not applied.")
    slope, intercept = (
        number(dataset, "RescaleSlope"),
        number(dataset, "RescaleIntercept"),
    )
    if slope:
        values = values * slope + (intercept or 0.0)
    if _is_raw_intensity(dataset):
        values = _logarithm(dataset, values, weights)
    return values


def _is_raw_intensity(dataset: Dataset) -> bool:
    return (
        text(dataset, "PresentationIntentType") == "FOR PROCESSING"
        and text(dataset, "PixelIntensityRelationship") == "LIN"
    )


def _logarithm(dataset: Dataset, values: Table, weights: NDArray[np.integer]) -> Table:
    """Take the log of raw intensity; order and so polarity stay (PS3.3 C.8.11.3)."""
    seen = values[weights > 0]
    if seen.size == 0:
        return values
    if number(dataset, "PixelIntensityRelationshipSign") == -1:
        return np.asarray(-np.log1p(np.clip(seen.max() - values, 0, None)))
    return np.asarray(np.log1p(np.clip(values - seen.min(), 0, None)))


def _presented(
    dataset: Dataset, values: Table, weights: NDArray[np.integer], remarks: list[str]
) -> Table:
    """Apply the first VOI LUT, else the first window, else the film's own range."""
    for item in items(dataset, "VOILUTSequence")[:1]:
        try:
            data, top = _look_up(item, values, dataset)
        except ValueError:
            remarks.append("The VOI LUT is malformed and was not applied.")
        else:
            if _shows_film(data / top, weights, LEAST_VISIBLE_BY_LUT):
                return data / top
            remarks.append(_HIDING_LUT)
    windowed = _windowed(dataset, values)
    if windowed is not None and weights.any():
        if _shows_film(windowed, weights, LEAST_VISIBLE):
            return windowed
        remarks.append("The window hides nearly the whole picture; it was not applied.")
    low, high = _range(values, weights)
    return (values - low) / max(high - low, 1e-9)


def _shows_film(shown: Table, weights: NDArray[np.integer], least: float) -> bool:
    """Tell whether anything can be seen on a film that is shown so.

    A picture of no pixels at all, and a flat one, is as well shown one way as another.
    """
    held = weights > 0
    if np.count_nonzero(held) <= 1:
        return True
    grey = (shown > 0) & (shown < 1)
    if weights[grey].sum() < least * weights.sum():
        return False
    low, high = _range(shown, weights)
    return high - low >= LEAST_SPREAD


def _windowed(dataset: Dataset, values: Table) -> Table | None:
    """Apply the first window (PS3.3 C.11.2.1.2); ``None`` when there is no sane one."""
    centre, width = number(dataset, "WindowCenter"), number(dataset, "WindowWidth")
    if centre is None or width is None or width <= 0:
        return None
    function = text(dataset, "VOILUTFunction")
    if function == "SIGMOID":
        exponent = np.clip(-4 * (values - centre) / width, -700, 700)
        return np.asarray(1 / (1 + np.exp(exponent)))
    if function == "LINEAR_EXACT":
        return np.clip((values - centre) / width + 0.5, 0, 1)
    if width < 1:
        return None
    return np.clip((values - (centre - 0.5)) / max(width - 1, 1e-9) + 0.5, 0, 1)


def _range(values: Table, weights: NDArray[np.integer]) -> tuple[float, float]:
    """Percentiles of the picture's values."""
    order = np.argsort(values, kind="stable")
    order = order[weights[order] > 0]
    if order.size == 0:
        return 0.0, 1.0
    share = np.cumsum(weights[order]) / weights.sum() * 100
    low = int(np.searchsorted(share, LEAST_PERCENT))
    high = min(int(np.searchsorted(share, MOST_PERCENT)), order.size - 1)
    return float(values[order[low]]), float(values[order[high]])


def _look_up(item: Dataset, values: Table, dataset: Dataset) -> tuple[Table, float]:
    """Send values through a LUT (PS3.3 C.11.1.1); its output, and its greatest output.

    Raises
    ------
    ValueError
        Descriptor and data do not make a LUT.
    """
    descriptor = numbers(item, "LUTDescriptor")
    if len(descriptor) != 3:  # noqa: PLR2004  entries, first value, bits per entry
        raise ValueError("not a LUT descriptor")
    entries, first, bits = (int(part) for part in descriptor)
    data = _lut_data(value(item, "LUTData"), (entries % 65536) or 65536, dataset)
    if first > 32767 and values.min() < 0:  # noqa: PLR2004  a sign lost with its VR
        first -= 65536
    index = np.clip(np.rint(values) - first, 0, data.size - 1).astype(np.int64)
    return data[index], float((1 << used_bits(int(data.max()), bits)) - 1)


def used_bits(highest: int, declared: int) -> int:
    """Count the bits of a LUT's entries: those declared, unless half are not used.

    A table of 12 bits that calls itself one of 16 would show a black film.
    """
    needed = max(_LEAST_LUT_BITS, highest.bit_length())
    legal = _LEAST_LUT_BITS <= declared <= _MOST_LUT_BITS
    return declared if legal and declared == needed else needed


def _lut_data(found: object, entries: int, dataset: Dataset) -> Table:
    if isinstance(found, bytes):
        order = ">" if dataset.original_encoding[1] is False else "<"
        packed = len(found) in {entries, entries + entries % 2}
        kind = "u1" if packed else f"{order}u2"
        usable = len(found) - len(found) % np.dtype(kind).itemsize
        data = np.frombuffer(found[:usable], dtype=kind).astype(np.float64)
    else:
        data = np.atleast_1d(np.asarray(found, dtype=np.float64))
    if data.ndim != 1 or data.size == 0 or not np.isfinite(data).all():
        raise ValueError("no LUT data")
    # Of VR SS, which was legal once; a table's entries have no sign.
    return np.where(data < 0, data + (1 << 16), data)[:entries]


def _check_polarity(dataset: Dataset, remarks: list[str]) -> None:
    shape = text(dataset, "PresentationLUTShape")
    inverted = text(dataset, "PhotometricInterpretation") == "MONOCHROME1"
    if shape and shape != ("INVERSE" if inverted else "IDENTITY"):
        remarks.append(
            "Presentation LUT Shape contradicts Photometric Interpretation, which was"
            " followed."
        )
