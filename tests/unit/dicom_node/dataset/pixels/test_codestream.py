"""A codestream tells its own transfer syntax."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import uid

from dicom_node.dataset.pixels import codecs
from dicom_node.dataset.pixels.codestream import transfer_syntax_of
from tests.factories.syntaxes import COMPRESSED, OF_EIGHT_BITS

FILM = np.add.outer(np.arange(40), np.arange(37)).astype(np.uint16)
SAME = {
    uid.JPEGLosslessSV1: uid.JPEGLossless,
    uid.HTJ2KLosslessRPCL: uid.HTJ2KLossless,
}
"""Decoded alike, and not told apart."""


@pytest.mark.parametrize("syntax", COMPRESSED)
def test_every_syntax_that_is_read_is_recognised(syntax):
    eight = syntax in OF_EIGHT_BITS
    geometry = codecs.Geometry(40, 37, 8 if eight else 16, 8 if eight else 12)
    stream = codecs.encode(FILM.astype(np.uint8) if eight else FILM, syntax, geometry)
    assert transfer_syntax_of(stream) == SAME.get(syntax, syntax)


@given(st.binary(max_size=100))
def test_garbage_is_no_codestream_or_some_syntax_but_no_error(data):
    for start in (b"", b"\xff\xd8", b"\xff\x4f"):
        found = transfer_syntax_of(start + data)
        assert not found or found in COMPRESSED
