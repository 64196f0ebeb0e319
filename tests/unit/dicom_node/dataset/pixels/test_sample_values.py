"""A contradiction between header and samples is mended where certain, else refused."""

import numpy as np
import pytest
from pydicom import uid
from pydicom.encaps import encapsulate

from dicom_node.dataset.pixels import codecs
from dicom_node.dataset.pixels.codecs import Precision
from dicom_node.dataset.pixels.grayscale import StoredValues
from dicom_node.dataset.pixels.pixel_data import PixelCells, read_patterns
from dicom_node.dataset.pixels.sample_values import Claims, settle
from dicom_node.errors import NotEligible
from tests.factories.cells import radiograph
from tests.factories.radiographs import synthetic_radiograph

FILM = synthetic_radiograph(0, 150, 130)[0].astype(np.int32)
TWELVE = StoredValues(12, signed=False)
SIGNED = StoredValues(12, signed=True)


def values(settled):
    return settled.stored.values()[settled.patterns]


def settled(film, **attributes):
    dataset = radiograph(film, **attributes)
    return read_patterns(dataset, PixelCells.of(dataset, 1_000_000))


def test_what_fits_is_left_alone():
    found = settled(FILM)
    assert np.array_equal(values(found), FILM)
    assert found.remarks == ()


@pytest.mark.parametrize("bits", [8, 10, 11])
def test_cells_with_more_bits_than_said_are_refused(bits):
    with pytest.raises(NotEligible, match="more bits") as error:
        settled(FILM, bits=16, BitsStored=bits, HighBit=bits - 1)
    assert error.value.code == "PIXEL_VALUES"


def test_bits_that_are_the_same_everywhere_say_nothing():
    assert np.array_equal(values(settled(FILM | 0xF000)), FILM)


def test_overlays_that_the_header_names_are_ignored():
    film = FILM | (np.indices(FILM.shape).sum(axis=0) % 3 == 0) << 12
    dataset = radiograph(film)
    dataset.add_new(0x60020102, "US", 12)
    found = read_patterns(dataset, PixelCells.of(dataset, 1_000_000))
    assert np.array_equal(values(found), FILM)


def test_a_padding_value_beyond_the_stored_bits_is_padding():
    film = FILM.copy()
    film[:, :20] = 0xFFFF
    found = settled(film, PixelPaddingValue=0xFFFF)
    assert np.array_equal(values(found)[:, 20:], FILM[:, 20:])
    assert (values(found)[:, :20] == 0xFFFF).all()


def test_the_sign_of_cells_may_be_extended_into_the_unused_bits():
    found = settled(FILM - 2048, signed=True)
    assert np.array_equal(values(found), FILM - 2048)
    assert found.remarks == ()


def test_signed_cells_that_the_header_calls_unsigned_are_read_as_signed():
    found = settled(FILM - 2048)
    assert np.array_equal(values(found), FILM - 2048)
    assert any("signed" in remark for remark in found.remarks)


def test_unsigned_cells_that_the_header_calls_signed_are_read_as_unsigned():
    found = settled(FILM, PixelRepresentation=1)
    assert np.array_equal(values(found), FILM)
    assert any("unsigned" in remark for remark in found.remarks)


@pytest.mark.parametrize("depth", [12, 16])
def test_a_stream_that_only_claims_a_sign_is_moved_back(depth):
    moved = settle(
        (FILM - 2048).astype(np.int16),
        Claims(TWELVE, stream=Precision(depth, signed=True)),
    )
    assert np.array_equal(values(moved), FILM)
    assert any("signed" in remark for remark in moved.remarks)


def test_a_stream_of_wrapped_values_is_unwrapped():
    wrapped = np.where(FILM > 2047, FILM - 4096, FILM).astype(np.int16)
    found = settle(wrapped, Claims(TWELVE, stream=Precision(12, signed=True)))
    assert np.array_equal(values(found), FILM)


def test_a_sign_that_could_mean_either_is_refused():
    noise = np.random.default_rng(0).integers(-2048, 2048, (60, 60)).astype(np.int16)
    with pytest.raises(NotEligible):
        settle(noise, Claims(TWELVE, stream=Precision(12, signed=True)))


def test_a_signed_stream_without_negative_values_needs_no_judgement():
    found = settle(
        (FILM // 2).astype(np.int16), Claims(TWELVE, stream=Precision(12, signed=True))
    )
    assert np.array_equal(values(found), FILM // 2)
    assert found.remarks == ()


def test_an_unsigned_stream_of_two_s_complement_is_read_as_the_header_says():
    found = settle(
        ((FILM - 2048) & 0xFFF).astype(np.uint16),
        Claims(SIGNED, stream=Precision(12, signed=False)),
    )
    assert np.array_equal(values(found), FILM - 2048)


def test_an_unsigned_stream_that_the_header_calls_signed_is_read_as_unsigned():
    found = settle(
        FILM.astype(np.uint16), Claims(SIGNED, stream=Precision(12, signed=False))
    )
    assert np.array_equal(values(found), FILM)


def test_a_stream_that_names_its_own_depth_is_believed():
    found = settle(
        FILM.astype(np.uint16),
        Claims(StoredValues(10, signed=False), stream=Precision(12)),
    )
    assert np.array_equal(values(found), FILM)
    assert any("12 bits" in remark for remark in found.remarks)


def test_a_stream_that_names_only_the_depth_of_its_cells_is_not():
    with pytest.raises(NotEligible):
        settle(
            FILM.astype(np.uint16),
            Claims(StoredValues(10, signed=False), stream=Precision(16)),
        )


def test_ringing_is_clipped_and_more_bits_are_not_ringing():
    lossy = Claims(StoredValues(10, signed=False), stream=Precision(12), is_lossy=True)
    ringing = np.minimum(FILM // 4 + 90, 1100).astype(np.uint16)
    found = settle(ringing, lossy)
    assert found.stored.bits == 10
    assert values(found).max() == 1023
    assert settle(FILM.astype(np.uint16), lossy).stored.bits == 12


@pytest.mark.parametrize("syntax", [uid.JPEGLSLossless, uid.JPEG2000Lossless])
def test_the_depth_of_a_stream_is_read_from_its_header(syntax):
    geometry = codecs.Geometry(*FILM.shape, 16, 12)
    stream = codecs.encode(FILM.astype(np.uint16), syntax, geometry)
    said = codecs.precision(stream, syntax)
    assert said is not None
    assert said.bits in {12, 16}
    dataset = radiograph(FILM, syntax=syntax, BitsStored=10, HighBit=9)
    dataset.PixelData = encapsulate([stream])
    if said.bits == 12:
        found = read_patterns(dataset, PixelCells.of(dataset, 1_000_000))
        assert np.array_equal(values(found), FILM)
    else:
        with pytest.raises(NotEligible):
            read_patterns(dataset, PixelCells.of(dataset, 1_000_000))
