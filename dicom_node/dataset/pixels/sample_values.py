"""Do the samples hold what the header says? Mended where that is certain, else refused.

Bits Stored, Pixel Representation and a codestream's own precision and sign may
contradict each other (PS3.5 8.1.1, 8.2). Masking then wraps white to black, and the
percentages of a film come out wrong without a word.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicom_node.dataset.pixels.codecs import Precision, Samples
from dicom_node.dataset.pixels.grayscale import StoredValues
from dicom_node.errors import NotEligible

Patterns = NDArray[np.uint16]

_CELL_BITS = 16
_OVERSHOOT = 1.25
"""Ringing of lossy compression goes beyond the stored range by less than this."""
_SURER = 4
"""So many times fewer jumps make one reading the right one: 8 to 100 on films."""
_ROWS_JUDGED = 512


@dataclass(frozen=True, slots=True)
class Settled:
    """Bit patterns, and what they mean.

    Parameters
    ----------
    patterns
        uint16 (rows, columns); each pixel's stored bits and nothing but those.
    stored
        What the patterns are: the header's word, or what is certain instead of it.
    remarks
        What a reader should know.
    """

    patterns: Patterns
    stored: StoredValues
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Claims:
    """What is said about samples.

    Parameters
    ----------
    stored
        Bits Stored and Pixel Representation.
    allocated
        Bits of a cell that are there: Bits Allocated less the unused ones below.
    stream
        Precision and sign of the codestream; ``None`` for cells and RLE.
    is_lossy
        Whether samples may leave their range by a little.
    has_overlays
        Whether the header says that bits above the stored ones are overlays.
    padding
        Pixel Padding Value as a pattern of the whole cell.
    """

    stored: StoredValues
    allocated: int = _CELL_BITS
    stream: Precision | None = None
    is_lossy: bool = False
    has_overlays: bool = False
    padding: int | None = None


def settle(samples: Samples, claims: Claims) -> Settled:
    """Find the values that samples stand for.

    Raises
    ------
    NotEligible
        ``PIXEL_VALUES``: header and samples contradict each other, and which of them
        is right is not certain.
    """
    stored, remarks = claims.stored, []
    if samples.dtype.kind == "i" and not stored.signed and int(samples.min()) < 0:
        samples = _without_sign(samples, claims)
        remarks.append(
            "The codestream says that its samples are signed, the header says not;"
            " they were read as unsigned."
        )
    if samples.dtype.kind == "i":
        samples = _within(samples, claims)
        patterns = samples.astype(np.uint16, copy=False)
        return Settled(patterns & np.uint16(stored.mask), stored, tuple(remarks))
    patterns = samples.astype(np.uint16, copy=False)
    if int(patterns.max()) > stored.mask:
        wider, note = _wider(patterns, claims)
        stored, remarks = wider, [*remarks, *note]
        if claims.is_lossy and wider == claims.stored:
            patterns = np.minimum(patterns, np.uint16(stored.mask))
    if stored.signed and _is_unsigned(patterns, stored, claims):
        stored = StoredValues(stored.bits, signed=False)
        remarks.append(
            "The header says that samples are signed, which they are not; they were"
            " read as unsigned."
        )
    if stored.mask < np.iinfo(np.uint16).max:
        patterns = np.bitwise_and(patterns, np.uint16(stored.mask))
    return Settled(patterns, stored, tuple(remarks))


def _without_sign(samples: Samples, claims: Claims) -> Samples:
    """Undo a sign that the codestream claims and the header denies.

    Either only the stream's flag is wrong, and half of the range is missing, or
    unsigned values were stored as two's complement. Of those readings that fit into
    Bits Stored the one without jumps is right.
    """
    wide = samples.astype(np.int32)
    depths = {claims.stored.bits, claims.stream.bits if claims.stream else 0} - {0}
    readings = [
        reading
        for bits in sorted(depths)
        for reading in (wide + (1 << (bits - 1)), wide % (1 << bits))
        if reading.min() >= 0 and reading.max() <= claims.stored.mask
    ]
    right = _smoothest(readings, claims.stored.bits)
    if right is None:
        raise _refusal("The codestream is signed, the header says that it is not.")
    return readings[right].astype(np.uint16)


def _within(samples: Samples, claims: Claims) -> Samples:
    """Hold signed samples of a codestream to the stored range."""
    stored = claims.stored
    low, high = int(samples.min()), int(samples.max())
    if stored.lowest <= low and high <= stored.highest:
        return samples
    reach = max(-low, high)
    if claims.is_lossy and reach <= _OVERSHOOT * (stored.highest + 1):
        return np.clip(samples, stored.lowest, stored.highest)
    raise _refusal("The codestream's values lie outside the range of Bits Stored.")


def _wider(samples: Patterns, claims: Claims) -> tuple[StoredValues, list[str]]:
    """Judge bits above the stored ones."""
    stored = claims.stored
    above = samples >> np.uint16(stored.bits)
    if claims.has_overlays or bool((above == above.flat[0]).all()):
        return stored, []  # overlays, or bits that are the same everywhere
    if claims.is_lossy and _overshoots(samples, stored):
        return stored, []
    ones = (1 << (_CELL_BITS - stored.bits)) - 1
    ones &= (1 << max(claims.allocated - stored.bits, 0)) - 1
    negative = (samples >> np.uint16(stored.bits - 1)) & 1
    whole = claims.stream is None or claims.stream.bits >= claims.allocated
    if whole and bool((above == negative * ones).all()):
        note = "The samples are signed, the header says not; they were read as signed."
        return StoredValues(stored.bits, signed=True), [] if stored.signed else [note]
    if claims.padding is not None and bool(
        (samples[above > 0] == claims.padding).all()
    ):
        return StoredValues(_CELL_BITS, signed=stored.signed), []
    stream = claims.stream
    if stream and stored.bits < stream.bits < claims.allocated and not stored.signed:
        note = (
            f"The codestream holds {stream.bits} bits, the header says {stored.bits};"
            " all were read."
        )
        return StoredValues(stream.bits, signed=False), [note]
    raise _refusal("The samples hold more bits than Bits Stored says.")


def _overshoots(samples: Patterns, stored: StoredValues) -> bool:
    return float(np.percentile(samples, 99.9)) <= _OVERSHOOT * (stored.mask + 1)


def _is_unsigned(samples: Patterns, stored: StoredValues, claims: Claims) -> bool:
    """Tell whether samples that the header calls signed are certainly not.

    Where the codestream says unsigned and neither reading is certain, the film is
    refused; without such a word the header's stands.
    """
    plain = samples.astype(np.int32) & stored.mask
    half = 1 << (stored.bits - 1)
    if int(plain.max()) < half or int(plain.min()) >= half:
        return False
    signed = np.where(plain >= half, plain - 2 * half, plain)
    right = _smoothest((signed, plain), stored.bits)
    if right is None and claims.stream and claims.stream.signed is False:
        raise _refusal("The header says that samples are signed, the codestream not.")
    return right == 1


def _smoothest(readings: Sequence[NDArray[np.int32]], bits: int) -> int | None:
    """Say which reading has next to no jumps over half of the range.

    Neighbouring pixels of a film differ little; a reading that wraps tears every
    edge of tissue between black and white. Where two do equally well none is certain.
    """
    jumps = [_jumps(values, 1 << (bits - 1)) for values in readings]
    if len(jumps) <= 1:
        return 0 if jumps else None
    best = int(np.argmin(jumps))
    second = min(jumps[:best] + jumps[best + 1 :])
    return best if second >= _SURER * max(jumps[best], 1) else None


def _jumps(values: NDArray[np.int32], half: int) -> int:
    step = max(1, values.shape[0] // _ROWS_JUDGED)
    along = np.abs(np.diff(values[::step], axis=1)) > half
    down = np.abs(np.diff(values[:, ::step], axis=0)) > half
    return int(np.count_nonzero(along) + np.count_nonzero(down))


def _refusal(sentence: str) -> NotEligible:
    return NotEligible("PIXEL_VALUES", sentence)
