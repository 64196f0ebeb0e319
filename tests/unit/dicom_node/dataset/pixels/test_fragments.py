"""All fragments of the one frame, or a plain refusal."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.dataset.pixels.fragments import joined


def item(content: bytes = b"") -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


@pytest.mark.parametrize(
    "table", [b"", struct.pack("<I", 0), struct.pack("<II", 0, 12)]
)
@pytest.mark.parametrize("end", [b"", END, END + b"what follows"])
def test_fragments_are_joined_whatever_the_offset_table_says(table, end):
    data = item(table) + item(b"abcd") + item(b"efgh") + end
    assert joined(data) == b"abcdefgh"


@pytest.mark.parametrize(
    "data",
    [
        *(b"", item(), item() + item() + END, item() + item(b"abcd")[:-1]),
        *(b"\x01\x02\x03\x04" * 4, item() + struct.pack("<HHI", 8, 8, 2) + b"ab"),
        item() + item() * 70_000 + item(b"ab"),
    ],
)
def test_what_is_no_sequence_of_fragments_is_refused(data):
    with pytest.raises(ValueError, match="fragment"):
        joined(data)


@given(st.binary(max_size=200))
def test_garbage_never_raises_anything_else(data):
    with contextlib.suppress(ValueError):
        joined(data)
