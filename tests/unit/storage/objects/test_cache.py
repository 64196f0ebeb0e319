"""Copies on the local disk: bounded, sound, and there while somebody reads."""

import hashlib

import pytest

from storage.errors import ObjectCorrupt
from storage.objects.cache import ObjectCache

CONTENT = b"0123456789" * 100


def digest(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def asked():
    return []


@pytest.fixture
def fetching(asked):
    """What fetches some content, and remembers that it did."""

    def fetching(content):
        def fetch():
            asked.append(content)
            return [content]

        return fetch

    return fetching


def copies(folder):
    return sorted(path.name for path in (folder / "copies").iterdir())


def test_a_copy_is_fetched_once(tmp_path, fetching, asked):
    cache = ObjectCache(tmp_path, 1 << 20)
    for _ in range(3):
        with cache.lent(digest(CONTENT), fetching(CONTENT)) as path:
            assert path.read_bytes() == CONTENT
    assert asked == [CONTENT]


def test_nothing_borrowed_stays_behind(tmp_path, fetching):
    cache = ObjectCache(tmp_path, 1 << 20)
    with cache.lent(digest(CONTENT), fetching(CONTENT)):
        assert cache.sweep() == 0
    assert list((tmp_path / "lent").iterdir()) == []


def test_what_a_dead_process_had_borrowed_is_swept(tmp_path, fetching):
    cache = ObjectCache(tmp_path, 1 << 20)
    with cache.lent(digest(CONTENT), fetching(CONTENT)):
        pass
    (tmp_path / "lent" / "left").hardlink_to(tmp_path / "copies" / digest(CONTENT))
    assert cache.sweep() == 1
    assert copies(tmp_path) == [digest(CONTENT)]


def test_a_copy_that_a_crash_spoiled_is_fetched_again(tmp_path, fetching, asked):
    cache = ObjectCache(tmp_path, 1 << 20)
    with cache.lent(digest(CONTENT), fetching(CONTENT)):
        pass
    (tmp_path / "copies" / digest(CONTENT)).write_bytes(bytes(len(CONTENT)))
    with cache.lent(digest(CONTENT), fetching(CONTENT)) as path:
        assert path.read_bytes() == CONTENT
    assert len(asked) == 2


def test_what_is_fetched_and_is_something_else_is_refused_and_not_kept(
    tmp_path, fetching
):
    cache = ObjectCache(tmp_path, 1 << 20)
    with (
        pytest.raises(ObjectCorrupt),
        cache.lent(digest(CONTENT), fetching(b"something else")),
    ):
        pass
    assert copies(tmp_path) == []
    assert list((tmp_path / "lent").iterdir()) == []


def test_the_copies_stay_within_their_bound_and_the_last_used_stay(tmp_path, fetching):
    cache = ObjectCache(tmp_path, 5 * len(CONTENT))
    wanted = [CONTENT[:-1] + bytes([number]) for number in range(20)]
    for content in wanted:
        with cache.lent(digest(content), fetching(content)):
            pass
        size = sum(path.stat().st_size for path in (tmp_path / "copies").iterdir())
        assert size <= 5 * len(CONTENT)
    assert digest(wanted[-1]) in copies(tmp_path)
    assert digest(wanted[0]) not in copies(tmp_path)


def test_an_evicted_copy_is_there_while_it_is_read(tmp_path, fetching):
    cache = ObjectCache(tmp_path, 1 << 20)
    with cache.lent(digest(CONTENT), fetching(CONTENT)) as path:
        cache.clear()
        assert copies(tmp_path) == []
        assert path.read_bytes() == CONTENT


def test_copies_of_a_former_process_count(tmp_path, fetching):
    with ObjectCache(tmp_path, 1 << 20).lent(digest(CONTENT), fetching(CONTENT)):
        pass
    cache = ObjectCache(tmp_path, len(CONTENT))
    with cache.lent(digest(b"new"), fetching(b"new")):
        pass
    assert copies(tmp_path) == [digest(b"new")]
