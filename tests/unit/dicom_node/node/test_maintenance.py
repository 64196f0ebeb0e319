"""Timers that fail: what is told of them, and how often."""

import logging
from contextlib import contextmanager
from threading import Event

import pytest

from dicom_node.node.maintenance import Maintenance, Timer
from storage.errors import DatabaseUnavailable
from tests.factories.nodes import wait_until

TURNS = 5
AWAY = DatabaseUnavailable("the database failed: no server")


class Turned:
    """A timer's function that fails as told, and counts its turns."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.turns = 0
        self.enough = Event()

    def __call__(self) -> None:
        self.turns += 1
        if self.turns >= TURNS:
            self.enough.set()
        if self.error is not None:
            raise self.error

    def timer(self, name: str) -> Timer:
        return Timer(name, 0.02, self)

    def again(self) -> None:
        self.turns = 0
        self.enough.clear()
        assert self.enough.wait(60)


@pytest.fixture
def timers(caplog):
    caplog.set_level(logging.INFO, "dicom_node")

    @contextmanager
    def begin(error: Exception):
        one, other = Turned(), Turned()
        one.error = other.error = error
        running = Maintenance([one.timer("reap"), other.timer("retain")])
        running.start()
        try:
            yield running, one, other
        finally:
            running.stop()

    return begin


def told(caplog):
    return [one for one in caplog.records if "Timers fail" in one.message]


def test_a_database_that_is_away_is_one_line_for_all_timers_and_turns(timers, caplog):
    with timers(AWAY) as (running, one, other):
        assert one.enough.wait(60)
        assert other.enough.wait(60)
        assert set(running.failing) == {"reap", "retain"}
    (line,) = told(caplog)
    assert (line.levelname, line.exc_info) == ("WARNING", None)


def test_its_return_is_one_line_and_the_next_outage_another(timers, caplog):
    with timers(AWAY) as (running, one, other):
        assert one.enough.wait(60)
        one.error = other.error = None
        assert wait_until(lambda: "All timers work again." in caplog.messages, 60)
        assert running.failing == ()
        one.error = AWAY
        one.again()
    assert len(told(caplog)) == 2
    assert caplog.messages.count("All timers work again.") == 1


def test_a_bug_has_its_traceback_once_however_often_its_turn_comes(timers, caplog):
    with timers(ZeroDivisionError("Doe^Jane")) as (running, one, other):
        other.error = None
        one.again()
        assert wait_until(lambda: running.failing == ("reap",), 60)
    bugs = [line for line in told(caplog) if line.action == "reap"]
    assert [bug.levelname for bug in bugs] == ["ERROR"]
    assert bugs[0].exc_info
    assert "Doe" not in bugs[0].message
