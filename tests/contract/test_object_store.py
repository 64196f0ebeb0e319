"""What every object store promises, the real ones and the fake alike."""

import hashlib
import io
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from storage.errors import ObjectCorrupt, ObjectMissing, StoreFull
from storage.objects.files import FileObjectStore
from storage.objects.protocol import ObjectStore
from storage.objects.s3 import S3ObjectStore
from tests.fakes.object_store import MemoryObjectStore
from tests.peers.ceph import ceph_url
from tests.peers.s3 import make_bucket, moto_url

__all__ = ["ceph_url", "moto_url"]

CONTENT = bytes(range(256)) * 9000  # 2.3 MB, several chunks


KINDS = ["file", "memory", "moto", pytest.param("ceph", marks=pytest.mark.big)]


def make(
    kind: str, request: pytest.FixtureRequest, folder: Path, watermark_bytes: int = 0
) -> ObjectStore:
    if kind == "memory":
        return MemoryObjectStore(watermark_bytes=watermark_bytes)
    if kind == "file":
        return FileObjectStore(folder, watermark_bytes=watermark_bytes)
    url = request.getfixturevalue(f"{kind}_url")
    bucket = make_bucket(url, f"b{uuid.uuid4().hex}", prefix="a/node")
    return S3ObjectStore(bucket, folder, watermark_bytes=watermark_bytes)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return make(request.param, request, tmp_path / "store")


@pytest.fixture(params=KINDS)
def low_store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """A store with less room than its watermark."""
    return make(request.param, request, tmp_path / "store", 1 << 60)


def lent(store: ObjectStore, key: str) -> bytes:
    """Read an object from its local copy."""
    with store.local(key) as path:
        return path.read_bytes()


def looks(store: ObjectStore) -> tuple[Callable[[str], Any], ...]:
    """Every way to look at an object."""

    def lend(key: str) -> bytes:
        return lent(store, key)

    return store.open, lend, store.stored_at, store.verify


def test_what_is_put_can_be_read(store):
    stored = store.put(io.BytesIO(CONTENT))
    assert stored.size_bytes == len(CONTENT)
    assert stored.sha256 == hashlib.sha256(CONTENT).hexdigest()
    with store.open(stored.key) as stream:
        assert stream.read() == CONTENT
    assert lent(store, stored.key) == CONTENT
    store.verify(stored.key)


def test_an_empty_object_is_an_object(store):
    stored = store.put(io.BytesIO(b""))
    assert stored.size_bytes == 0
    assert lent(store, stored.key) == b""


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
    with incoming.open() as stream:
        assert stream.read() == b"DICM"
    incoming.write(b"more")
    with incoming.open() as stream:
        assert stream.read() == b"DICMmore"
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
    incoming.abort()
    incoming.abort()
    assert list(store.keys()) == []
    assert store.sweep() == 0


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
    for look in looks(store):
        with pytest.raises(ObjectMissing):
            look(key)


@pytest.mark.parametrize(
    "key", ["", "../../etc/passwd", "ab/short", "ab/" + "g" * 64, "aa/" + "ab" * 32]
)
def test_a_key_that_was_never_given_out_is_missing(store, key):
    for look in looks(store):
        with pytest.raises(ObjectMissing):
            look(key)


def test_an_open_object_outlives_its_deletion(store):
    key = store.put(io.BytesIO(CONTENT)).key
    with store.open(key) as stream:
        store.delete(key)
        assert stream.read() == CONTENT


def test_an_object_tells_when_it_was_stored(store):
    before = datetime.now(UTC) - timedelta(seconds=5)
    at = store.stored_at(store.put(io.BytesIO(CONTENT)).key)
    assert at.utcoffset() == timedelta(0)
    assert before <= at <= datetime.now(UTC) + timedelta(seconds=5)


def test_several_local_copies_are_lent_at_once(store):
    keys = [store.put(io.BytesIO(content)).key for content in (b"one", b"two")]
    with store.local(keys[0]) as one, store.local(keys[1]) as two:
        assert (one.read_bytes(), two.read_bytes()) == (b"one", b"two")


def test_a_sweep_leaves_alone_what_is_stored_and_what_arrives(store):
    kept = store.put(io.BytesIO(CONTENT)).key
    incoming = store.incoming()
    incoming.write(b"abc")
    assert store.sweep() == 0
    store.verify(kept)
    store.verify(incoming.commit().key)


def test_a_damaged_object_is_noticed(store):
    key = store.put(io.BytesIO(CONTENT)).key
    if isinstance(store, MemoryObjectStore):
        store.damage(key)
    elif isinstance(store, S3ObjectStore):
        store._bucket.replace(f"objects/{key}", CONTENT[:-1] + b"\0")
    else:
        with store.local(key) as path:
            path.write_bytes(CONTENT[:-1] + b"\0")
    with pytest.raises(ObjectCorrupt):
        store.verify(key)


def test_free_room_is_told(store):
    assert store.free_bytes() > 1_000_000


def test_below_the_watermark_nothing_is_received_and_results_are_stored(low_store):
    assert low_store.free_bytes() == 0
    assert low_store.room_bytes() > len(CONTENT)
    with pytest.raises(StoreFull):
        low_store.incoming()
    low_store.verify(low_store.put(io.BytesIO(CONTENT)).key)


def test_what_is_set_aside_is_told_and_no_object_any_more(store):
    at = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
    stored = store.put(io.BytesIO(CONTENT))
    store.set_aside(stored.key, at)
    store.set_aside(stored.key, at)
    assert list(store.keys()) == []
    (aside,) = store.aside()
    assert (aside.key, aside.size_bytes, aside.at) == (stored.key, len(CONTENT), at)
    assert store.forget_aside(at) == 0
    assert store.forget_aside(at + timedelta(seconds=1)) == 1
    assert list(store.aside()) == []
