"""A file is read as it was meant: without meta, without preamble, with blank VRs."""

import io
import struct

import numpy as np
import pytest
from pydicom import uid
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import dcmwrite

from dicom_node.dataset import frames
from dicom_node.dataset.header import skip_file_meta
from dicom_node.dataset.part10_file import normal, read_header_of
from dicom_node.errors import DatasetInvalid
from tests.factories.radiographs import synthetic_dataset
from tests.factories.syntaxes import COMPRESSED

SYNTAXES = sorted(
    set(COMPRESSED) | {uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian}
)


def film(syntax=uid.ExplicitVRLittleEndian) -> bytes:
    buffer = DicomBytesIO()
    dataset = synthetic_dataset("CR", rows=60, columns=50, transfer_syntax=syntax)
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def bare(content: bytes) -> bytes:
    stream = io.BytesIO(content)
    skip_file_meta(stream)
    return stream.read()


def pixels(content: bytes):
    return frames.read(io.BytesIO(content))[1]


def test_a_sane_file_is_left_alone():
    stream = io.BytesIO(film())
    found = normal(stream)
    assert found.stream is stream
    assert found.remarks == ()


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(
    "cut",
    [bare, lambda content: content[128:132] * 0 + bare(content)],
    ids=["bare", "again"],
)
def test_a_data_set_without_meta_is_read_as_the_syntax_that_fits(syntax, cut):
    whole = film(syntax)
    found = pixels(cut(whole))
    assert np.array_equal(found.pixels, pixels(whole).pixels)
    assert any("no transfer syntax" in remark for remark in found.remarks)


def test_meta_without_a_preamble_is_read():
    whole = film()
    found = pixels(whole[132:])
    assert np.array_equal(found.pixels, pixels(whole).pixels)
    assert not any("transfer syntax" in remark for remark in found.remarks)


def test_meta_without_its_length_is_read():
    whole = film()
    found = pixels(whole[:132] + whole[144:])
    assert np.array_equal(found.pixels, pixels(whole).pixels)


def test_a_preamble_without_meta_is_read():
    whole = film()
    found = pixels(whole[:132] + bare(whole))
    assert np.array_equal(found.pixels, pixels(whole).pixels)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x08\0", b"\x08\0\x05\0" * 50])
def test_what_is_no_dicom_object_is_called_so(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(DatasetInvalid):
        read_header_of(path)


def changed(content: bytes, keyword: bytes, vr: bytes) -> bytes:
    at = content.index(keyword, 132)
    return content[: at + 4] + vr + content[at + 6 :]


STUDY_UID, PART = b"\x20\0\x0d\0UI", b"\x18\0\x15\0CS"
CHARSET, ROWS = b"\x08\0\x05\0CS", b"\x28\0\x10\0US"


@pytest.mark.parametrize("vr", [b"  ", b"??", b"\0\0", b"cs", b"1A"])
@pytest.mark.parametrize("element", [STUDY_UID, PART, ROWS])
def test_an_element_whose_vr_is_a_mistake_has_the_dictionary_s(tmp_path, vr, element):
    whole = film()
    path = tmp_path / "film.dcm"
    path.write_bytes(changed(whole, element, vr))
    header = read_header_of(path)
    assert header.Rows == 60
    assert header.BodyPartExamined == "CHEST"
    assert header.StudyInstanceUID.startswith("2.25") or header.StudyInstanceUID
    assert np.array_equal(pixels(path.read_bytes()).pixels, pixels(whole).pixels)


def test_the_very_first_element_may_be_the_one(tmp_path):
    whole = film()
    path = tmp_path / "film.dcm"
    content = bare(whole)
    first = whole[: len(whole) - len(content)] + content[:4] + b"  " + content[6:]
    path.write_bytes(first)
    assert read_header_of(path).Rows == 60
    assert np.array_equal(pixels(first).pixels, pixels(whole).pixels)


def test_a_representation_of_the_future_has_the_long_form():
    whole = film()
    at = whole.index(PART)
    future = struct.pack("<HH2sHI", 0x0018, 0x0014, b"ZZ", 0, 6) + b"abcdef"
    found = pixels(whole[:at] + future + whole[at:])
    assert np.array_equal(found.pixels, pixels(whole).pixels)
