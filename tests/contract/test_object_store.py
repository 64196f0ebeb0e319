"""What every object store promises, the real one and the fake alike."""

import hashlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage.errors import ObjectCorrupt, ObjectMissing, StoreFull
from storage.objects.files import FileObjectStore, ObjectStore
from tests.fakes.object_store import MemoryObjectStore

CONTENT = bytes(range(256)) * 9000  # 2.3 MB, several chunks


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "memory":
        return MemoryObjectStore()
    return FileObjectStore(tmp_path / "store")


@pytest.fixture(params=["file", "memory"])
def full_store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """A store without room for one more byte."""
    if request.param == "memory":
        return MemoryObjectStore(capacity_bytes=0)
    return FileObjectStore(tmp_path / "store", watermark_bytes=1 << 60)


def test_what_is_put_can_be_read(store):
    stored = store.put(io.BytesIO(CONTENT))
    assert stored.size_bytes == len(CONTENT)
    assert stored.sha256 == hashlib.sha256(CONTENT).hexdigest()
    with store.open(stored.key) as stream:
        assert stream.read() == CONTENT
    assert store.path(stored.key).read_bytes() == CONTENT
    store.verify(stored.key)


def test_an_empty_object_is_an_object(store):
    stored = store.put(io.BytesIO(b""))
    assert stored.size_bytes == 0
    assert store.path(stored.key).read_bytes() == b""


def test_the_same_content_has_the_same_key(store):
    first = store.put(io.BytesIO(CONTENT))
    assert store.put(io.BytesIO(CONTENT)) == first
    assert list(store.keys()) == [first.key]
    assert store.put(io.BytesIO(b"other")).key != first.key


def test_the_same_content_may_arrive_many_times_at_once(store):
    together = threading.Barrier(4, timeout=60)

    def put(_number: int) -> str:
        together.wait()
        return store.put(io.BytesIO(CONTENT)).key

    with ThreadPoolExecutor(4) as pool:
        (key,) = set(pool.map(put, range(4)))
    store.verify(key)


def test_a_file_can_be_put_and_stays(store, tmp_path):
    source = tmp_path / "source.dcm"
    source.write_bytes(CONTENT)
    stored = store.put(source)
    assert source.read_bytes() == CONTENT
    store.verify(stored.key)


@pytest.mark.parametrize("known", [False, True])
def test_a_moved_file_is_used_up(store, tmp_path, known):
    source = tmp_path / "source.dcm"
    source.write_bytes(CONTENT)
    if known:
        store.put(source)
    stored = store.put(source, move=True)
    assert not source.exists()
    assert (stored.size_bytes, stored.sha256) == (
        len(CONTENT),
        hashlib.sha256(CONTENT).hexdigest(),
    )
    store.verify(stored.key)


def test_an_object_can_arrive_piece_by_piece(store):
    incoming = store.incoming()
    for offset in range(0, len(CONTENT), 100_000):
        piece = memoryview(CONTENT)[offset : offset + 100_000]
        assert incoming.write(piece) == len(piece)
    assert incoming.size_bytes == len(CONTENT)
    assert incoming.commit() == store.put(io.BytesIO(CONTENT))


def test_what_has_arrived_so_far_can_be_looked_at(store):
    incoming = store.incoming()
    incoming.write(b"DICM")
    assert incoming.path.read_bytes() == b"DICM"
    incoming.abort()


def test_nothing_is_there_before_the_commit(store):
    incoming = store.incoming()
    incoming.write(b"abc")
    assert list(store.keys()) == []
    stored = incoming.commit()
    assert list(store.keys()) == [stored.key]


def test_nothing_stays_of_an_aborted_object(store):
    incoming = store.incoming()
    incoming.write(b"abc")
    path = incoming.path
    incoming.abort()
    incoming.abort()
    assert not path.exists()
    assert list(store.keys()) == []


def test_an_abort_after_the_commit_is_harmless(store):
    incoming = store.incoming()
    incoming.write(b"abc")
    stored = incoming.commit()
    incoming.abort()
    store.verify(stored.key)


def test_a_deleted_object_is_missing_and_may_be_deleted_again(store):
    key = store.put(io.BytesIO(CONTENT)).key
    store.delete(key)
    store.delete(key)
    for look in (store.open, store.path, store.verify):
        with pytest.raises(ObjectMissing):
            look(key)


@pytest.mark.parametrize(
    "key", ["", "../../etc/passwd", "ab/short", "ab/" + "g" * 64, "aa/" + "ab" * 32]
)
def test_a_key_that_was_never_given_out_is_missing(store, key):
    for look in (store.open, store.path, store.verify):
        with pytest.raises(ObjectMissing):
            look(key)


def test_an_open_object_outlives_its_deletion(store):
    key = store.put(io.BytesIO(CONTENT)).key
    with store.open(key) as stream:
        store.delete(key)
        assert stream.read() == CONTENT


def test_a_damaged_object_is_noticed(store):
    key = store.put(io.BytesIO(CONTENT)).key
    if isinstance(store, MemoryObjectStore):
        store.damage(key)
    else:
        store.path(key).write_bytes(CONTENT[:-1] + b"\0")
    with pytest.raises(ObjectCorrupt):
        store.verify(key)


def test_free_room_is_told(store):
    assert store.free_bytes() > 1_000_000


def test_a_full_store_accepts_nothing(full_store, tmp_path):
    source = tmp_path / "source.dcm"
    source.write_bytes(CONTENT)
    assert full_store.free_bytes() == 0
    with pytest.raises(StoreFull):
        full_store.incoming()
    for argument in (io.BytesIO(CONTENT), source):
        with pytest.raises(StoreFull):
            full_store.put(argument)
    with pytest.raises(StoreFull):
        full_store.put(source, move=True)
    assert source.exists()
    assert list(full_store.keys()) == []
