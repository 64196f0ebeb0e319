"""Objects as files, named after their digests.

An object counts as stored only when its file and the directory that names it are
fsynced.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from storage.errors import ObjectCorrupt, ObjectMissing, StoreFull
from storage.objects.durable import (
    free_bytes_of,
    full_as_store_full,
    open_locked,
    remove_if_abandoned,
    sync_directory,
    write_all,
    write_back,
)
from storage.objects.keys import aside_name, digest_of, key_of, read_aside_name
from storage.objects.protocol import SetAside, StoredObject

_CHUNK_BYTES = 1 << 20
_WRITE_BACK_BYTES = 512 * 1024
_WATERMARK_CHECK_BYTES = 8 << 20


class FileObjectStore:
    """Objects as files: ``objects/ab/<sha256>`` under one root.

    Parameters
    ----------
    root
        Directory of the store; made when it is not there.
    watermark_bytes
        Nothing is received while the file system has less free space than this: it
        is the room in which what was received is finished, so ``put`` may use it.
    """

    def __init__(self, root: Path, *, watermark_bytes: int = 0) -> None:
        self._objects = root / "objects"
        self._incoming = root / "incoming"
        self._aside = root / "aside"
        self._watermark_bytes = watermark_bytes
        self._incoming.mkdir(parents=True, exist_ok=True)
        self._aside.mkdir(exist_ok=True)
        # All 256 are made now, so that storing an object never has to make a
        # directory and fsync its parents.
        for number in range(256):
            (self._objects / f"{number:02x}").mkdir(parents=True, exist_ok=True)
        for directory in (self._objects, self._incoming, root, root.parent):
            sync_directory(directory)

    def incoming(self) -> "FileIncoming":
        """Open a writer for an object that arrives piece by piece from outside.

        Raises
        ------
        StoreFull
            Free space is below the watermark, or there is none.
        """
        self._check_room()
        return FileIncoming(self._incoming, self._place, self._check_room)

    def put(self, source: BinaryIO) -> StoredObject:
        """Store what this node made, durably; below the watermark too.

        Raises
        ------
        StoreFull
            There is no room at all; nothing half-written stays.
        """
        incoming = FileIncoming(self._incoming, self._place, lambda: None)
        try:
            while chunk := source.read(_CHUNK_BYTES):
                incoming.write(chunk)
            return incoming.commit()
        except BaseException:
            incoming.abort()
            raise

    def open(self, key: str) -> BinaryIO:
        """Open an object for reading.

        Raises
        ------
        ObjectMissing
            Nothing is stored under that key.
        """
        try:
            return self._file_of(key).open("rb")
        except FileNotFoundError as error:
            raise ObjectMissing(f"no object {key}") from error

    @contextlib.contextmanager
    def local(self, key: str) -> Iterator[Path]:
        """Lend the file that holds the object.

        Raises
        ------
        ObjectMissing
            Nothing is stored under that key.
        """
        path = self._file_of(key)
        if not path.is_file():
            raise ObjectMissing(f"no object {key}")
        yield path

    def stored_at(self, key: str) -> datetime:
        """Tell when the file was last written.

        Raises
        ------
        ObjectMissing
            Nothing is stored under that key.
        """
        try:
            written_s = self._file_of(key).stat().st_mtime
        except FileNotFoundError as error:
            raise ObjectMissing(f"no object {key}") from error
        return datetime.fromtimestamp(written_s, UTC)

    def verify(self, key: str) -> None:
        """Read the whole object and compare it with its digest.

        Raises
        ------
        ObjectCorrupt
            The bytes are not those that were stored.
        ObjectMissing
            Nothing is stored under that key.
        """
        with self.local(key) as path, path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != digest_of(key):
                raise ObjectCorrupt(f"object {key} does not match its digest")

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens when it is not there."""
        self._file_of(key).unlink(missing_ok=True)

    def free_bytes(self) -> int:
        """Count the bytes that may still be stored above the watermark."""
        return max(0, free_bytes_of(self._objects) - self._watermark_bytes)

    def room_bytes(self) -> int:
        """Count the bytes that results may still take, the watermark included."""
        return free_bytes_of(self._objects)

    def set_aside(self, key: str, at: datetime) -> None:
        """Take an object out of the store and keep it beside it, durably.

        Nothing happens when it is not there.
        """
        source = self._file_of(key)
        target = self._aside / aside_name(key, at)
        with contextlib.suppress(FileNotFoundError):
            source.rename(target)
            sync_directory(self._aside)
            sync_directory(source.parent)

    def aside(self) -> Iterator[SetAside]:
        """Tell of every object that was set aside, in no particular order."""
        for path in self._aside.iterdir():
            # An administrator may have left something of his own there.
            with contextlib.suppress(ValueError, FileNotFoundError):
                key, at = read_aside_name(path.name)
                yield SetAside(key, path.stat().st_size, at)

    def forget_aside(self, before: datetime) -> int:
        """Remove what was set aside before then, and count it."""
        removed = 0
        for one in list(self.aside()):
            if one.at < before:
                (self._aside / aside_name(one.key, one.at)).unlink(missing_ok=True)
                removed += 1
        return removed

    def keys(self) -> Iterator[str]:
        """Yield every stored key, in no particular order."""
        for directory in self._objects.iterdir():
            for path in directory.iterdir():
                yield f"{directory.name}/{path.name}"

    def sweep(self) -> int:
        """Remove what a crash left half-written, and count it.

        A file that some process is writing is locked by it and stays.
        """
        return sum(map(remove_if_abandoned, self._incoming.iterdir()))

    def _file_of(self, key: str) -> Path:
        digest_of(key)
        return self._objects / key

    def _place(self, path: Path, stored: StoredObject) -> None:
        """Give a durable file its name, durably."""
        target = self._objects / stored.key
        try:
            path.rename(target)
        except FileNotFoundError:
            target.parent.mkdir(exist_ok=True)
            sync_directory(self._objects)
            path.rename(target)
        sync_directory(target.parent)

    def _check_room(self) -> None:
        if free_bytes_of(self._objects) < max(self._watermark_bytes, 1):
            raise StoreFull("free space is below the watermark")


