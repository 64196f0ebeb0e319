"""The library's thread never takes the answer to what somebody else asks."""

import threading
from types import SimpleNamespace

from dicom_node.dimse.library import ReactorCheckpoint


def test_a_thread_that_goes_on_has_said_so_before_anybody_can_ask():
    association = SimpleNamespace(_is_paused=True)
    ReactorCheckpoint(association).wait()
    assert not association._is_paused


def test_who_asks_finds_the_thread_paused_or_waits_for_its_next_turn():
    association = SimpleNamespace(_is_paused=False)
    checkpoint = ReactorCheckpoint(association)
    checkpoint.clear()
    association._is_paused = True
    thread = threading.Thread(target=checkpoint.wait)
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    assert association._is_paused
    checkpoint.set()
    thread.join(5)
    assert not thread.is_alive()
    assert not association._is_paused
