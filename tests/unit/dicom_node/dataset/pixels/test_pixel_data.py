"""Pixel cells give back their stored bits, or a clear refusal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydicom import uid
from pydicom.encaps import encapsulate

from dicom_node.dataset.pixels import codecs
from dicom_node.dataset.pixels.pixel_data import (
    PixelCells,
    count_patterns,
    read_patterns,
)
from dicom_node.errors import DatasetInvalid, PixelsUndecodable
from tests.factories.cells import radiograph
from tests.factories.syntaxes import COMPRESSED

LIMIT = 1_000_000
LOSSLESS = [syntax for syntax in COMPRESSED if syntax not in codecs.LOSSY]


def patterns_of(dataset):
    return read_patterns(dataset, PixelCells.of(dataset, LIMIT)).patterns


@given(
    stored=arrays(np.uint16, (3, 5), elements=st.integers(0, 4095)),
    above=arrays(np.uint16, (3, 5), elements=st.integers(0, 15)),
)
def test_overlay_bits_above_the_stored_ones_are_ignored(stored, above):
    dataset = radiograph(stored | above << 12, bits=12)
    dataset.add_new(0x60000102, "US", 12)
    assert np.array_equal(patterns_of(dataset), stored)


def test_stored_bits_may_lie_high_in_the_cell():
    stored = np.array([[0, 1, 4095]])
    dataset = radiograph(stored << 4, bits=12, HighBit=15)
    assert patterns_of(dataset).tolist() == stored.tolist()


@pytest.mark.parametrize("bits", [8, 9, 10, 12, 14, 15, 16])
@pytest.mark.parametrize("signed", [False, True])
def test_all_depths_keep_their_extremes(bits, signed):
    low = -(1 << (bits - 1)) if signed else 0
    high = low + (1 << bits) - 1
    dataset = radiograph([[low, 0, high]], bits=bits, signed=signed)
    cells = PixelCells.of(dataset, LIMIT)
    values = cells.stored.values()[read_patterns(dataset, cells).patterns]
    assert values.tolist() == [[low, 0, high]]


def test_big_endian_cells_are_read():
    dataset = radiograph([[1, 2, 300]], syntax=uid.ExplicitVRBigEndian)
    dataset.PixelData = np.array([1, 2, 300], ">u2").tobytes()
    assert patterns_of(dataset).tolist() == [[1, 2, 300]]


def test_a_surplus_at_the_end_is_ignored():
    dataset = radiograph([[1, 2, 3]])
    dataset.PixelData += b"\xff\xff\xff\xff"
    assert patterns_of(dataset).tolist() == [[1, 2, 3]]


def test_a_lie_about_the_size_is_refused_before_memory_is_spent():
    dataset = radiograph([[1, 2, 3]], Rows=900, Columns=900)
    with pytest.raises(PixelsUndecodable, match="6 bytes"):
        patterns_of(dataset)


def test_a_film_beyond_the_limit_is_refused():
    dataset = radiograph([[1]], Rows=65535, Columns=65535)
    with pytest.raises(PixelsUndecodable, match="limit"):
        PixelCells.of(dataset, LIMIT)


@pytest.mark.parametrize(
    "attributes",
    [
        {"Rows": 0},
        {"BitsAllocated": 32},
        {"BitsStored": 17},
        {"BitsAllocated": 8, "BitsStored": 12},
        {"HighBit": 3},
        {"HighBit": 16},
        {"SamplesPerPixel": 3},
        {"PhotometricInterpretation": "RGB"},
        {"NumberOfFrames": "2"},
    ],
)
def test_contradictory_image_attributes_are_refused(attributes):
    with pytest.raises(PixelsUndecodable):
        PixelCells.of(radiograph([[1, 2]], **attributes), LIMIT)


def test_high_bit_and_bits_stored_may_be_missing():
    dataset = radiograph([[1, 65535]], bits=16)
    del dataset.HighBit, dataset.BitsStored
    assert patterns_of(dataset).tolist() == [[1, 65535]]


@pytest.mark.parametrize("data", [None, b""])
def test_no_pixel_data_is_said_plainly(data):
    dataset = radiograph([[1]])
    dataset.PixelData = data
    with pytest.raises(PixelsUndecodable, match="no pixel data"):
        patterns_of(dataset)


def test_a_data_set_without_a_transfer_syntax_is_invalid():
    dataset = radiograph([[1]])
    del dataset.file_meta.TransferSyntaxUID
    with pytest.raises(DatasetInvalid):
        PixelCells.of(dataset, LIMIT)


def compressed(stored, syntax, bits=12, **attributes):
    dataset = radiograph(stored, bits=bits, syntax=syntax, **attributes)
    rows, columns = np.shape(stored)
    geometry = codecs.Geometry(rows, columns, dataset.BitsAllocated, bits)
    samples = np.asarray(stored).astype(f"<u{dataset.BitsAllocated // 8}")
    dataset.PixelData = encapsulate([codecs.encode(samples, syntax, geometry)])
    return dataset


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("signed", [False, True])
def test_lossless_compression_changes_nothing(syntax, signed):
    low = -2048 if signed else 0
    stored = (np.add.outer(np.arange(40) * 100, np.arange(37)) % 4096) + low
    dataset = compressed(stored & 0xFFF, syntax, PixelRepresentation=int(signed))
    cells = PixelCells.of(dataset, LIMIT)
    values = cells.stored.values()[read_patterns(dataset, cells).patterns]
    assert np.array_equal(values, stored)


def test_a_stream_split_into_fragments_is_joined():
    stored = np.add.outer(np.arange(40), np.arange(37))
    dataset = compressed(stored, uid.JPEGLSLossless)
    geometry = codecs.Geometry(40, 37, 16, 12)
    stream = codecs.encode(stored.astype("<u2"), uid.JPEGLSLossless, geometry)
    dataset.PixelData = encapsulate([stream], fragments_per_frame=3)
    assert np.array_equal(patterns_of(dataset), stored)


def test_ringing_of_lossy_compression_does_not_wrap_white_to_black():
    stored = np.where(np.indices((64, 64)).sum(axis=0) % 7 < 3, 1023, 0)
    dataset = compressed(stored, uid.JPEGExtended12Bit, bits=10)
    patterns = patterns_of(dataset)
    assert patterns.max() == 1023
    assert patterns[stored == 1023].min() > 900


def test_overlay_bits_survive_lossless_compression_and_are_ignored():
    stored = np.add.outer(np.arange(40), np.arange(37))
    dataset = compressed(stored | 0xF000, uid.RLELossless, bits=12)
    assert np.array_equal(patterns_of(dataset), stored)


def test_a_codestream_holds_stored_bits_alone_whatever_high_bit_says():
    stored = np.add.outer(np.arange(40), np.arange(37))
    dataset = compressed(stored, uid.JPEG2000Lossless, bits=12, HighBit=15)
    assert np.array_equal(patterns_of(dataset), stored)


def test_an_offset_for_each_fragment_makes_no_frames_of_them():
    stored = np.add.outer(np.arange(40), np.arange(37))
    dataset = compressed(stored, uid.JPEGLSLossless)
    geometry = codecs.Geometry(40, 37, 16, 12)
    stream = codecs.encode(stored.astype("<u2"), uid.JPEGLSLossless, geometry)
    parts = [stream[:100], stream[100:200], stream[200:] + b"\0" * (len(stream) % 2)]
    dataset.PixelData = encapsulate(parts, has_bot=True)
    assert np.array_equal(patterns_of(dataset), stored)


def test_pixel_data_without_fragments_is_refused():
    dataset = radiograph([[1, 2]], syntax=uid.RLELossless)
    dataset.PixelData = b"\x01\x02\x03\x04"
    with pytest.raises(PixelsUndecodable):
        patterns_of(dataset)


@given(data=st.binary(max_size=300), syntax=st.sampled_from(COMPRESSED))
def test_garbage_as_pixel_data_is_refused_not_raised(data, syntax):
    dataset = radiograph([[1, 2]], syntax=syntax)
    dataset.PixelData = data
    with pytest.raises(PixelsUndecodable):
        patterns_of(dataset)


@given(arrays(np.uint16, (700, 3), elements=st.integers(0, 255)))
def test_patterns_are_counted(patterns):
    stored = PixelCells.of(radiograph([[1]], bits=8), LIMIT).stored
    counts = count_patterns(patterns, stored)
    assert counts.sum() == patterns.size
    assert np.array_equal(counts, np.bincount(patterns.ravel(), minlength=256))
