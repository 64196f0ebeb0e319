from datetime import UTC, datetime

import pytest

from dicom_node.errors import SettingsInvalid
from dicom_node.node.clocks import refuse_impossible


@pytest.mark.parametrize("year", [1970, 2001, 2024, 2100, 9999])
def test_a_clock_that_was_never_set_is_refused_in_one_line(year):
    with pytest.raises(SettingsInvalid, match=f"says {year}-06-01: set it, by NTP"):
        refuse_impossible(datetime(year, 6, 1, tzinfo=UTC))


@pytest.mark.parametrize("year", [2025, 2026, 2060])
def test_a_clock_that_may_be_right_is_taken(year):
    refuse_impossible(datetime(year, 6, 1, tzinfo=UTC))
