"""News of work: the board, its watches, and what a follower does when cut off."""

import threading

import pytest

from storage.signals import Board, Follower, Topic, Watch

ALL = tuple(Topic)


class Wire:
    """A database connection that hears what the test sends, or breaks."""

    def __init__(self) -> None:
        self.closed = False

    def execute(self, statement: str) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True


def test_a_post_wakes_who_is_waiting():
    board = Board()
    watch = Watch(board, ALL)
    poster = threading.Thread(target=board.post, args=([Topic.WORK],))
    poster.start()
    assert watch.wait(60)
    poster.join()


def test_what_was_posted_before_the_watch_is_no_news():
    board = Board()
    board.post([Topic.WORK])
    assert not Watch(board, ALL).wait(0)


def test_news_are_told_once():
    board = Board()
    watch = Watch(board, ALL)
    board.post([Topic.WORK])
    board.post([Topic.DELIVERY])
    assert watch.wait(0)
    assert not watch.wait(0)


def test_a_notified_watch_wakes_alone():
    board = Board()
    mine, other = Watch(board, ALL), Watch(board, ALL)
    mine.notify()
    assert mine.wait(0)
    assert not other.wait(0)


def test_a_count_is_news_only_when_it_has_grown():
    board = Board()
    watch = Watch(board, ALL)
    board.post_counts({"work": 3})
    assert watch.wait(0)
    board.post_counts({"work": 3, "delivery": 0, "something else": 9})
    board.post_counts({"work": 2})
    assert not watch.wait(0)


def test_a_follower_that_was_cut_off_connects_again_and_assumes_news():
    board = Board()
    wires: list[Wire] = []
    cut, connected_again = threading.Event(), threading.Event()

    def connect() -> Wire:
        wires.append(Wire())
        return wires[-1]

    def listen(connection, board, stop, ready) -> None:
        del board
        ready()
        if connection is wires[0]:
            assert cut.wait(60)
            raise ConnectionError
        connected_again.set()
        stop.wait()

    follower = Follower(board, connect, listen, lost=(OSError,), reconnect_s=0.01)
    follower.start()
    watch = Watch(board, ALL)
    assert not watch.wait(0)
    cut.set()
    assert watch.wait(60)
    assert connected_again.wait(60)
    follower.stop()
    assert [wire.closed for wire in wires] == [True, True]


@pytest.mark.parametrize("topic", ALL)
def test_a_watch_of_one_topic_is_deaf_to_the_other(topic):
    board = Board()
    watch = Watch(board, (topic,))
    board.post(one for one in Topic if one is not topic)
    assert not watch.wait(0)
    board.post([topic])
    assert watch.wait(0)
