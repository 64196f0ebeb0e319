"""Damaged words become letters that compare equal."""

# ruff: noqa: RUF001  letters that look alike are what this is about

import pytest
from pydicom import config
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicom_node.dataset.film.letters import plain, tokens, words


def said(text, charset=None) -> tuple[str, ...]:
    dataset = Dataset()
    if charset:
        dataset.SpecificCharacterSet = charset
    dataset.add(
        DataElement("BodyPartExamined", "CS", text, validation_mode=config.IGNORE)
    )
    return words(dataset, ("BodyPartExamined",))


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("Tórax", "TORAX"),
        ("  chest \t pa ", "CHEST PA"),
        ("göğüs", "GOGUS"),
        ("płuca", "PLUCA"),
        ("ＣＨＥＳＴ", "CHEST"),
        ("T\N{REPLACEMENT CHARACTER}RAX", "T?RAX"),
        ("Грудной", "ГРУДНОИ"),
        ("흉부", "흉부"),
        ("bröst", "BROST"),
        ("brjóstkassi", "BRJOSTKASSI"),
    ],
)
def test_accents_case_and_width_do_not_matter(text, letters):
    assert plain(text) == letters


@pytest.mark.parametrize("codec", ["latin-1", "cp1252"])
@pytest.mark.parametrize("word", ["TÓRAX", "GÖĞÜS", "HRUDNÍK", "BRÖST", "ngực"])
def test_utf_8_read_as_western_letters_is_read_again(word, codec):
    try:
        damaged = word.encode().decode(codec)
    except UnicodeDecodeError:
        pytest.skip("this code page has no such letters")
    assert plain(word) in said(damaged)


def test_letters_that_went_through_utf_8_twice_are_found():
    twice = "TÓRAX".encode().decode("latin-1").encode().decode("latin-1")
    assert "TORAX" in said(twice)


@pytest.mark.parametrize(
    ("word", "codec", "charset"),
    [
        ("ОГК", "iso8859_5", "ISO_IR 144"),
        ("ТОРАКС", "cp1251", None),
        ("Θώρακας", "iso8859_7", "ISO_IR 126"),
        ("胸部", "gb18030", "GB18030"),
        ("胸部", "shift_jis", None),
        ("흉부", "euc_kr", None),
    ],
)
def test_other_scripts_in_a_code_string_are_read(word, codec, charset):
    assert plain(word) in said(word.encode(codec).decode("latin-1"), charset)


def test_a_plain_value_has_one_reading():
    assert said("CHEST") == ("CHEST",)


def test_bytes_of_an_unknown_vr_are_letters_too():
    dataset = Dataset()
    tag = Tag("BodyPartExamined")
    dataset[tag] = RawDataElement(
        tag, "UN", 5, b"CHEST", 0, is_implicit_VR=False, is_little_endian=True
    )
    assert words(dataset, ("BodyPartExamined",)) == ("CHEST",)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("CHEST_PA 2V", ("CHEST", "PA", "V")),
        ("T??RAX", ("T?RAX",)),
        ("????", ()),
        ("-", ()),
        ("P.A.", ("P", "A")),
    ],
)
def test_a_text_is_split_at_what_is_no_letter(text, found):
    assert tokens(text) == found
