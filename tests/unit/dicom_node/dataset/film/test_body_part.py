"""The chest in the languages of DICOM sites, however it was damaged on the way."""

# ruff: noqa: E501  one word after another

import pytest
from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_node.dataset.film.body_part import chest


def header(**attributes) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        vr = "CS" if keyword == "BodyPartExamined" else "LO"
        dataset.add(DataElement(keyword, vr, value, validation_mode=config.IGNORE))
    return dataset


def region(value="", meaning="") -> Dataset:
    item, dataset = Dataset(), Dataset()
    item.CodeValue, item.CodeMeaning = value, meaning
    dataset.AnatomicRegionSequence = Sequence([item])
    return dataset


CHEST = """
CHEST|THORAX|Thorax pa|LUNG|LUNGS|CXR|CHEST_PA|CHESTPA|CHEST2V|THORACIC|HEART|RTG KLATKI PIERSIOWEJ
TORAX|Tórax|PECHO|PULMONES|PEITO|PULMÃO|TORACE|PETTO|POLMONI|POITRINE|POUMONS|BRUST|BRUSTKORB|LUNGE
BORSTKAS|LONGEN|BRÖSTKORG|LUNGOR|BRYSTKASSE|LUNGER|RINTAKEHÄ|KEUHKOT|KLATKA PIERSIOWA|PŁUCA|HRUDNÍK
PLÍCE|HRUDNÍK A PĽÚCA|MELLKAS|TÜDŐ|PIEPT|PLĂMÂNI|GÖĞÜS|AKCİĞER|TORAKS|PRSNI KOŠ|PLUĆA|GJOKS|KRŪTINĖ
Θώρακας|θώρακος|ОГК|Органы грудной клетки|ЛЁГКИЕ|Органи грудної клітки|Гръден кош|胸部|肺|胸部正面
흉부|가슴|الصدر|صدر|חזה|בית חזה|ngực|phổi|DADA|PARU-PARU|ทรวงอก|छाती
""".replace("\n", "|").strip("|").split("|")  # fmt: skip


@pytest.mark.parametrize("word", CHEST)
def test_the_chest_is_known_in_the_languages_of_sites(word):
    assert chest(header(BodyPartExamined=word)) is True


@pytest.mark.parametrize(
    "word",
    [
        *("T?RAX", "T??RAX", "TRAX", "THROAX", "CEHST", "CHESTT", "CHSET", "CHEAST"),
        *("THORXA", "POITRNE", "POIT?INE", "HRUDN?K", "BR?STKORG", "TORXA", "CHEST?"),
        *("RINTAKEH?", "MELKAS", "THORAXX", "PULMÃ\x83O"),
    ],
)
def test_a_word_with_lost_or_wrong_letters_is_still_the_chest(word):
    assert chest(header(BodyPartExamined=word)) is True


@pytest.mark.parametrize(
    "word",
    [
        *("ABDOMEN", "CHESTABDOMEN", "CHEST ABDOMEN", "TSPINE", "T-SPINE", "RIBS"),
        *("THORACIC SPINE", "BRUSTBEIN", "Brustwirbelsäule", "Bröstrygg", "KNEE"),
        *("KN?E", "WRIST", "HAND", "CREST", "BREAST", "THROAT", "STERNUM", "HEMITHORAX"),
        *("COLUMNA TORACICA", "RODILLA", "GENOU", "KOLANO", "SCHÄDEL", "joelho"),
        *("胸椎", "肋骨", "胸腹部", "膝関節", "흉추", "грудной отдел позвоночника", "колено"),
        *("الركبة", "ברך", "γόνατο", "XYZZY", "L-SPINE", "SHOULDER", "PELVIS"),
    ],
)  # fmt: skip
def test_other_parts_and_strange_words_are_not_the_chest(word):
    assert chest(header(BodyPartExamined=word)) is False


@pytest.mark.parametrize(
    "word",
    [
        *("UNKNOWN", "OTHER", "DEFAULT", "NONE", "N/A", "-", "", "--", "?", "????"),
        *("unbekannt", "INCONNU", "desconocido", "NIEZNANA", "不明"),
        *("NULL", "Not Specified", "0", "123", "X-RAY", "PA", "OTRO", "TORSO", "n.a."),
        "НЕИЗВЕСТНО",
    ],
)  # fmt: skip
def test_a_word_that_says_nothing_is_as_good_as_none(word):
    assert chest(header(BodyPartExamined=word)) is None


def test_a_word_that_says_nothing_leaves_the_word_to_the_other_attributes():
    assert chest(header(BodyPartExamined="OTHER", StudyDescription="Chest PA")) is True
    told = region("T-D3000")
    told.BodyPartExamined = "DEFAULT"
    assert chest(told) is True


def test_a_site_adds_words_of_its_own():
    said = header(BodyPartExamined="ZONE-7")
    assert chest(said) is False
    assert chest(said, ["Zone-7"]) is True


@pytest.mark.parametrize(
    ("value", "meaning", "expected"),
    [
        ("816094009", "", True),
        ("T-28000", "", True),
        ("RID1243", "", True),
        ("LOCAL1", "Thorax", True),
        ("818981001", "", False),
        ("T-D9200", "Knee", False),
        ("LOCAL1", "unknown", None),
    ],
)
def test_coded_regions_count_where_the_body_part_is_silent(value, meaning, expected):
    assert chest(region(value, meaning)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Röntgen Thorax", True),
        ("胸部正面", True),
        ("RX TORAX PA", True),
        ("Abdomen supine", False),
        ("Chest and ribs", None),
        ("Patient in bed", None),
        ("Tudo bem", None),
    ],
)
def test_descriptions_count_last_and_carefully(text, expected):
    assert chest(header(StudyDescription=text)) is expected
