"""Codestreams decode to what went in; damaged or lying ones are refused."""

import struct
import tracemalloc

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import uid

from dicom_node.dataset.pixels import codecs, jpeg_xl
from dicom_node.dataset.pixels.codecs import Geometry, decode, encode
from dicom_node.errors import PixelsUndecodable
from dicom_node.phantom.dataset import synthetic_radiograph
from tests.factories.syntaxes import COMPRESSED, OF_EIGHT_BITS

ROWS, COLUMNS = 150, 130


def film(syntax):
    bits = 8 if syntax in OF_EIGHT_BITS else 12
    pixels, _ = synthetic_radiograph(0, ROWS, COLUMNS, bits_stored=bits)
    samples = pixels.astype("<u1" if bits == 8 else "<u2")
    return samples, Geometry(ROWS, COLUMNS, samples.itemsize * 8, bits)


@pytest.mark.parametrize("syntax", COMPRESSED)
def test_a_film_comes_back_from_every_syntax(syntax):
    samples, geometry = film(syntax)
    decoded = decode(encode(samples, syntax, geometry), syntax, geometry)
    assert decoded.shape == samples.shape
    error = np.abs(decoded.astype(int) - samples)
    if syntax in codecs.LOSSY:
        assert error.max() <= 0.05 * 2**geometry.bits_stored
    else:
        assert error.max() == 0


@pytest.mark.parametrize("syntax", COMPRESSED)
@pytest.mark.parametrize("share", [0.3, 0.9, 0.995])
def test_a_cut_stream_is_refused(syntax, share):
    samples, geometry = film(syntax)
    stream = encode(samples, syntax, geometry)
    with pytest.raises(PixelsUndecodable):
        decode(stream[: int(len(stream) * share)], syntax, geometry)


@pytest.mark.parametrize("syntax", COMPRESSED)
def test_a_stream_of_another_size_is_refused(syntax):
    samples, geometry = film(syntax)
    stream = encode(samples, syntax, geometry)
    for rows, columns in ((ROWS + 1, COLUMNS), (COLUMNS, ROWS), (ROWS, 2 * COLUMNS)):
        other = Geometry(rows, columns, geometry.bits_allocated)
        if syntax == uid.RLELossless and rows * columns <= samples.size:
            continue  # an RLE stream knows no shape
        with pytest.raises(PixelsUndecodable):
            decode(stream, syntax, other)


@pytest.mark.parametrize(
    ("syntax", "padding"),
    [
        *((syntax, b"\0" * 6) for syntax in COMPRESSED),
        *((syntax, b"\xff") for syntax in COMPRESSED if syntax != uid.RLELossless),
    ],
)
def test_padding_after_the_stream_is_allowed(syntax, padding):
    samples, geometry = film(syntax)
    stream = encode(samples, syntax, geometry)
    expected = decode(stream, syntax, geometry)
    assert np.array_equal(decode(stream + padding, syntax, geometry), expected)


def j2k_bomb(side):
    samples, geometry = film(uid.JPEG2000Lossless)
    stream = bytearray(encode(samples, uid.JPEG2000Lossless, geometry))
    struct.pack_into(">IIIIIIII", stream, 8, side, side, 0, 0, side, side, 0, 0)
    return bytes(stream)


def jpeg_bomb(side):
    samples, geometry = film(uid.JPEGLosslessSV1)
    stream = bytearray(encode(samples, uid.JPEGLosslessSV1, geometry))
    at = stream.index(b"\xff\xc3")
    struct.pack_into(">HH", stream, at + 5, side, side)
    return bytes(stream)


def jpeg_ls_bomb(side):
    samples, geometry = film(uid.JPEGLSLossless)
    stream = bytearray(encode(samples, uid.JPEGLSLossless, geometry))
    at = stream.index(b"\xff\xf7")
    struct.pack_into(">HH", stream, at + 5, side, side)
    return bytes(stream)


