"""Stand-ins for the file system, good enough to pass the contract suites."""

import hashlib
import io
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import BinaryIO

from storage.errors import ObjectCorrupt, ObjectMissing, StoreFull
from storage.objects.files import StoredObject


class MemoryObjectStore:
    """An object store that forgets everything with the process."""

    def __init__(self, *, capacity_bytes: int = 1 << 30) -> None:
        self._objects: dict[str, bytes] = {}
        self._capacity_bytes = capacity_bytes
        self._folder = Path(tempfile.mkdtemp(prefix="cxr-memory-store-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def incoming(self) -> "MemoryIncoming":
        if not self.free_bytes():
            raise StoreFull("the capacity is used up")
        return MemoryIncoming(self)

    def put(self, source: BinaryIO | Path, *, move: bool = False) -> StoredObject:
        stored = self.keep(
            source.read_bytes() if isinstance(source, Path) else source.read()
        )
        if move and isinstance(source, Path):
            source.unlink()
        return stored

    def open(self, key: str) -> BinaryIO:
        return io.BytesIO(self._bytes(key))

    def path(self, key: str) -> Path:
        path = self._folder / key.rpartition("/")[2]
        path.write_bytes(self._bytes(key))
        return path

    def verify(self, key: str) -> None:
        if hashlib.sha256(self._bytes(key)).hexdigest() not in key:
            raise ObjectCorrupt(f"object {key} does not match its digest")

    def delete(self, key: str) -> None:
        self._objects.pop(key, None)

    def free_bytes(self) -> int:
        return self._capacity_bytes - sum(map(len, self._objects.values()))

    def keys(self) -> list[str]:
        return list(self._objects)

    def sweep(self) -> int:
        return 0

    def keep(self, content: bytes) -> StoredObject:
        digest = hashlib.sha256(content).hexdigest()
        key = f"{digest[:2]}/{digest}"
        if key not in self._objects and len(content) > self.free_bytes():
            raise StoreFull("the capacity is used up")
        self._objects[key] = content
        return StoredObject(key, len(content), digest)

    def damage(self, key: str) -> None:
        self._objects[key] = self._objects[key][:-1] + b"\0"

    def scratch(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._folder)) / "incoming"

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
        self._path = store.scratch()

    @property
    def path(self) -> Path:
        self._path.write_bytes(self._content)
        return self._path

    @property
    def size_bytes(self) -> int:
        return len(self._content)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        if self.size_bytes + len(data) > self._store.free_bytes():
            self.abort()
            raise StoreFull("the capacity is used up")
        self._content += data
        return len(data)

    def commit(self) -> StoredObject:
        stored = self._store.keep(bytes(self._content))
        self._path.unlink(missing_ok=True)
        return stored

    def abort(self) -> None:
        self._path.unlink(missing_ok=True)
