import errno
import logging
import threading

import pytest

from dicom_node.worklist.retry import BackOff
from dicom_node.worklist.turns import Turns
from storage.errors import DatabaseUnavailable, StoreFull


class Clocked(threading.Event):
    """An event that remembers how long it was waited for, and waits not at all."""

    def __init__(self):
        super().__init__()
        self.waited = []

    def wait(self, timeout=None):
        self.waited.append(timeout)
        return False


def turns():
    return Turns(
        "A batch failed", {"action": "work"}, BackOff(1.0, 30.0, random_=lambda: 0.5)
    )


@pytest.mark.parametrize(
    "error",
    [
        DatabaseUnavailable("the database failed"),
        StoreFull("no space left"),
        OSError(errno.ENOSPC, "No space left on device"),
        TimeoutError(),
    ],
)
def test_what_is_foreseen_is_one_line_and_a_pause_that_grows(caplog, error):
    stop, failing = Clocked(), turns()
    for _ in range(8):
        failing.failed(error, stop)
    assert stop.waited == [1, 2, 4, 8, 16, 30, 30, 30]
    assert len(caplog.records) == 8
    assert all(record.exc_info is None for record in caplog.records)


def test_a_good_turn_makes_the_next_pause_short_again():
    stop, failing = Clocked(), turns()
    failing.failed(OSError(), stop)
    failing.failed(OSError(), stop)
    failing.went_well()
    failing.failed(OSError(), stop)
    assert stop.waited == [1, 2, 1]


def test_a_bug_keeps_its_traceback(caplog):
    turns().failed(KeyError("Doe^Jane"), Clocked())
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info
    assert "Doe" not in record.getMessage()