def jpeg_xl_bomb(side):
    samples, geometry = film(jpeg_xl.JPEG_XL_LOSSLESS)
    stream = encode(samples, jpeg_xl.JPEG_XL_LOSSLESS, geometry)
    # not small, height in thirty bits, as wide as tall, all else as usual
    head = (3 << 1) | (side - 1) << 3 | 1 << 33 | 1 << 36
    return stream[:2] + head.to_bytes(5, "little") + stream[2:]


@pytest.mark.parametrize(
    ("syntax", "bomb"),
    [
        (uid.JPEG2000Lossless, j2k_bomb(60000)),
        (uid.HTJ2KLossless, j2k_bomb(60000)),
        (uid.JPEGLosslessSV1, jpeg_bomb(60000)),
        (uid.JPEGLSLossless, jpeg_ls_bomb(60000)),
        (jpeg_xl.JPEG_XL_LOSSLESS, jpeg_xl_bomb(60000)),
    ],
)
def test_a_bomb_is_refused_without_memory(syntax, bomb):
    tracemalloc.start()
    try:
        with pytest.raises(PixelsUndecodable, match="60000"):
            decode(bomb, syntax, Geometry(ROWS, COLUMNS, 16))
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "padding", [b" ", b"\x00", b"\x80", b"\xff", b"   ", b"\x7f\x01"]
)
@pytest.mark.parametrize("bits", [8, 16])
def test_whatever_an_rle_segment_is_padded_with_is_left_alone(padding, bits):
    samples = np.arange(120).reshape(10, 12).astype(f"u{bits // 8}")
    geometry = Geometry(10, 12, bits)
    stream = encode(samples, uid.RLELossless, geometry) + padding
    assert np.array_equal(decode(stream, uid.RLELossless, geometry), samples)


def test_an_rle_segment_that_is_cut_is_refused():
    samples = np.arange(120, dtype=np.uint8).reshape(10, 12)
    stream = encode(samples, uid.RLELossless, Geometry(10, 12, 8))
    with pytest.raises(PixelsUndecodable):
        decode(stream[:-20], uid.RLELossless, Geometry(10, 12, 8))


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def jp2(stream: bytes, *, header: bytes = b"") -> bytes:
    return (
        box(b"jP  ", b"\r\n\x87\n")
        + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
        + box(b"jp2h", header)
        + box(b"jp2c", stream)
    )


def test_a_jp2_file_in_the_place_of_a_codestream_is_unwrapped():
    samples = np.arange(120, dtype=np.uint16).reshape(10, 12)
    geometry = Geometry(10, 12, 16, 12)
    stream = encode(samples, uid.JPEG2000Lossless, geometry)
    found = decode(jp2(stream), uid.JPEG2000Lossless, geometry)
    assert np.array_equal(found, samples)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda stream: jp2(stream, header=box(b"pclr", b"\0" * 8)),
        lambda stream: jp2(stream)[:60],
        lambda stream: jp2(b"") + stream,
        lambda stream: box(b"jP  ", b"\r\n\x87\n") * 500 + stream,
        lambda stream: jp2(jp2(stream)),
        lambda stream: b"\0\0" + stream,
    ],
)
def test_a_codestream_begins_where_its_fragment_does(wrapped):
    samples = np.arange(120, dtype=np.uint16).reshape(10, 12)
    geometry = Geometry(10, 12, 16, 12)
    stream = encode(samples, uid.JPEG2000Lossless, geometry)
    with pytest.raises(PixelsUndecodable):
        decode(wrapped(stream), uid.JPEG2000Lossless, geometry)


@pytest.mark.parametrize("syntax", [uid.JPEGLossless, uid.JPEGLSLossless])
def test_a_jpeg_stream_begins_with_its_start_marker(syntax):
    samples = np.arange(120, dtype=np.uint16).reshape(10, 12)
    geometry = Geometry(10, 12, 16, 12)
    stream = encode(samples, syntax, geometry)
    with pytest.raises(PixelsUndecodable, match="start marker"):
        decode(b"\0\0" + stream[2:], syntax, geometry)


