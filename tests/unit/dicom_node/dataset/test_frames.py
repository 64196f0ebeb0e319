"""A file becomes an upright, calibrated Frame, or one of two clear refusals."""

import io
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import uid
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import dcmwrite

from dicom_node.dataset import frames
from dicom_node.dataset.pixels import codecs
from dicom_node.errors import DatasetInvalid, NotEligible, PixelsUndecodable
from inference.frame import Orientation
from tests.factories.cells import radiograph
from tests.factories.radiographs import synthetic_dataset, synthetic_radiograph
from tests.factories.syntaxes import COMPRESSED

ROWS, COLUMNS = 150, 130
SYNTAXES = [
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.DeflatedExplicitVRLittleEndian,
    *COMPRESSED,
]


def encoded(dataset) -> bytes:
    buffer = DicomBytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


FILM_BYTES = encoded(synthetic_dataset("DX", rows=ROWS, columns=COLUMNS))


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_film_looks_the_same_from_every_transfer_syntax(
    tmp_path, syntax, photometric
):
    path = tmp_path / "film.dcm"
    path.write_bytes(
        encoded(
            synthetic_dataset(
                "CR",
                rows=ROWS,
                columns=COLUMNS,
                transfer_syntax=syntax,
                photometric=photometric,
            )
        )
    )
    dataset, frame = frames.read(path)
    drawn, _ = synthetic_radiograph(0, ROWS, COLUMNS)
    tolerance = 0.06 if syntax in codecs.LOSSY else 0.003
    assert frame.pixels == pytest.approx(drawn / 4095, abs=tolerance)
    assert frame.pixels.dtype == np.float32
    assert frame.pixels.flags.c_contiguous
    assert frame.orientation == Orientation()
    assert "PixelData" not in dataset
    assert dataset.Rows == ROWS


def test_a_path_an_open_file_and_a_data_set_give_the_same_frame(tmp_path):
    path = tmp_path / "film.dcm"
    path.write_bytes(FILM_BYTES)
    _, of_path = frames.read(path)
    _, of_stream = frames.read(io.BytesIO(FILM_BYTES))
    source = synthetic_dataset("DX", rows=ROWS, columns=COLUMNS)
    _, of_dataset = frames.read(source)
    assert np.array_equal(of_path.pixels, of_stream.pixels)
    assert np.array_equal(of_path.pixels, of_dataset.pixels)
    assert "PixelData" in source


@pytest.mark.parametrize(
    ("along", "down"),
    [(a, d) for a in "LR" for d in "HF"] + [(a, d) for a in "HF" for d in "LR"],
)
def test_every_orientation_is_turned_upright_and_back(along, down):
    # Seen upright, values grow towards the patient's left and, faster, the feet.
    upright = np.add.outer(np.arange(4) * 100, np.arange(3)) + 10
    turn = Orientation(
        transpose=along in "HF",
        flip_rows="H" in (along, down),
        flip_columns="R" in (along, down),
    )
    source = turn.to_source(upright)
    _, frame = frames.read(radiograph(source, PatientOrientation=[along, down]))
    assert frame.orientation == turn
    assert np.array_equal(np.argsort(frame.pixels, None), np.arange(12))
    assert frame.orientation.to_source(frame.pixels).shape == source.shape
    turned = any("turned upright" in remark for remark in frame.remarks)
    assert turned is (turn != Orientation())


@pytest.mark.parametrize("value", [None, "", ["", ""], ["L"], ["A", "F"], ["X", "Y"]])
def test_an_orientation_that_says_nothing_useful_is_remarked(value):
    dataset = radiograph([[1, 2, 3]])
    dataset.PatientOrientation = value
    _, frame = frames.read(dataset)
    assert frame.orientation == Orientation()
    assert any("Patient Orientation" in remark for remark in frame.remarks)


def test_padding_turns_with_the_picture():
    dataset = radiograph([[0, 1, 2]], PatientOrientation=["R", "F"])
    dataset.PixelPaddingValue = 0
    _, frame = frames.read(dataset)
    assert frame.padding.tolist() == [[False, False, True]]


