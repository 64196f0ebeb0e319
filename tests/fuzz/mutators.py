"""Bytes turned into bytes that nobody foresaw, the same for the same chance."""

import struct
from collections.abc import Callable, Sequence
from random import Random

MAXIMUM_BYTES = 1 << 18
_NUMBERS = (0, 1, 2, 7, 8, 127, 128, 255, 256, 1023, 32767, 32768, 65535, 65536)
_LARGE_NUMBERS = (*_NUMBERS, 2**24, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
_FORMATS = ("<H", ">H", "<I", ">I", "B")
_PIECES = (
    *(b"", b"\0", b"\r\n", b"\xff" * 4, b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"),
    *(b"%00", b"../", "ü".encode(), b"1.2.3\\4", b"A" * 300, bytes(300)),
)

Way = Callable[[bytearray, Random, Sequence[bytes]], None]


def mutated(data: bytes, chance: Random, others: Sequence[bytes] = ()) -> bytes:
    """Change a few places.

    Parameters
    ----------
    others
        Where pieces may be taken from.
    """
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5, 9))):
        chance.choice(_WAYS)(changed, chance, others)
    return bytes(changed[:MAXIMUM_BYTES])


def _span(data: bytearray, chance: Random) -> slice:
    at = chance.randrange(len(data) + 1)
    return slice(at, at + chance.choice((1, 1, 2, 4, 8, 40, 200)))


def _flip(data: bytearray, chance: Random, _others: Sequence[bytes]) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _overwrite(data: bytearray, chance: Random, _others: Sequence[bytes]) -> None:
    place = _span(data, chance)
    data[place] = chance.randbytes(len(data[place]))


def _number(data: bytearray, chance: Random, _others: Sequence[bytes]) -> None:
    form = chance.choice(_FORMATS)
    size = struct.calcsize(form)
    numbers = _LARGE_NUMBERS if size > 2 else _NUMBERS
    number = struct.pack(form, chance.choice(numbers) % (1 << 8 * size))
    at = chance.randrange(len(data) + 1)
    data[at : at + size] = number


def _insert(data: bytearray, chance: Random, _others: Sequence[bytes]) -> None:
    at = chance.randrange(len(data) + 1)
    data[at:at] = chance.choice(_PIECES) or chance.randbytes(chance.randrange(1, 40))


def _remove(data: bytearray, chance: Random, _others: Sequence[bytes]) -> None:
    del data[_span(data, chance)]


def _repeat(data: bytearray, chance: Random, _others: Sequence[bytes]) -> None:
    place = _span(data, chance)
    data[place] = bytes(data[place]) * chance.choice((2, 3, 50))


def _cut(data: bytearray, chance: Random, _others: Sequence[bytes]) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _borrow(data: bytearray, chance: Random, others: Sequence[bytes]) -> None:
    other = bytearray(chance.choice(others)) if others else data[:]
    data[_span(data, chance)] = other[_span(other, chance)]


_WAYS: Sequence[Way] = (
    *(_flip, _flip, _overwrite, _number, _number, _insert),
    *(_remove, _repeat, _cut, _borrow),
)
