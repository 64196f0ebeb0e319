from time import monotonic

import pytest

from dicom_node.dimse.acceptor.pace import Pace


def test_waiting_uses_up_what_bytes_earn():
    pace = Pace(grace_s=10, bytes_per_s=100)
    assert pace.left_s() == 10
    pace.took(500, since=monotonic() - 12)
    assert pace.left_s() == pytest.approx(3, abs=1)
    pace.took(1, since=monotonic() - 60)
    assert pace.left_s() < 0


def test_what_is_complete_begins_anew():
    pace = Pace(grace_s=10, bytes_per_s=100)
    pace.took(1, since=monotonic() - 60)
    pace.restart()
    assert pace.left_s() == 10
