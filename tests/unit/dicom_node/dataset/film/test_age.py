"""Ages in any readable form, and from any pair of dates."""

# ruff: noqa: E501, RUF001  forms of ages side by side, in letters of all widths

import pytest
from pydicom import config
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from dicom_node.dataset.film.age import age_years


def header(**attributes) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        vr = dictionary_VR(keyword)
        dataset.add(DataElement(keyword, vr, value, validation_mode=config.IGNORE))
    return dataset


@pytest.mark.parametrize(
    ("age", "years"),
    [
        ("045Y", 45), ("45", 45), ("045", 45), ("18Y ", 18), ("1Y", 1), ("Y018", 18), ("45 years", 45),
        ("012M", 1), ("12 M", 1), ("6MO", 0.5), ("18 months", 1.5), ("M006", 0.5),
        ("7D", 7 / 365.25), ("007D", 7 / 365.25), ("3W", 3 / 52.18), ("000D", 0), ("012H", 12 / 8766),
        ("1.5Y", 1.5), ("0,5 Y", 0.5), ("45歳", 45), ("4５Y", 45), ("33세", 33), ("62 ANOS", 62), ("62 años", 62),
        ("070y", 70), ("45 yrs.", 45),
    ],
)  # fmt: skip
def test_an_age_is_read_in_any_form(age, years):
    assert age_years(header(PatientAge=age)) == pytest.approx(years)


@pytest.mark.parametrize("age", ["000", "000Y", "0", "", "UNKNOWN", "999Y", "-1Y", "Y"])
def test_what_no_age_is_says_nothing(age):
    assert age_years(header(PatientAge=age)) is None


@pytest.mark.parametrize(
    "event",
    [
        "StudyDate",
        "SeriesDate",
        "AcquisitionDate",
        "ContentDate",
        "InstanceCreationDate",
    ],
)
def test_any_date_of_the_film_does(event):
    said = header(PatientBirthDate="20250101", **{event: "20260102"})
    assert age_years(said) == pytest.approx(1, abs=0.01)


def test_a_date_and_time_does_too():
    said = header(
        PatientBirthDate="2025.01.01", AcquisitionDateTime="20260102101010.5+0100"
    )
    assert age_years(said) == pytest.approx(1, abs=0.01)


def test_a_date_before_birth_is_passed_over_for_the_next():
    said = header(
        PatientBirthDate="20250101", AcquisitionDate="20000101", StudyDate="20260102"
    )
    assert age_years(said) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("born", ["01.01.2025", "2025-01-01", "2025/01/01", "202501"])
def test_a_birth_date_is_read_in_the_forms_of_old(born):
    said = header(PatientBirthDate=born, StudyDate="20260102")
    assert age_years(said) == pytest.approx(1, abs=0.01)


def test_a_year_alone_counts_from_its_beginning():
    said = header(PatientBirthDate="2008", StudyDate="20260102")
    assert age_years(said) == pytest.approx(18, abs=0.01)


@pytest.mark.parametrize("born", ["00010101", "99991231", "20301301", "unknown"])
def test_a_date_that_is_none_says_nothing(born):
    assert age_years(header(PatientBirthDate=born, StudyDate="20260102")) is None


def test_the_stated_age_wins():
    said = header(PatientAge="045Y", PatientBirthDate="20250101", StudyDate="20260102")
    assert age_years(said) == 45
