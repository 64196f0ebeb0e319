"""A JPEG XL stream says what it is before anything of it is decoded."""

import contextlib

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import uid

from dicom_node.dataset.pixels import codecs, jpeg_xl

SYNTAXES = (
    jpeg_xl.JPEG_XL_LOSSLESS,
    jpeg_xl.JPEG_XL_JPEG_RECOMPRESSION,
    jpeg_xl.JPEG_XL,
)


def picture(rows, columns, bits=12):
    cells = np.add.outer(np.arange(rows), 3 * np.arange(columns)) % (1 << bits)
    return cells.astype(np.uint8 if bits <= 8 else np.uint16)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_pydicom_has_been_told_of_the_syntax(syntax):
    known = uid.UID(str(syntax))
    assert known.is_transfer_syntax
    assert known.is_encapsulated
    assert known.name.startswith("JPEG XL")


@given(
    rows=st.integers(1, 400),
    columns=st.integers(1, 400),
    bits=st.sampled_from([8, 10, 12, 14, 16]),
    lossless=st.booleans(),
    boxed=st.booleans(),
)
def test_size_depth_and_colour_are_read_as_they_were_written(
    rows, columns, bits, lossless, boxed
):
    how = {"lossless": True} if lossless else {"distance": 1.0}
    stream = imagecodecs.jpegxl_encode(
        picture(rows, columns, bits), bitspersample=bits, usecontainer=boxed, **how
    )
    said = jpeg_xl.read_header(stream)
    assert said == jpeg_xl.Said(rows, columns, 1, bits, is_lossy=not lossless)


@pytest.mark.parametrize("side", [8, 256, 512, 513, 8192, 8193, 70_000])
@pytest.mark.parametrize("ratio", range(8))
def test_every_form_of_a_size_is_read(side, ratio):
    width = (
        100
        if ratio == 0
        else int(side * (1, 1.2, 4 / 3, 1.5, 16 / 9, 1.25, 2)[ratio - 1])
    )
    form = next(n for n, most in enumerate((9, 13, 18, 30)) if side <= 1 << most)
    bits = (9, 13, 18, 30)[form]
    head = form << 1 | (side - 1) << 3 | ratio << (3 + bits)
    if ratio == 0:
        head |= 99 << (8 + bits)
    said = jpeg_xl.read_header(b"\xff\x0a" + (head | 1 << 80).to_bytes(16, "little"))
    assert (said.rows, said.columns) == (side, width)


def test_a_recompressed_jpeg_is_told_by_its_box():
    stream = imagecodecs.jpegxl_encode_jpeg(
        imagecodecs.jpeg8_encode(picture(40, 30, 8))
    )
    found = jpeg_xl.transfer_syntax_of(stream)
    assert found == jpeg_xl.JPEG_XL_JPEG_RECOMPRESSION


def test_animations_and_colour_are_no_films():
    frames = np.stack([picture(40, 30, 8)] * 3)
    colour = np.stack([picture(40, 30, 8)] * 3, axis=-1)
    geometry = codecs.Geometry(40, 30, 8)
    for cells, how, why in (
        (frames, {"photometric": "gray"}, "animated"),
        (colour, {}, "x 3"),
    ):
        stream = bytes(imagecodecs.jpegxl_encode(cells, **how))
        with pytest.raises(codecs.PixelsUndecodable, match=why):
            codecs.decode(stream, jpeg_xl.JPEG_XL, geometry)


@given(st.binary(max_size=80))
def test_garbage_is_some_header_or_none_but_no_other_error(data):
    for start in (b"", b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n"):
        jpeg_xl.transfer_syntax_of(start + data)
        with contextlib.suppress(ValueError):
            jpeg_xl.read_header(start + data)