@pytest.mark.parametrize(
    ("attributes", "spacing"),
    [
        ({}, None),
        ({"PixelSpacing": [0.2, 0.1]}, (0.2, 0.1)),
        ({"ImagerPixelSpacing": [0.2, 0.1]}, None),
        ({"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.2, 0.2]}, None),
        ({"PixelSpacing": [0.18, 0.18], "ImagerPixelSpacing": [0.2, 0.2]}, (0.18,) * 2),
        (
            {
                "PixelSpacing": [0.2, 0.2],
                "ImagerPixelSpacing": [0.2, 0.2],
                "PixelSpacingCalibrationType": "FIDUCIAL",
            },
            (0.2, 0.2),
        ),
        ({"PixelSpacing": [0, 0]}, None),
        ({"PixelSpacing": [0.2]}, None),
        (
            {"PixelSpacing": [0.2, 0.1], "PatientOrientation": ["F", "L"]},
            (0.1, 0.2),
        ),
    ],
)
def test_millimetres_only_where_they_are_the_patients(attributes, spacing):
    _, frame = frames.read(radiograph([[1, 2], [3, 4]], **attributes))
    assert frame.pixel_spacing_mm == spacing


@pytest.mark.parametrize(("ratio", "told"), [(30.25, True), (12.25, False)])
def test_lossy_compression_is_told_where_it_harms(ratio, told):
    dataset = radiograph([[1, 2]], LossyImageCompression="01")
    dataset.LossyImageCompressionRatio = [ratio, 2]
    _, frame = frames.read(dataset)
    remark = f"The image was compressed with loss (ratio {ratio:.3g})."
    assert (remark in frame.remarks) is told


@pytest.mark.parametrize(
    ("header", "aspect"),
    [
        ({"PixelSpacing": ["0.4", "0.2"]}, 2.0),
        ({"ImagerPixelSpacing": ["0.2", "0.4"]}, 0.5),
        ({"PixelAspectRatio": ["3", "2"]}, 1.5),
        ({"PixelSpacing": ["0.2", "0.2"], "PixelAspectRatio": ["3", "2"]}, 1.0),
        ({"PixelSpacing": ["0.2", "0.201"]}, 1.0),
        ({"PixelSpacing": ["9", "0.2"]}, 1.0),
        ({"PixelSpacing": ["0.4", "0.2"], "PatientOrientation": ["F", "L"]}, 0.5),
    ],
)
def test_pixels_have_the_shape_that_the_header_tells(header, aspect):
    _, frame = frames.read(radiograph([[1, 2], [3, 4]], **header))
    assert frame.aspect == pytest.approx(aspect)
    impossible = header.get("PixelSpacing") == ["9", "0.2"]
    assert any("impossible" in remark for remark in frame.remarks) is impossible


@pytest.mark.parametrize(("view", "told"), [("AP", True), ("PA", False)])
def test_what_the_view_does_to_the_picture_is_told(view, told):
    _, frame = frames.read(radiograph([[1, 2]], ViewPosition=view))
    assert any(each.startswith("AP film") for each in frame.remarks) is told


def test_a_missing_file_is_the_systems_error_not_the_images(tmp_path):
    with pytest.raises(FileNotFoundError):
        frames.read(tmp_path / "nothing.dcm")


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"\0" * 128 + b"DICM"])
def test_what_is_no_dicom_file_is_invalid(content):
    with pytest.raises((DatasetInvalid, PixelsUndecodable)):
        frames.read(io.BytesIO(content))


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.99])
@pytest.mark.parametrize(
    "syntax",
    [
        uid.ExplicitVRLittleEndian,
        uid.DeflatedExplicitVRLittleEndian,
        uid.JPEGLSLossless,
        uid.RLELossless,
    ],
)
def test_a_cut_file_is_refused(share, syntax):
    whole = encoded(
        synthetic_dataset(rows=ROWS, columns=COLUMNS, transfer_syntax=syntax)
    )
    with pytest.raises((DatasetInvalid, PixelsUndecodable)):
        frames.read(io.BytesIO(whole[: int(len(whole) * share)]))