class FileIncoming:
    """A file being written; made by :meth:`FileObjectStore.incoming`.

    The digest is computed as the bytes pass, and the kernel is told to write them
    out while more arrive, so that the fsync in ``commit`` finds little left to do.

    Parameters
    ----------
    directory
        Where the file is while it is written.
    place
        Takes the complete file away, durably.
    check_room
        Raises StoreFull.
    is_last
        Whether this file is what stays, and not a copy of it elsewhere.
    """

    def __init__(
        self,
        directory: Path,
        place: Callable[[Path, StoredObject], None],
        check_room: Callable[[], None],
        *,
        is_last: bool = True,
    ) -> None:
        self._place = place
        self._check_room = check_room
        self._is_last = is_last
        self._digest = hashlib.sha256()
        self._size_bytes = 0
        self._written_back_bytes = 0
        self._room_checked_bytes = 0
        with full_as_store_full():
            self._path, self._file = open_locked(directory)

    @property
    def size_bytes(self) -> int:
        """How much was written so far."""
        return self._size_bytes

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Append bytes.

        Raises
        ------
        StoreFull
            The file system is full, or went below the watermark; the writer is
            aborted and nothing stays.
        """
        try:
            with full_as_store_full():
                written = write_all(self._file, data)
            self._size_bytes += written
            if self._size_bytes - self._room_checked_bytes >= _WATERMARK_CHECK_BYTES:
                self._room_checked_bytes = self._size_bytes
                self._check_room()
        except BaseException:
            self.abort()
            raise
        self._digest.update(data)
        unwritten_bytes = self._size_bytes - self._written_back_bytes
        if self._is_last and unwritten_bytes >= _WRITE_BACK_BYTES:
            self._start_write_back()
        return written

    def open(self) -> BinaryIO:
        """Read the file as far as it is written."""
        return self._path.open("rb")

    def commit(self) -> StoredObject:
        """Fsync the file, rename it into the store, fsync the directory.

        Raises
        ------
        StoreFull
            The bytes could not all be written; nothing stays.
        """
        digest = self._digest.hexdigest()
        stored = StoredObject(key_of(digest), self._size_bytes, digest)
        try:
            with full_as_store_full():
                if self._is_last:
                    os.fsync(self._file.fileno())
                self._place(self._path, stored)
        except BaseException:
            self.abort()
            raise
        self._file.close()
        return stored

    def abort(self) -> None:
        """Remove the file; nothing happens once it is committed or aborted."""
        if self._file.closed:
            return
        self._path.unlink(missing_ok=True)
        # Closing cannot fail on data nobody wants any more.
        with contextlib.suppress(OSError):
            self._file.close()

    def _start_write_back(self) -> None:
        write_back(
            self._file.fileno(),
            self._written_back_bytes,
            self._size_bytes - self._written_back_bytes,
        )
        self._written_back_bytes = self._size_bytes
