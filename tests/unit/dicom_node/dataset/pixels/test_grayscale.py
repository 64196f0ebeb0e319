"""Stored values become the grey that PS3.4 N.2 says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_node.dataset import frames
from dicom_node.dataset.pixels.grayscale import StoredValues
from tests.factories.cells import radiograph


def shown(stored, **attributes):
    _, frame = frames.read(radiograph(stored, **attributes))
    return frame.pixels[0].astype(float)


def lut(first, data, bits=16):
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(data), first, bits])
    item.add_new("LUTData", "US", [int(entry) for entry in data])
    return item


def test_a_linear_window_follows_the_standard_formula():
    x = np.array([0, 1023.5 - 1, 2047, 2048, 3000, 4095]).astype(int)
    y = shown(x, WindowCenter=2048, WindowWidth=2000)
    expected = np.clip((x - 2047.5) / 1999 + 0.5, 0, 1)
    assert y == pytest.approx(expected, abs=1e-6)


def test_linear_exact_has_no_half_pixel():
    x = np.array([0, 1048, 1500, 2048, 3048])
    y = shown(x, WindowCenter=2048, WindowWidth=2000, VOILUTFunction="LINEAR_EXACT")
    assert y == pytest.approx(np.clip((x - 2048) / 2000 + 0.5, 0, 1), abs=1e-6)


def test_sigmoid_never_clips():
    x = np.array([0, 1024, 2048, 4095])
    y = shown(x, WindowCenter=2048, WindowWidth=2000, VOILUTFunction="SIGMOID")
    assert y == pytest.approx(1 / (1 + np.exp(-4 * (x - 2048) / 2000)), abs=1e-6)


def test_of_several_windows_the_first_is_shown():
    x = [0, 100, 200, 300]
    several = shown(x, WindowCenter=[150, 4000], WindowWidth=[300, 10])
    assert several == pytest.approx(shown(x, WindowCenter=150, WindowWidth=300))


@pytest.mark.parametrize("width", [0, -5, 0.5])
def test_a_senseless_window_is_no_window(width):
    x = [0, 100, 200, 300]
    y = shown(x, WindowCenter=150, WindowWidth=width)
    assert y == pytest.approx(shown(x))


def test_a_window_that_hides_the_picture_is_left_out_and_said_so():
    stored = np.arange(1000)
    _, frame = frames.read(radiograph(stored, WindowCenter=4000, WindowWidth=2))
    assert frame.pixels.std() > 0.2
    assert any("window hides" in remark for remark in frame.remarks)


def test_without_a_window_the_films_own_range_is_shown():
    y = shown(np.arange(500, 1500))
    assert y[0] == 0
    assert y[-1] == 1
    assert np.all(np.diff(y) >= 0)


def test_a_flat_film_is_black_not_an_error():
    assert shown([7, 7, 7]).tolist() == [0, 0, 0]


def test_rescale_comes_before_the_window():
    x = np.array([0, 100, 200, 300])
    y = shown(
        x, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=-700, WindowWidth=601
    )
    assert y == pytest.approx(np.clip((2 * x - 1000 + 700.5) / 600 + 0.5, 0, 1))


def test_a_rescale_slope_of_zero_is_ignored():
    x = [0, 100, 200]
    assert shown(x, RescaleSlope=0, RescaleIntercept=5) == pytest.approx(shown(x))


def test_a_modality_lut_maps_stored_values():
    table = [0, 10, 1000]
    y = shown(
        [4, 5, 6, 7, 9],
        ModalityLUTSequence=Sequence([lut(5, table)]),
        WindowCenter=500.5,
        WindowWidth=1001,
    )
    assert y == pytest.approx([0, 0, 0.01, 1, 1], abs=1e-6)


def test_a_voi_lut_goes_before_a_window():
    y = shown(
        [0, 1, 2, 3],
        VOILUTSequence=Sequence([lut(0, [0, 4095, 0, 2048], bits=12)]),
        WindowCenter=2,
        WindowWidth=4,
    )
    assert y == pytest.approx([0, 1, 0, 2048 / 4095], abs=1e-6)


def test_a_voi_lut_may_start_below_zero():
    y = shown(
        [-2, -1, 0, 1],
        bits=16,
        signed=True,
        VOILUTSequence=Sequence([lut(-2, [0, 100, 200, 255], bits=8)]),
    )
    assert y == pytest.approx([0, 100 / 255, 200 / 255, 1], abs=1e-6)


def test_the_sign_of_a_lut_start_may_have_been_lost():
    y = shown(
        [-2, -1, 0, 1],
        bits=16,
        signed=True,
        VOILUTSequence=Sequence([lut(65534, [0, 100, 200, 255], bits=8)]),
    )
    assert y == pytest.approx([0, 100 / 255, 200 / 255, 1], abs=1e-6)


def test_lut_data_may_come_as_bytes():
    item = lut(0, [0, 1, 2, 3])
    item.add_new("LUTData", "OW", np.array([0, 100, 200, 255], "<u2").tobytes())
    item.LUTDescriptor = [4, 0, 8]
    y = shown([0, 1, 2, 3], VOILUTSequence=Sequence([item]))
    assert y == pytest.approx([0, 100 / 255, 200 / 255, 1], abs=1e-6)


def test_lut_data_may_come_packed_two_entries_a_word():
    item = lut(0, [0, 1, 2, 3])
    item.add_new("LUTData", "OW", bytes([0, 100, 200, 255]))
    item.LUTDescriptor = [4, 0, 8]
    y = shown([0, 1, 2, 3], VOILUTSequence=Sequence([item]))
    assert y == pytest.approx([0, 100 / 255, 200 / 255, 1], abs=1e-6)


@pytest.mark.parametrize("sequence", ["ModalityLUTSequence", "VOILUTSequence"])
def test_a_malformed_lut_is_left_out_and_said_so(sequence):
    broken = Dataset()
    broken.add_new("LUTDescriptor", "US", [3, 0])
    stored = np.arange(100)
    _, frame = frames.read(radiograph(stored, **{sequence: Sequence([broken])}))
    assert frame.pixels.std() > 0.2
    assert any("malformed" in remark for remark in frame.remarks)


def test_monochrome1_is_inverted_after_the_window():
    x = [0, 100, 200, 300]
    window = {"WindowCenter": 150, "WindowWidth": 301}
    inverted = shown(x, PhotometricInterpretation="MONOCHROME1", **window)
    assert inverted == pytest.approx(1 - shown(x, **window), abs=1e-6)


@pytest.mark.parametrize(
    ("photometric", "shape", "remarked"),
    [
        ("MONOCHROME1", "INVERSE", False),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME1", "IDENTITY", True),
        ("MONOCHROME2", "INVERSE", True),
    ],
)
def test_a_contradiction_in_polarity_is_remarked(photometric, shape, remarked):
    attributes = {
        "PhotometricInterpretation": photometric,
        "PresentationLUTShape": shape,
    }
    _, frame = frames.read(radiograph([1, 2, 3], **attributes))
    assert any("Presentation LUT Shape" in text for text in frame.remarks) is remarked


def test_padding_is_background_and_does_not_count_for_the_range():
    _, frame = frames.read(radiograph([0, 0, 1000, 1500, 2000], PixelPaddingValue=0))
    assert frame.padding.tolist() == [[True, True, False, False, False]]
    assert frame.pixels[0] == pytest.approx([0, 0, 0, 0.5, 1], abs=1e-6)


def test_padding_of_an_inverted_film_is_background_too():
    _, frame = frames.read(
        radiograph(
            [0, 1000, 2000],
            PixelPaddingValue=0,
            PhotometricInterpretation="MONOCHROME1",
        )
    )
    assert frame.pixels[0] == pytest.approx([0, 1, 0], abs=1e-6)


def test_a_padding_range_is_closed_at_both_ends():
    dataset = radiograph([9, 10, 15, 20, 21], PixelPaddingValue=20)
    dataset.PixelPaddingRangeLimit = 10
    _, frame = frames.read(dataset)
    assert frame.padding.tolist() == [[False, True, True, True, False]]


def test_a_padding_value_whose_sign_was_lost_is_understood():
    dataset = radiograph([-2000, 0, 500], bits=16, signed=True)
    dataset.add_new("PixelPaddingValue", "US", 65536 - 2000)
    _, frame = frames.read(dataset)
    assert frame.padding.tolist() == [[True, False, False]]


def test_padding_that_no_pixel_holds_is_no_padding():
    _, frame = frames.read(radiograph([1, 2, 3], PixelPaddingValue=4000))
    assert frame.padding is None


def test_raw_linear_intensities_are_shown_as_attenuation():
    x = np.array([0, 9, 99, 999])
    raw = {
        "PresentationIntentType": "FOR PROCESSING",
        "PixelIntensityRelationship": "LIN",
    }
    y = shown(x, PixelIntensityRelationshipSign=1, **raw)
    assert y == pytest.approx([0, 1 / 3, 2 / 3, 1], abs=1e-6)
    y = shown(999 - x, PixelIntensityRelationshipSign=-1, **raw)
    assert y == pytest.approx([1, 2 / 3, 1 / 3, 0], abs=1e-6)


@given(
    bits=st.integers(1, 16),
    signed=st.booleans(),
)
def test_every_bit_pattern_has_its_value(bits, signed):
    stored = StoredValues(bits, signed)
    values = stored.values()
    assert sorted(values) == list(range(stored.lowest, stored.highest + 1))
    assert all(int(value) & stored.mask == n for n, value in enumerate(values))


@given(
    stored=st.lists(st.integers(-2048, 2047), min_size=1, max_size=40),
    numbers=st.fixed_dictionaries(
        {},
        optional={
            keyword: st.floats(-1e6, 1e6)
            for keyword in (
                *("WindowCenter", "WindowWidth"),
                *("RescaleSlope", "RescaleIntercept"),
            )
        },
    ),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID", "", "NONSENSE"]),
    photometric=st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
    padding=st.integers(-2048, 2047) | st.none(),
)
def test_whatever_the_header_says_grey_lies_between_black_and_white(
    stored, numbers, function, photometric, padding
):
    dataset = radiograph(stored, signed=True, PhotometricInterpretation=photometric)
    for keyword, number in numbers.items():
        setattr(dataset, keyword, f"{number:.8g}")
    dataset.VOILUTFunction = function
    if padding is not None:
        dataset.add_new("PixelPaddingValue", "SS", padding)
    _, frame = frames.read(dataset)
    assert frame.pixels.dtype == np.float32
    assert np.isfinite(frame.pixels).all()
    assert frame.pixels.min() >= 0
    assert frame.pixels.max() <= 1


@pytest.mark.parametrize(("highest", "declared"), [(4095, 16), (1023, 12), (255, 16)])
def test_a_lut_narrower_than_declared_is_scaled_by_its_own_range(highest, declared):
    table = np.linspace(0, highest, 4096).astype(int)
    y = shown(np.arange(4096), VOILUTSequence=Sequence([lut(0, table, bits=declared)]))
    assert y == pytest.approx(table / highest, abs=1e-6)


@pytest.mark.parametrize(
    "table",
    [
        np.full(4096, 4095),
        np.full(4096, 7),
        np.zeros(4096, int),
        np.minimum(np.arange(4096) * 16, 4095),
        np.where(np.arange(4096) < 4000, 0, np.arange(4096)),
    ],
    ids=["white", "constant", "black", "mostly white", "mostly black"],
)
@pytest.mark.parametrize("windowed", [True, False])
def test_a_lut_that_hides_the_film_gives_way(table, windowed):
    window = {"WindowCenter": 2048, "WindowWidth": 4096} if windowed else {}
    film = np.arange(4096)
    dataset, frame = frames.read(
        radiograph(film, VOILUTSequence=Sequence([lut(0, table, bits=12)]), **window)
    )
    assert frame.pixels[0].astype(float) == pytest.approx(shown(film, **window))
    assert any("VOI LUT hides" in remark for remark in frame.remarks)
    assert "VOILUTSequence" not in dataset


def test_a_lut_that_shows_the_film_stays_in_the_header():
    table = np.arange(4096)
    dataset, _ = frames.read(
        radiograph(table, VOILUTSequence=Sequence([lut(0, table, bits=12)]))
    )
    assert "VOILUTSequence" in dataset


def test_entries_of_vr_ss_have_no_sign():
    table = np.linspace(0, 65535, 4096).astype(int)
    item = lut(0, [0] * 4096)
    signed = np.where(table > 32767, table - 65536, table)
    item.add_new("LUTData", "SS", signed.tolist())
    y = shown(np.arange(4096), VOILUTSequence=Sequence([item]))
    assert y == pytest.approx(table / 65535, abs=1e-6)


def test_a_window_so_wide_that_nothing_is_seen_gives_way():
    x = np.arange(1000, 1400)
    wide = shown(x, WindowCenter=32768, WindowWidth=65536)
    assert wide == pytest.approx(shown(x))
