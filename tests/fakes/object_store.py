"""A stand-in for the object store, good enough to pass the contract suite."""

import hashlib
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from storage.errors import ObjectCorrupt, ObjectMissing, StoreFull
from storage.objects.protocol import SetAside, StoredObject


class MemoryObjectStore:
    """An object store that forgets everything with the process."""

    def __init__(
        self, *, capacity_bytes: int = 1 << 30, watermark_bytes: int = 0
    ) -> None:
        self._watermark_bytes = watermark_bytes
        self._aside: list[SetAside] = []
        self._objects: dict[str, bytes] = {}
        self._stored_at: dict[str, datetime] = {}
        self._capacity_bytes = capacity_bytes

    def incoming(self) -> "MemoryIncoming":
        if not self.free_bytes():
            raise StoreFull("the capacity is used up")
        return MemoryIncoming(self)

    def put(self, source: BinaryIO) -> StoredObject:
        return self.keep(source.read())

    def open(self, key: str) -> BinaryIO:
        return io.BytesIO(self._bytes(key))

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        content = self._bytes(key)
        with tempfile.TemporaryDirectory(prefix="cxr-memory-store-") as folder:
            path = Path(folder) / key.rpartition("/")[2]
            path.write_bytes(content)
            yield path

    def stored_at(self, key: str) -> datetime:
        self._bytes(key)
        return self._stored_at[key]

    def verify(self, key: str) -> None:
        if hashlib.sha256(self._bytes(key)).hexdigest() not in key:
            raise ObjectCorrupt(f"object {key} does not match its digest")

    def delete(self, key: str) -> None:
        self._objects.pop(key, None)

    def sweep(self) -> int:
        return 0

    def free_bytes(self) -> int:
        return max(0, self.room_bytes() - self._watermark_bytes)

    def room_bytes(self) -> int:
        return self._capacity_bytes - sum(map(len, self._objects.values()))

    def set_aside(self, key: str, at: datetime) -> None:
        content = self._objects.pop(key, None)
        if content is not None:
            second = at.replace(microsecond=0)
            self._aside.append(SetAside(key, len(content), second))

    def aside(self) -> list[SetAside]:
        return list(self._aside)

    def forget_aside(self, before: datetime) -> int:
        kept = [one for one in self._aside if one.at >= before]
        removed = len(self._aside) - len(kept)
        self._aside = kept
        return removed

    def keys(self) -> list[str]:
        return list(self._objects)

    def keep(self, content: bytes) -> StoredObject:
        digest = hashlib.sha256(content).hexdigest()
        key = f"{digest[:2]}/{digest}"
        if key not in self._objects and len(content) > self.room_bytes():
            raise StoreFull("the capacity is used up")
        self._objects[key] = content
        self._stored_at[key] = datetime.now(UTC)
        return StoredObject(key, len(content), digest)

    def fill_up(self) -> None:
        """Have no room for anything new from now on."""
        self._capacity_bytes -= self.room_bytes()

    def damage(self, key: str) -> None:
        content = self._objects[key]
        self._objects[key] = content[:-1] + bytes([content[-1] ^ 1])

    def _bytes(self, key: str) -> bytes:
        try:
            return self._objects[key]
        except KeyError as error:
            raise ObjectMissing(f"no object {key}") from error


class MemoryIncoming:
    """An object on its way into a :class:`MemoryObjectStore`."""

    def __init__(self, store: MemoryObjectStore) -> None:
        self._store = store
        self._content = bytearray()

    @property
    def size_bytes(self) -> int:
        return len(self._content)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        if self.size_bytes + len(data) > self._store.free_bytes():
            self.abort()
            raise StoreFull("the capacity is used up")
        self._content += data
        return len(data)

    def open(self) -> BinaryIO:
        return io.BytesIO(bytes(self._content))

    def commit(self) -> StoredObject:
        return self._store.keep(bytes(self._content))

    def abort(self) -> None:
        self._content.clear()