def test_a_stream_deeper_than_its_cells_is_refused():
    samples = np.arange(120, dtype=np.uint16).reshape(10, 12)
    stream = encode(samples, uid.JPEGLSLossless, Geometry(10, 12, 16))
    with pytest.raises(PixelsUndecodable, match="allocates 8"):
        decode(stream, uid.JPEGLSLossless, Geometry(10, 12, 8))


def test_an_rle_bomb_is_refused_when_it_outgrows_the_picture():
    run = b"\x81\x00" * 100_000  # each pair unpacks to 128 bytes
    stream = struct.pack("<16I", 1, 64, *([0] * 14)) + run
    with pytest.raises(PixelsUndecodable):
        decode(stream, uid.RLELossless, Geometry(10, 10, 8))


@pytest.mark.parametrize(
    "header",
    [
        (3, 64, 65, 66),
        (2, 64, 64),
        (2, 80, 70),
        (2, 10, 70),
        (2, 64, 1_000_000),
    ],
)
def test_rle_headers_that_make_no_sense_are_refused(header):
    stream = struct.pack("<16I", *header, *([0] * (16 - len(header)))) + b"\0" * 40
    with pytest.raises(PixelsUndecodable):
        decode(stream, uid.RLELossless, Geometry(4, 4, 16))


def test_a_colour_stream_is_refused():
    colour = np.zeros((ROWS, COLUMNS, 3), np.uint8)
    for syntax, encoder in (
        (uid.JPEGBaseline8Bit, imagecodecs.jpeg8_encode),
        (uid.JPEG2000, lambda data: imagecodecs.jpeg2k_encode(data, codecformat="j2k")),
        (jpeg_xl.JPEG_XL, imagecodecs.jpegxl_encode),
    ):
        with pytest.raises(PixelsUndecodable, match="x 3"):
            decode(bytes(encoder(colour)), syntax, Geometry(ROWS, COLUMNS, 8))


def test_deeper_than_sixteen_bits_is_refused():
    deep = np.arange(ROWS * COLUMNS, dtype=np.uint32).reshape(ROWS, COLUMNS) << 8
    stream = imagecodecs.jpeg2k_encode(
        deep, codecformat="j2k", bitspersample=24, reversible=True, level=0
    )
    with pytest.raises(PixelsUndecodable, match="24 bits"):
        decode(bytes(stream), uid.JPEG2000Lossless, Geometry(ROWS, COLUMNS, 16))


def test_an_unknown_syntax_is_named():
    with pytest.raises(PixelsUndecodable, match="MPEG2"):
        decode(b"", uid.MPEG2MPML, Geometry(1, 1, 8))
    with pytest.raises(ValueError, match="MPEG2"):
        encode(np.zeros((1, 1), np.uint8), uid.MPEG2MPML, Geometry(1, 1, 8))


@pytest.mark.parametrize(
    "stream", [b"", b"\xff\xd8", b"\xff\xd8\xff\xd9" * 20, b"GARBAGE" * 20]
)
@pytest.mark.parametrize("syntax", COMPRESSED)
def test_a_stream_without_a_header_is_refused(stream, syntax):
    with pytest.raises(PixelsUndecodable):
        decode(stream, syntax, Geometry(4, 4, 16))


@settings(max_examples=40, deadline=None)
@given(
    syntax=st.sampled_from(COMPRESSED),
    damage=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)),
        min_size=1,
        max_size=6,
    ),
)
def test_damage_gives_a_picture_of_the_right_size_or_a_refusal(syntax, damage):
    samples, geometry = film(syntax)
    stream = bytearray(encode(samples, syntax, geometry))
    for place, byte in damage:
        stream[int(place * len(stream))] = byte
    try:
        decoded = decode(bytes(stream), syntax, geometry)
    except PixelsUndecodable:
        return
    assert decoded.shape == samples.shape
