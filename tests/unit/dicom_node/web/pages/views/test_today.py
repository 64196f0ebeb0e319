import pytest

from dicom_node.web.pages.views.today import is_late, percentile
from storage.catalog.statistics import Passage
from storage.records import InstanceState
from tests.factories.rows import after


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, None),
        ([7.0], 0.95, 7.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        ([float(one) for one in range(100)], 0.95, 94.0),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(values, share, expected):
    assert percentile(values, share) == expected


@pytest.mark.parametrize(
    ("state", "ended", "late"),
    [
        (InstanceState.DELIVERED, 59, False),
        (InstanceState.DELIVERED, 61, True),
        (InstanceState.QUEUED, None, True),
        (InstanceState.DELIVERING, None, True),
        (InstanceState.FAILED, 61, False),
        (InstanceState.NOT_ELIGIBLE, None, False),
    ],
)
def test_late_is_what_took_or_takes_longer_than_the_site_wants(state, ended, late):
    one = Passage(after(0), state, None if ended is None else after(ended), None)
    assert is_late(one, after(100), 60.0) == late


def test_what_has_just_come_is_not_late_yet():
    one = Passage(after(0), InstanceState.QUEUED, None, None)
    assert not is_late(one, after(30), 60.0)
