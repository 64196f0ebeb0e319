"""Headers that nobody vouches for, read from files and inflated (``byte_source``)."""

import struct
import tracemalloc
import zlib
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

from dicom_node.dataset.header import HeaderLimits, read_header, skip_file_meta
from dicom_node.errors import DatasetInvalid
from tests.peers.receiving import encoded, radiograph, written

SEQUENCE = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
EMPTY_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
ITEM_END = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
START = struct.pack("<HH2sH", 0x0008, 0x0005, b"CS", 0)


def header_of(data: bytes, syntax: str = ExplicitVRLittleEndian, **limits: int):
    return read_header(BytesIO(data), syntax, HeaderLimits(**limits))


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEGBaseline8Bit,
    ],
)
def test_a_header_reads_the_same_in_every_encoding(syntax):
    dataset = radiograph(1, "DX", syntax)
    header = header_of(encoded(dataset), syntax)
    assert header.SOPInstanceUID == dataset.SOPInstanceUID
    assert header.Rows == 32
    assert header.ViewCodeSequence[0].CodeValue == "272479007"
    assert "PixelData" not in header


def test_a_header_ends_with_the_data_set_when_there_are_no_pixels():
    dataset = radiograph(1)
    del dataset.PixelData
    assert header_of(encoded(dataset)).PatientID == dataset.PatientID


def test_private_and_very_long_elements_are_passed_over():
    dataset = radiograph(1)
    dataset.add_new(0x00091001, "LO", "private")
    dataset.add_new(0x60003000, "OW", bytes(100_000))
    header = header_of(encoded(dataset))
    assert 0x00091001 not in header
    assert 0x60003000 not in header
    assert header.Rows == 32


def test_implicit_elements_under_an_explicit_syntax_are_read_as_they_are():
    dataset = radiograph(1, transfer_syntax=ImplicitVRLittleEndian)
    header = header_of(encoded(dataset), ExplicitVRLittleEndian)
    assert header.SOPInstanceUID == dataset.SOPInstanceUID


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_sequences_of_undefined_length_are_kept(syntax):
    dataset = radiograph(1, "DX", syntax)
    inner = Dataset()
    inner.CodeValue = "1"
    inner.is_undefined_length_sequence_item = True
    outer = Dataset()
    outer.ViewModifierCodeSequence = Sequence([inner, inner])
    outer["ViewModifierCodeSequence"].is_undefined_length = True
    outer.is_undefined_length_sequence_item = True
    dataset.ViewCodeSequence = Sequence([outer, outer])
    dataset["ViewCodeSequence"].is_undefined_length = True
    header = header_of(encoded(dataset), syntax)
    assert len(header.ViewCodeSequence[1].ViewModifierCodeSequence) == 2
    assert header.Rows == 32


def test_a_compressed_icon_is_passed_over():
    data = START + element(0x00080060, b"CS", b"CR")
    icon = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    fragment = struct.pack("<HHI", 0xFFFE, 0xE000, 6) + b"\xff\xd8\xff\xe0\xff\xff"
    icons = struct.pack("<HH2sHI", 0x0088, 0x0200, b"SQ", 0, 0xFFFFFFFF)
    data += icons + ITEM + icon + EMPTY_ITEM + fragment + SEQUENCE_END
    data += ITEM_END + SEQUENCE_END + element(0x00280010, b"US", b"\x20\x00")
    header = header_of(data)
    assert header.Modality == "CR"
    assert header.Rows == 32


def test_unknown_elements_of_undefined_length_are_implicit_inside():
    inside = struct.pack("<HHI", 0x0008, 0x0100, 2) + b"AB"
    data = START + struct.pack("<HH2sHI", 0x0040, 0x0555, b"UN", 0, 0xFFFFFFFF)
    data += ITEM + inside + ITEM_END + SEQUENCE_END
    data += element(0x00280010, b"US", b"\x20\x00")
    assert header_of(data).Rows == 32


@pytest.mark.parametrize("kept", [1, 7, 9, 40, 200, 400])
def test_a_header_that_ends_too_early_is_refused(kept):
    with pytest.raises(DatasetInvalid):
        header_of(encoded(radiograph(1))[:kept])


def test_pixel_data_shorter_than_they_claim_are_refused():
    with pytest.raises(DatasetInvalid):
        header_of(encoded(radiograph(1))[:-100])


def test_an_element_longer_than_the_file_is_refused_without_reading_it():
    data = START + struct.pack("<HH2sHI", 0x0008, 0x1140, b"UN", 0, 0xFFFFFFF0)
    with pytest.raises(DatasetInvalid):
        header_of(data + bytes(100))


@pytest.mark.parametrize("data", [b"", b"<!DOCTYPE html><html>" * 9, b"\xff" * 64])
def test_what_is_no_data_set_is_refused(data):
    with pytest.raises(DatasetInvalid):
        header_of(data)


def test_deeply_nested_sequences_are_refused():
    with pytest.raises(DatasetInvalid, match="deeply"):
        header_of(START + (SEQUENCE + ITEM) * 10_000)


def test_endless_items_are_refused_and_cost_no_memory():
    data = START + SEQUENCE + EMPTY_ITEM * 2_000_000
    tracemalloc.start()
    with pytest.raises(DatasetInvalid, match="too many"):
        header_of(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


def test_a_header_that_is_too_long_is_refused():
    data = START + element(0x00081030, b"LO", b"x" * 60_000) * 40
    with pytest.raises(DatasetInvalid, match="too long"):
        header_of(data)


def test_a_deflate_bomb_is_refused_in_bounded_memory():
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = packer.compress(
        START + struct.pack("<HH2sHI", 0x0009, 0x1001, b"UN", 0, 0x7FFFFFF0)
    )
    for _ in range(200):
        bomb += packer.compress(bytes(1_000_000))
    bomb += packer.flush()
    tracemalloc.start()
    with pytest.raises(DatasetInvalid, match="inflates"):
        header_of(bomb, DeflatedExplicitVRLittleEndian)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(bomb) < 300_000
    assert peak < 5_000_000


def test_bytes_that_do_not_inflate_are_refused():
    with pytest.raises(DatasetInvalid, match="inflate"):
        header_of(b"\xff" * 100, DeflatedExplicitVRLittleEndian)


DAMAGED = encoded(radiograph(1, "DX"))


@settings(max_examples=150, deadline=None)
@given(position=st.integers(0, 2000), replacement=st.binary(min_size=1, max_size=12))
def test_damaged_headers_are_read_or_refused_never_more(position, replacement):
    data = bytearray(DAMAGED)
    data[position : position + len(replacement)] = replacement
    try:
        header = header_of(bytes(data))
    except DatasetInvalid:
        return
    assert isinstance(header, Dataset)


@settings(max_examples=150, deadline=None)
@given(
    data=st.binary(max_size=400),
    syntax=st.sampled_from(
        [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]
    ),
)
def test_random_bytes_are_read_or_refused_never_more(data, syntax):
    try:
        header = header_of(START + data, syntax)
    except DatasetInvalid:
        return
    assert isinstance(header, Dataset)


def test_the_data_set_of_a_file_begins_after_its_meta_information():
    file = written(radiograph(1))
    stream = BytesIO(file)
    skip_file_meta(stream)
    assert stream.read() == encoded(radiograph(1))


@pytest.mark.parametrize(
    "file", [b"", b"DICM", bytes(200), bytes(128) + b"DICM" + bytes(20)]
)
def test_a_file_without_meta_information_is_refused(file):
    with pytest.raises(DatasetInvalid):
        skip_file_meta(BytesIO(file))
