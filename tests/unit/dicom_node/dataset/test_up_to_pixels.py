"""What reading a film costs follows from what its header says it is."""

import io
import struct
import tracemalloc

import numpy as np
import pytest
from pydicom import dcmread, uid

from dicom_node.dataset import frames
from dicom_node.dataset.header import read_header, skip_file_meta
from dicom_node.errors import DatasetInvalid, PixelsUndecodable
from tests.factories.radiographs import synthetic_dataset

ROWS, COLUMNS = 96, 80
EMPTY_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
MOST_BYTES = 16_000_000
EXPLICIT = uid.ExplicitVRLittleEndian
RLE = uid.RLELossless


def encoded(syntax=EXPLICIT, **attributes):
    film = synthetic_dataset(
        "CR", rows=ROWS, columns=COLUMNS, transfer_syntax=syntax, **attributes
    )
    stream = io.BytesIO()
    film.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def sequence(tag, items):
    head = struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, b"SQ", 0, 0xFFFFFFFF)
    return head + items + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def peak_bytes(content, expected):
    tracemalloc.start()
    try:
        if expected is None:
            frames.read(io.BytesIO(content))
        else:
            with pytest.raises(expected):
                frames.read(io.BytesIO(content))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("syntax", [EXPLICIT, RLE, uid.ImplicitVRLittleEndian])
def test_a_film_is_what_pydicom_reads_but_for_what_lies_behind_its_pixels(syntax):
    content = encoded(syntax)
    dataset, _ = frames.read(io.BytesIO(content))
    whole = dcmread(io.BytesIO(content))
    del whole.PixelData
    assert {e.tag: e for e in dataset} == {e.tag: e for e in whole}
    assert dataset.file_meta == whole.file_meta


@pytest.mark.parametrize(
    "tail",
    [
        sequence(0xFFFAFFFA, EMPTY_ITEM * 250_000),
        EMPTY_ITEM * 250_000,
        struct.pack("<HH2sHI", 0xFFFC, 0xFFFC, b"OB", 0, 8_000_000) + bytes(8_000_000),
        b"\xff" * 1_000_000,
    ],
    ids=["items in a sequence", "loose items", "padding", "noise"],
)
@pytest.mark.parametrize("syntax", [EXPLICIT, RLE])
def test_what_lies_behind_the_pixels_costs_nothing(syntax, tail):
    content = encoded(syntax)
    _, alone = frames.read(io.BytesIO(content))
    _, followed = frames.read(io.BytesIO(content + tail))
    assert np.array_equal(alone.pixels, followed.pixels)
    assert peak_bytes(content + tail, None) < MOST_BYTES


def test_endless_empty_fragments_are_refused_soon():
    content = encoded(RLE)
    end = content.rindex(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))
    swollen = content[:end] + EMPTY_ITEM * 500_000 + content[end:]
    assert peak_bytes(swollen, DatasetInvalid) < MOST_BYTES


def test_fragments_beyond_the_size_of_the_picture_are_refused_unread():
    content = encoded(RLE)
    end = content.rindex(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))
    more = struct.pack("<HHI", 0xFFFE, 0xE000, 30_000_000) + bytes(30_000_000)
    swollen = content[:end] + more + content[end:]
    assert peak_bytes(swollen, PixelsUndecodable) < MOST_BYTES


def test_native_pixels_are_read_as_far_as_the_picture_goes():
    content = encoded(PixelData=bytes(40_000_000))
    assert peak_bytes(content, None) < MOST_BYTES


def test_a_header_of_endless_items_is_refused():
    content = encoded()
    at = content.index(struct.pack("<HH2s", 0x0028, 0x0002, b"US"))
    items = sequence(0x00209999, EMPTY_ITEM * 500_000)
    assert peak_bytes(content[:at] + items + content[at:], DatasetInvalid) < MOST_BYTES


def test_a_deflated_film_of_the_largest_detector_is_accepted():
    film = synthetic_dataset(
        "CR", rows=96, columns=80, transfer_syntax=uid.DeflatedExplicitVRLittleEndian
    )
    film.Rows = film.Columns = 4096
    film.PixelData = bytes(2 * 4096 * 4096)
    stream = io.BytesIO()
    film.save_as(stream, enforce_file_format=True)
    stream.seek(0)
    skip_file_meta(stream)
    header = read_header(stream, uid.DeflatedExplicitVRLittleEndian)
    assert header.Rows == 4096
    stream.seek(0)
    _, frame = frames.read(stream)
    assert frame.rows == 4096