def test_a_deflate_bomb_is_refused_by_its_size():
    dataset = synthetic_dataset(rows=ROWS, columns=COLUMNS)
    whole = encoded(
        synthetic_dataset(
            rows=ROWS,
            columns=COLUMNS,
            transfer_syntax=uid.DeflatedExplicitVRLittleEndian,
        )
    )
    size = len(encoded(dataset))
    frames.read(io.BytesIO(whole), limits=frames.FrameLimits(inflated_bytes=size))
    with pytest.raises(DatasetInvalid, match="limit"):
        frames.read(
            io.BytesIO(whole), limits=frames.FrameLimits(inflated_bytes=size // 2)
        )


def test_a_deflated_file_that_does_not_inflate_is_invalid():
    whole = encoded(
        synthetic_dataset(
            rows=ROWS,
            columns=COLUMNS,
            transfer_syntax=uid.DeflatedExplicitVRLittleEndian,
        )
    )
    head = whole[: whole.index(uid.DeflatedExplicitVRLittleEndian.encode()) + 200]
    deflater = zlib.compressobj(wbits=-15)
    for tail in (b"\xff" * 4000, deflater.compress(b"") + b"garbage" * 99):
        with pytest.raises((DatasetInvalid, PixelsUndecodable)):
            frames.read(io.BytesIO(head + tail))


def test_a_larger_film_than_allowed_is_refused():
    with pytest.raises(PixelsUndecodable, match="limit"):
        frames.read(
            io.BytesIO(FILM_BYTES), limits=frames.FrameLimits(pixels=ROWS * COLUMNS - 1)
        )


@settings(max_examples=150, deadline=None)
@given(
    damage=st.lists(
        st.tuples(st.integers(0, 2200), st.integers(0, 255)), min_size=1, max_size=12
    )
)
def test_a_damaged_header_is_read_or_refused_never_worse(damage):
    damaged = bytearray(FILM_BYTES)
    for place, byte in damage:
        damaged[place] = byte
    try:
        _, frame = frames.read(
            io.BytesIO(bytes(damaged)), limits=frames.FrameLimits(pixels=1_000_000)
        )
    except (DatasetInvalid, NotEligible, PixelsUndecodable):
        return
    assert frame.pixels.dtype == np.float32
    assert np.isfinite(frame.pixels).all()
    assert 0 <= frame.pixels.min() <= frame.pixels.max() <= 1


def framed(value=4095, widths=(20, 12, 16, 8), **attributes):
    """Draw a film with a frame: rows above and below, columns left and right."""
    drawn, _ = synthetic_radiograph(0, ROWS, COLUMNS)
    top, bottom, left, right = widths
    film = np.full((ROWS, COLUMNS), value)
    film[top : ROWS - bottom, left : COLUMNS - right] = np.minimum(drawn, 4000)[
        top : ROWS - bottom, left : COLUMNS - right
    ]
    return radiograph(film, **attributes)


@pytest.mark.parametrize("widths", [(20, 12, 16, 8), (0, 30, 0, 0), (5, 5, 0, 40)])
def test_a_white_frame_is_no_picture(widths):
    _, frame = frames.read(framed(widths=widths))
    top, bottom, left, right = widths
    assert frame.picture == (slice(top, ROWS - bottom), slice(left, COLUMNS - right))
    assert any("white frame" in remark for remark in frame.remarks)


def test_a_frame_of_a_negative_is_white_too():
    _, frame = frames.read(framed(value=0, PhotometricInterpretation="MONOCHROME1"))
    assert frame.picture is not None


@pytest.mark.parametrize("value", [0, 2000])
def test_a_border_of_another_grey_is_picture(value):
    _, frame = frames.read(framed(value=value))
    assert frame.picture is None


def test_tissue_that_the_window_makes_white_is_picture():
    film = np.tile(np.arange(ROWS)[:, None] * 20 + 500, (1, COLUMNS))
    film[:, ::2] += 1
    _, frame = frames.read(radiograph(film, WindowCenter=1000, WindowWidth=1000))
    assert frame.pixels[-1].min() == 1
    assert frame.picture is None


def test_an_empty_white_picture_is_left_as_it_is():
    _, frame = frames.read(radiograph(np.full((40, 40), 4095)))
    assert frame.picture is None
