"""Objects in a bucket of an S3 object store, named after their digests.

An object counts as stored when the store has answered that it took it. It is put
create-only: of several who put the same, one does, and the others find it there.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from storage.errors import ObjectCorrupt, ObjectMissing, StoreFull
from storage.objects.bucket import Bucket, Entry
from storage.objects.cache import ObjectCache
from storage.objects.durable import free_bytes_of, remove_if_abandoned
from storage.objects.files import FileIncoming
from storage.objects.keys import aside_name, digest_of, key_of, read_aside_name
from storage.objects.protocol import SetAside, StoredObject

_CHUNK_BYTES = 1 << 20
_OBJECTS = "objects"
_ASIDE = "aside"
_YOUNG = timedelta(minutes=10)
"""What was put so lately need not be put again to be young: retention leaves it."""


class S3ObjectStore:
    """Objects in a bucket: ``objects/ab/<sha256>``.

    Parameters
    ----------
    bucket
        Where the objects are.
    folder
        Of this machine: what is on its way in, and copies of what was stored.
    watermark_bytes
        Nothing is received while the folder's file system has less free space.
    cache_bytes
        What the copies may take.
    """

    def __init__(
        self,
        bucket: Bucket,
        folder: Path,
        *,
        watermark_bytes: int = 0,
        cache_bytes: int = 10_000_000_000,
    ) -> None:
        self._bucket = bucket
        self._incoming = folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        self._cache = ObjectCache(folder / "cache", cache_bytes)
        self._watermark_bytes = watermark_bytes

    def incoming(self) -> FileIncoming:
        """Open a writer for an object that arrives piece by piece from outside.

        Raises
        ------
        StoreFull
            Free space here is below the watermark, or there is none.
        """
        self._check_room()
        return FileIncoming(
            self._incoming, self._place, self._check_room, is_last=False
        )

    def put(self, source: BinaryIO) -> StoredObject:
        """Store what this node made, below the watermark too.

        Raises
        ------
        StoreFull
            There is no room at all; nothing half-written stays.
        StoreUnavailable
            The object store did not take it; nothing stays.
        """
        incoming = FileIncoming(
            self._incoming, self._place, lambda: None, is_last=False
        )
        try:
            while chunk := source.read(_CHUNK_BYTES):
                incoming.write(chunk)
            return incoming.commit()
        except BaseException:
            incoming.abort()
            raise

    def open(self, key: str) -> BinaryIO:
        """Open a copy of an object for reading.

        Raises
        ------
        ObjectMissing
            Nothing is stored under that key.
        """
        with self.local(key) as path:
            return path.open("rb")

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        """Lend a copy of the object on this machine.

        Raises
        ------
        ObjectMissing
            Nothing is stored under that key.
        """
        name = _name_of(key)
        with self._cache.lent(digest_of(key), lambda: self._bucket.read(name)) as path:
            yield path

    def stored_at(self, key: str) -> datetime:
        """Tell when the object was last put.

        Raises
        ------
        ObjectMissing
            Nothing is stored under that key.
        """
        return self._entry(key).at.astimezone(UTC)

    def verify(self, key: str) -> None:
        """Read the whole object from the bucket and compare it with its digest.

        Raises
        ------
        ObjectCorrupt
            The bytes are not those that were stored.
        ObjectMissing
            Nothing is stored under that key.
        """
        found = sha256()
        for chunk in self._bucket.read(_name_of(key)):
            found.update(chunk)
        if found.hexdigest() != digest_of(key):
            raise ObjectCorrupt(f"object {key} does not match its digest")

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens when it is not there."""
        self._bucket.remove(_name_of(key))
        self._cache.drop(digest_of(key))

    def free_bytes(self) -> int:
        """Count the bytes that may still arrive here at once, above the watermark."""
        return max(0, self.room_bytes() - self._watermark_bytes)

    def room_bytes(self) -> int:
        """Count the bytes that results may take on their way; a bucket has no end."""
        return free_bytes_of(self._incoming)

    def set_aside(self, key: str, at: datetime) -> None:
        """Take an object out of the store and keep it in the bucket.

        Nothing happens when it is not there.
        """
        with suppress(ObjectMissing):
            self._bucket.copy(_name_of(key), f"{_ASIDE}/{aside_name(key, at)}")
            self.delete(key)

    def aside(self) -> Iterator[SetAside]:
        """Tell of every object that was set aside, in no particular order."""
        for entry in self._bucket.entries(f"{_ASIDE}/"):
            # An administrator may have left something of his own there.
            with suppress(ValueError):
                key, at = read_aside_name(entry.name.rpartition("/")[2])
                yield SetAside(key, entry.size_bytes, at)

    def forget_aside(self, before: datetime) -> int:
        """Remove what was set aside before then, and count it."""
        old = [one for one in self.aside() if one.at < before]
        for one in old:
            self._bucket.remove(f"{_ASIDE}/{aside_name(one.key, one.at)}")
        return len(old)

    def keys(self) -> Iterator[str]:
        """Yield every stored key, in no particular order."""
        for entry in self._bucket.entries(f"{_OBJECTS}/"):
            key = key_of(entry.name.rpartition("/")[2])
            with suppress(ObjectMissing):
                if _name_of(key) == entry.name:
                    yield key

    def sweep(self) -> int:
        """Remove from this machine what a crash left half-written, and count it."""
        left = sum(map(remove_if_abandoned, self._incoming.iterdir()))
        self._cache.sweep()
        return left

    def _entry(self, key: str) -> Entry:
        entry = self._bucket.look(_name_of(key))
        if entry is None:
            raise ObjectMissing(f"no object {key}")
        return entry

    def _place(self, path: Path, stored: StoredObject) -> None:
        """Have the bucket hold a file; then it is a copy like any other."""
        name = _name_of(stored.key)
        if stored.size_bytes > self._bucket.place.multipart_bytes:
            # Parts cannot be put create-only. Whoever else puts under this name puts
            # the same bytes.
            if not self._holds(name, stored.size_bytes):
                self._bucket.replace(name, path)
        elif not self._bucket.create(name, path) and not self._holds(
            name, stored.size_bytes
        ):
            self._bucket.replace(name, path)
        self._cache.keep(path, stored.sha256)

    def _holds(self, name: str, size_bytes: int) -> bool:
        """Tell whether it is there, of the right length, and young.

        What is old may be just going; put again, it is young.
        """
        entry = self._bucket.look(name)
        return (
            entry is not None
            and entry.size_bytes == size_bytes
            and datetime.now(UTC) - entry.at < _YOUNG
        )

    def _check_room(self) -> None:
        least = max(self._watermark_bytes, 1)
        if free_bytes_of(self._incoming) < least:
            self._cache.clear()
            if free_bytes_of(self._incoming) < least:
                raise StoreFull("free space is below the watermark")


def _name_of(key: str) -> str:
    digest_of(key)
    return f"{_OBJECTS}/{key}"
