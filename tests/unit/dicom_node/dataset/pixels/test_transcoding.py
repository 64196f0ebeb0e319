"""Objects in other transfer syntaxes hold the same pixels."""

from io import BytesIO

import numpy as np
import pytest
from pydicom import dcmread, uid

from dicom_node.dataset.forms.whole import read_whole
from dicom_node.dataset.pixels.transcoding import (
    LOSSLESS,
    TARGETS,
    StoredFrames,
    transcoded,
)
from dicom_node.errors import PixelsUndecodable
from dicom_node.phantom.dataset import synthetic_dataset

LIMIT = 10_000
DEPTHS = [(12, 16, 0), (16, 16, 0), (8, 8, 0), (12, 16, 1), (8, 16, 0), (16, 16, 1)]


def image(bits, allocated, signed):
    dataset = synthetic_dataset("CR", rows=32, columns=40)
    low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
    kind = f"<{'i' if signed else 'u'}{allocated // 8}"
    pixels = np.random.default_rng(bits).integers(low, high, (32, 40)).astype(kind)
    dataset.BitsAllocated, dataset.BitsStored = allocated, bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, signed
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW" if allocated > 8 else "OB"
    return dataset, pixels


def file_of(dataset):
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def changed(content, syntax):
    return transcoded(read_whole(BytesIO(content)), syntax, LIMIT)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("syntax", TARGETS)
def test_there_and_back_again(depth, syntax):
    dataset, pixels = image(*depth)
    there = changed(file_of(dataset), syntax)
    assert dcmread(BytesIO(there)).file_meta.TransferSyntaxUID == syntax
    back = dcmread(BytesIO(changed(there, uid.ExplicitVRLittleEndian)))
    assert back.PixelData[: pixels.nbytes] == pixels.tobytes()
    assert back.PatientName == dataset.PatientName


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(
    "syntax", [uid.JPEGLSLossless, uid.RLELossless, uid.ImplicitVRLittleEndian]
)
def test_another_library_reads_the_same_pixels(depth, syntax):
    dataset, pixels = image(*depth)
    there = dcmread(BytesIO(changed(file_of(dataset), syntax)))
    assert (there.pixel_array == pixels).all()


def test_big_endian_is_turned_round():
    dataset, pixels = image(16, 16, 0)
    dataset.PixelData = pixels.astype(">u2").tobytes()
    stream = BytesIO()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRBigEndian
    dataset.save_as(
        stream, implicit_vr=False, little_endian=False, enforce_file_format=True
    )
    plain = dcmread(BytesIO(changed(stream.getvalue(), uid.ExplicitVRLittleEndian)))
    assert (plain.pixel_array == pixels).all()
    assert plain.Rows == 32


def test_frames_of_single_bits_begin_at_a_byte_each():
    dataset, _ = image(8, 8, 0)
    bits = np.random.default_rng(1).integers(0, 2, (3, 5, 7)).astype(np.uint8)
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 5, 7, 3
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = 0
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    dataset.PixelData = packed + b"\0" * (len(packed) % 2)
    frames = StoredFrames(dataset, LIMIT)
    for index in range(3):
        found = np.frombuffer(frames.plain(index), np.uint8)
        unpacked = np.unpackbits(found, bitorder="little")[:35]
        assert (unpacked.reshape(5, 7) == bits[index]).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"PixelData": b""},
        {"PixelData": b"\0\0"},
        {"Rows": 0},
        {"Rows": 60_000},
        {"BitsAllocated": 12},
        {"NumberOfFrames": 5},
        {"SamplesPerPixel": 3},
    ],
)
def test_what_cannot_be_converted_is_said(changes):
    dataset, _ = image(12, 16, 0)
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    with pytest.raises(PixelsUndecodable):
        transcoded(dataset, LOSSLESS[0], LIMIT)
