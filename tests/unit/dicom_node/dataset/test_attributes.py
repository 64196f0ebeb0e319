"""Whatever stands in an attribute, reading it gives a value or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from dicom_node.dataset import attributes
from dicom_node.dataset.quiet import quiet


def raw(vr, value, tag=0x00280010):
    dataset = Dataset()
    dataset[tag] = RawDataElement(
        Tag(tag), vr, len(value), value, 0, is_implicit_VR=False, is_little_endian=True
    )
    return dataset


def test_texts_are_trimmed_and_upper_case():
    dataset = raw("CS", b"original \\\\ Primary ", tag=0x00080008)
    assert attributes.texts(dataset, "ImageType") == ("ORIGINAL", "", "PRIMARY")
    assert attributes.text(dataset, "ImageType") == "ORIGINAL"


def test_what_is_missing_is_nothing():
    empty = Dataset()
    assert attributes.texts(empty, "ImageType") == ()
    assert attributes.text(empty, "ImageType") == ""
    assert attributes.number(empty, "Rows") is None
    assert attributes.integer(empty, "Rows") is None
    assert attributes.items(empty, "ViewCodeSequence") == ()
    assert attributes.codes(empty, "ViewCodeSequence") == frozenset()


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("US", b"\x00\x02", 512),
        ("DS", b"512.0 ", 512),
        ("IS", b"512", 512),
        ("LO", b" 512", 512),
        ("DS", b"5.5", None),
        ("DS", b"abc", None),
        ("DS", b"nan", None),
        ("DS", b"1e999", None),
        ("US", b"\x01", None),
        ("SQ", b"\x00\x01\x02", None),
        ("PN", b"\xff\xfe\x1b$B", None),
        ("XX", b"??", None),
    ],
)
def test_an_integer_is_found_in_any_representation_or_not_at_all(vr, value, expected):
    with quiet():
        assert attributes.integer(raw(vr, value), "Rows") == expected


def test_codes_of_every_item_are_gathered():
    first, second, broken = Dataset(), Dataset(), Dataset()
    first.CodeValue, second.CodeValue = "T-D3000", "816094009"
    dataset = Dataset()
    dataset.AnatomicRegionSequence = Sequence([first, second, broken])
    found = attributes.codes(dataset, "AnatomicRegionSequence")
    assert found == {"T-D3000", "816094009"}


@given(
    vr=st.sampled_from(
        [
            *("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FL", "FD", "IS", "LO", "LT"),
            *("OB", "OW", "PN", "SH", "SL", "SQ", "SS", "ST", "TM", "UI", "UL", "UN"),
            *("US", "UT", "ZZ"),
        ]
    ),
    value=st.binary(max_size=40),
)
def test_no_value_can_raise(vr, value):
    dataset = raw(vr, value)
    with quiet():
        for read in (
            attributes.value,
            attributes.texts,
            attributes.text,
            attributes.numbers,
            attributes.integer,
            attributes.items,
            attributes.codes,
        ):
            read(dataset, "Rows")
