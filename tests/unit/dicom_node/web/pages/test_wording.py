from datetime import timedelta

import pytest

from dicom_node.web.pages.wording import ago, duration, moment, size
from tests.factories.rows import NOW


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "—"),
        (-3.0, "0.0 s"),
        (0.25, "0.2 s"),
        (11.6, "12 s"),
        (119.4, "119 s"),
        (125, "2 min 05 s"),
        (7_300, "2 h 01 min"),
        (180_000, "2 d 2 h"),
    ],
)
def test_a_duration_is_said_to_two_places(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (43e9, "43.0 GB")],
)
def test_a_size_is_said_in_the_largest_unit_that_fits(number, said):
    assert size(number) == said


def test_what_has_not_happened_is_a_dash():
    assert moment(None) == ago(None, NOW) == "—"
    assert ago(NOW - timedelta(seconds=5), NOW) == "5.0 s"
