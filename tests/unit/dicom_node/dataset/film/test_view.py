"""Views by code, by word, in any language; what names an examination names no view."""

# ruff: noqa: E501  words of one view on a line

import pytest
from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._snomed_dict import mapping
from pydicom.sr.codedict import codes

from dicom_node.dataset.film.view import view_of


def header(**attributes) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        vr = "CS" if keyword == "ViewPosition" else "LO"
        dataset.add(DataElement(keyword, vr, value, validation_mode=config.IGNORE))
    return dataset


def coded(value, meaning="", modifier="") -> Dataset:
    item, dataset = Dataset(), Dataset()
    item.CodeValue, item.CodeMeaning = value, meaning
    if modifier:
        one = Dataset()
        one.CodeValue = modifier
        item.ViewModifierCodeSequence = Sequence([one])
    dataset.ViewCodeSequence = Sequence([item])
    return dataset


OPEN = {"AxialProjection", "CranioCaudal", "CaudoCranial"}
VIEWS = [getattr(codes.cid4010, name) for name in cid_concepts[4010]["SCT"]]


def expected(meaning: str) -> str:
    if "blique" in meaning:
        return "oblique"
    if meaning in {"frontal", "postero-anterior", "antero-posterior"}:
        return "frontal"
    sides = ("lateral", "lateral-medial", "medial-lateral", "Sagittal")
    return "lateral" if meaning.endswith(sides) else "other"


@pytest.mark.parametrize("code", VIEWS, ids=lambda code: code.meaning)
def test_cid_4010_is_known_whole_in_snomed_ct_and_srt(code):
    srt = [old for old, new in mapping["SRT"].items() if new == code.value]
    for value in (code.value, *srt):
        view = view_of(coded(value))
        if code.meaning in {"axial", "cranio-caudal", "caudo-cranial"}:
            assert view is None
        else:
            assert view == expected(code.meaning)


def test_postero_anterior_has_an_older_code_too():
    assert view_of(coded("R-10214")) == "frontal"


@pytest.mark.parametrize(
    ("modifier", "view"),
    [("R-40885", "lateral"), ("118438002", "other"), ("399196006", "frontal")],
)
def test_a_modifier_of_cid_4011_counts_where_it_changes_the_view(modifier, view):
    assert view_of(coded("R-10206", modifier=modifier)) == view


@pytest.mark.parametrize(
    ("meaning", "view"),
    [
        ("postero-anterior", "frontal"),
        ("PA", "frontal"),
        ("Left lateral", "lateral"),
        ("something", None),
    ],
)
def test_a_code_of_the_site_is_read_by_its_meaning(meaning, view):
    assert view_of(coded("99LOCAL", meaning)) == view


@pytest.mark.parametrize(
    ("position", "view"),
    [
        *((word, "frontal") for word in ("PA", "AP", "AP SUPINE", "PA_ERECT", "P.A.", "A-P")),
        *((word, "frontal") for word in ("ANTEROPOSTERIOR", "POSTERO-ANTERIOR", "DV", "FRONTAL")),
        *((word, "frontal") for word in ("FACE", "正面", "정면", "прямая", "οπισθιοπρόσθια")),
        *((word, "frontal") for word in ("VENTRODORSAL", "tylno-przednia", "předozadní")),
        *((word, "lateral") for word in ("LL", "RL", "LAT", "lateral", "PROFIL", "PERFIL", "seitlich")),
        *((word, "lateral") for word in ("側面", "боковая", "BOCZNA", "dwars", "LATERO-LATERAL", "πλάγια")),
        *((word, "oblique") for word in ("LAO", "RPO", "OBLIQUE", "schräg", "oblíqua", "斜位")),
        *((word, None) for word in ("", "UNKNOWN", "DECUBITO SUPINO", "LORDOTIC", "PARIETAL")),
    ],
)  # fmt: skip
def test_view_position_is_read_in_the_words_of_sites(position, view):
    assert view_of(header(ViewPosition=position)) == view


@pytest.mark.parametrize(
    ("text", "view"),
    [
        ("W Chest PA", "frontal"),
        ("Thorax lat.", "lateral"),
        ("PA and lateral chest", None),
        ("CHEST PA/LAT", None),
        ("Patient in bed", None),
        ("Thorax p.a.", "frontal"),
    ],
)
def test_descriptions_name_a_view_or_an_examination(text, view):
    assert view_of(header(SeriesDescription=text)) == view
