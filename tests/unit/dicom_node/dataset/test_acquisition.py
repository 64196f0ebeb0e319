from datetime import UTC, datetime

import pytest
from pydicom.dataset import Dataset

from dicom_node.dataset.acquisition import acquired_at


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (
            {"AcquisitionDate": "20260301", "AcquisitionTime": "101530.25"},
            datetime(2026, 3, 1, 10, 15, 30, tzinfo=UTC),
        ),
        (
            {"AcquisitionDate": "20260301", "AcquisitionTime": "10"},
            datetime(2026, 3, 1, 10, tzinfo=UTC),
        ),
        (
            {
                "AcquisitionDate": "20260301",
                "AcquisitionTime": "0030",
                "TimezoneOffsetFromUTC": "+0100",
            },
            datetime(2026, 2, 28, 23, 30, tzinfo=UTC),
        ),
        (
            {"AcquisitionDateTime": "20260301103000.5-0530"},
            datetime(2026, 3, 1, 16, tzinfo=UTC),
        ),
        (
            {"AcquisitionDateTime": "20260301103000+0200"},
            datetime(2026, 3, 1, 8, 30, tzinfo=UTC),
        ),
        (
            {"AcquisitionDateTime": "202603011030"},
            datetime(2026, 3, 1, 10, 30, tzinfo=UTC),
        ),
        ({"StudyDate": "20260301"}, datetime(2026, 3, 1, tzinfo=UTC)),
        (
            {"AcquisitionDate": "20260302", "StudyDate": "20260301", "StudyTime": "09"},
            datetime(2026, 3, 1, 9, tzinfo=UTC),
        ),
        (
            {"ContentDate": "20260229", "ContentTime": "10", "StudyDate": "20260301"},
            datetime(2026, 3, 1, tzinfo=UTC),
        ),
        ({"AcquisitionDate": "", "AcquisitionTime": "10"}, None),
        ({}, None),
    ],
)
def test_the_most_exact_valid_statement_wins(attributes, expected):
    film = Dataset()
    for name, value in ({"TimezoneOffsetFromUTC": "+0000"} | attributes).items():
        setattr(film, name, value)
    assert acquired_at(film) == expected


def test_without_an_offset_it_is_the_time_of_this_machine():
    film = Dataset()
    film.AcquisitionDate, film.AcquisitionTime = "20260301", "101500"
    local = datetime(2026, 3, 1, 10, 15).astimezone()
    assert acquired_at(film) == local


def test_times_of_old_have_punctuation():
    film = Dataset()
    film.TimezoneOffsetFromUTC = "+0000"
    film.add_new("StudyDate", "LO", "2026.03.01")
    film.add_new("StudyTime", "LO", "10:15:00")
    assert acquired_at(film) == datetime(2026, 3, 1, 10, 15, tzinfo=UTC)


def test_a_day_at_the_beginning_of_time_is_no_error():
    film = Dataset()
    film.TimezoneOffsetFromUTC = "+1200"
    film.StudyDate, film.StudyTime = "00010101", "000000"
    assert acquired_at(film) is None
