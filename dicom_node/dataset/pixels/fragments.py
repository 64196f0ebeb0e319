"""The one frame of encapsulated Pixel Data: all of its fragments, joined.

A single-frame object's fragments belong to that frame whatever the Basic Offset Table
says; some senders give it an entry for each fragment (PS3.5 A.4).
"""

import struct

_ITEM, _DELIMITER = 0xFFFEE000, 0xFFFEE0DD
_HEADER = struct.Struct("<HHI")
_MOST_FRAGMENTS = 65_536


def joined(data: bytes) -> bytes:
    """Return the bitstream of a single frame.

    Parameters
    ----------
    data
        The value of Pixel Data, with or without its sequence delimiter.

    Raises
    ------
    ValueError
        The bytes are not a sequence of fragments, or there is no fragment.
    """
    spans: list[tuple[int, int]] = []
    position, is_table = 0, True
    while position + _HEADER.size <= len(data):
        group, element, length = _HEADER.unpack_from(data, position)
        tag = group << 16 | element
        position += _HEADER.size
        if tag == _DELIMITER:
            break
        if tag != _ITEM or length > len(data) - position:
            raise ValueError("the fragments cannot be told apart")
        if not is_table:
            spans.append((position, position + length))
        if len(spans) > _MOST_FRAGMENTS:
            raise ValueError("there are too many fragments")
        is_table = False
        position += length
    if not any(end > start for start, end in spans):
        raise ValueError("there is no fragment")
    return b"".join(data[start:end] for start, end in spans)
